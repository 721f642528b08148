/** The terminal's foreground process group and its modes. */

import { spawn, spawnSync } from 'node:child_process';
import { isatty } from 'node:tty';
import type { Outcome } from '../../shared/events.ts';
import { platform } from '../platform.ts';

/** Whether stdin is a terminal. */
export const stdinIsTerminal = (): boolean => isatty(0);

/** Whether a signal was sent by the terminal, which also sends it to the program in the same process group. */
export const isDeliveredByTerminal = (signal: NodeJS.Signals): boolean =>
  (signal === 'SIGINT' || signal === 'SIGQUIT') && isForeground();

/** Whether programs end like this on Ctrl-C or Ctrl-\: by the signal, or by the exit code of a handler. */
export const looksInterrupted = ({ code, signal }: Pick<Outcome, 'code' | 'signal'>): boolean =>
  signal === 'SIGINT' || signal === 'SIGQUIT' || code === 0 || code === 130 || code === 131;

/** Whether devwatch's process group is the foreground one of the terminal on stdin. */
export function isForeground(): boolean {
  if (!stdinIsTerminal()) return false;
  const groups = platform.terminal.groups();
  // Where it is unknown, assume so: most processes on a terminal are in its foreground.
  return groups === undefined || groups.foreground === groups.own;
}

/**
 * Whether devwatch was started by the shell of the terminal itself, and is in the foreground: it leads the process group.
 * Started by a program, such as npm, it belongs to that program's group.
 */
export const leadsForeground = (): boolean => isForeground() && platform.terminal.groups()?.own === process.pid;

export interface TerminalModes {
  /**
   * Saves the modes once, while devwatch is in the foreground; in the background they are those of the shell.
   * stty takes 2 ms. At the start nothing waits for it, because the program takes longer to start.
   */
  save(waiting: 'wait' | 'go on'): void;
  /** Restores the saved modes: a program that is killed in raw mode leaves the terminal in it. */
  restore(): void;
}

let saved = '';
let isSaved = false;

/** The modes of the terminal on stdin, for all programs. Without a terminal nothing is done. */
export const terminalModes: TerminalModes = {
  save(waiting) {
    if (isSaved || !platform.isPosix || !isForeground()) return;
    isSaved = true;
    if (waiting === 'wait') {
      saved = spawnSync('stty', ['-g'], { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' }).stdout ?? '';
      return;
    }
    const stty = spawn('stty', ['-g'], { stdio: ['inherit', 'pipe', 'ignore'] });
    stty.stdout.setEncoding('utf8').on('data', (text: string) => {
      saved += text;
    });
    stty.on('error', () => {});
    stty.unref();
  },
  restore() {
    // In the background the terminal would stop stty, and devwatch with it (SIGTTOU).
    if (saved !== '' && isForeground()) spawnSync('stty', [saved.trim()], { stdio: ['inherit', 'ignore', 'ignore'] });
  },
};
