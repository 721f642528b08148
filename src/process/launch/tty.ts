/** The terminal as the process layer sees it: who is in its foreground, and which modes it is in. */

import { spawn, spawnSync } from 'node:child_process';
import { isatty } from 'node:tty';
import type { Outcome } from '../../shared/events.ts';
import { platform } from '../platform.ts';
import { readStat } from '../tree/proc.ts';

let known: boolean | undefined;

/** Is stdin a terminal? The stream in `process.stdin`, which could say so, takes 0.24 MB where stdin is none. */
export function stdinIsTerminal(): boolean {
  known ??= isatty(0);
  return known;
}

/** Whether a signal that devwatch got came from the terminal, which sends it to the program in the same group as well. */
export const isDeliveredByTerminal = (signal: NodeJS.Signals): boolean =>
  (signal === 'SIGINT' || signal === 'SIGQUIT') && isForeground();

/** Is this how programs end on Ctrl-C or Ctrl-\: by the signal, or by a handler of their own? Pure. */
export const looksInterrupted = ({ code, signal }: Pick<Outcome, 'code' | 'signal'>): boolean =>
  signal === 'SIGINT' || signal === 'SIGQUIT' || code === 0 || code === 130 || code === 131;

/** Is devwatch's process group the one that the terminal on stdin gives its input and its signals? */
export function isForeground(): boolean {
  if (!stdinIsTerminal()) return false;
  const stat = readStat(process.pid);
  // Without /proc: a process that runs on a terminal is nearly always in its foreground.
  return stat === undefined || stat.foreground === stat.group;
}

export interface TerminalModes {
  /**
   * Remembers the modes, once, when devwatch is in the foreground; elsewhere they are the shell's own.
   * stty takes 2 ms: at the start nobody waits for it, for the program takes longer to come up.
   */
  save(waiting: 'wait' | 'go on'): void;
  /** Puts the terminal back into the modes that were saved: a program killed in raw mode leaves it so. */
  restore(): void;
}

let modes: TerminalModes | undefined;

/** The modes of the terminal that stdin is, one object for all programs; without a terminal nothing is ever done. */
export function terminalModes(): TerminalModes {
  modes ??= openTerminalModes();
  return modes;
}

function openTerminalModes(): TerminalModes {
  let saved = '';
  let saving = !platform.isPosix;
  return {
    save(waiting) {
      if (saving || !isForeground()) return;
      saving = true;
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
      // In the background the terminal would stop stty, and us with it.
      if (saved !== '' && isForeground()) spawnSync('stty', [saved.trim()], { stdio: ['inherit', 'ignore', 'ignore'] });
    },
  };
}
