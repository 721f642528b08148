/** A pseudo-terminal with a shell in it: shows what a person would see, and takes what a person would type. */

import { type IPty, spawn } from '@lydell/node-pty';
import { within } from './deadline.ts';
import { printOnFailure } from './failure.ts';

export interface Terminal extends AsyncDisposable {
  /** Types text as it is; Enter is `\r`, Ctrl-C `\x03`, Ctrl-Z `\x1a`, Ctrl-D `\x04`, Ctrl-\ `\x1c`. */
  type(text: string): void;
  /** Types a line and Enter. */
  line(text: string): void;
  /** Waits until the output that no earlier call has passed matches, and returns the match. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  resize(columns: number, rows: number): void;
  /** Closes the terminal, as a window that is closed does: everything in it gets SIGHUP. */
  hangUp(): void;
  /** All output so far. */
  readonly output: string;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Opens a terminal with an interactive shell; its prompt is `$ `. */
export function openTerminal({ cwd, env }: TerminalOptions): Terminal {
  const pty: IPty = spawn('/bin/bash', ['--norc', '--noprofile', '-i'], {
    cwd,
    env: {
      ...process.env,
      PS1: '$ ',
      PROMPT_COMMAND: '',
      TERM: 'dumb',
      NO_COLOR: '1',
      HISTFILE: '/dev/null',
      ...env,
    } as Record<string, string>,
    cols: 200,
    rows: 50,
  });
  let output = '';
  let passed = 0;
  let ended = false;
  let wake: () => void = () => {};
  pty.onData((data) => {
    output += data;
    wake();
  });
  const exited = new Promise<void>((resolve) => {
    pty.onExit(() => {
      ended = true;
      wake();
      resolve();
    });
  });
  printOnFailure(() => ['the terminal showed:', output]);

  async function nextMatch(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = new RegExp(pattern, pattern.flags.replace('g', '')).exec(output.slice(passed));
      if (match !== null) {
        passed += match.index + match[0].length;
        return match;
      }
      if (ended) throw new Error(`the terminal closed before it showed ${pattern}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  const terminal: Terminal = {
    type: (text) => pty.write(text),
    line: (text) => pty.write(`${text}\r`),
    until: (pattern) => within(`${pattern} in the terminal`, nextMatch(pattern)),
    resize: (columns, rows) => pty.resize(columns, rows),
    hangUp: () => close(pty),
    get output() {
      return output;
    },
    async [Symbol.asyncDispose]() {
      if (ended) return;
      close(pty);
      await exited;
    },
  };
  return terminal;
}

/**
 * Closes the terminal itself; the kernel does the rest. A SIGHUP that is sent to bash instead may arrive between its
 * prompt and its read, and then takes effect at the next key only.
 */
function close(pty: IPty): void {
  (pty as IPty & { destroy(): void }).destroy();
}
