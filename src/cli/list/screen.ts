/** Shows text in a terminal and replaces it in place, until a key or a signal ends it. */

import { printRaw } from '../print.ts';

/** The alternate screen, without a cursor; lines that are too long are cut. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const eraseLine = '\u001b[K';
const eraseBelow = '\u001b[J';

const endKeys: readonly string[] = ['q', 'Q', '\u001b', '\u0003', '\u0004'];
const suspendKey = '\u001a';

/** Ends it as a key does: the terminal is restored first. */
const endSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

export class Screen {
  readonly #end = new AbortController();
  readonly #onResize: () => void;

  /** Takes the terminal of stdin and stdout. @param onResize called when its size has changed, or it was taken again */
  constructor(onResize: () => void) {
    this.#onResize = onResize;
    process.stdin.on('data', this.#onKeys).on('end', this.#abort);
    for (const signal of endSignals) process.on(signal, this.#abort);
    process.on('SIGCONT', this.#onContinue);
    process.stdout.on('resize', onResize).on('error', this.#abort);
    this.#take();
  }

  /** Aborted when the user, or a signal, ends it. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get rows(): number {
    return process.stdout.rows;
  }

  get columns(): number {
    return process.stdout.columns;
  }

  /** Replaces what is shown. */
  show(lines: readonly string[]): void {
    printRaw(home + lines.map((line) => line + eraseLine).join('\r\n') + eraseBelow);
  }

  /** Restores the terminal. */
  close(): void {
    process.stdin.off('data', this.#onKeys).off('end', this.#abort).pause();
    for (const signal of endSignals) process.off(signal, this.#abort);
    process.off('SIGCONT', this.#onContinue);
    process.stdout.off('resize', this.#onResize).off('error', this.#abort);
    this.#giveBack();
  }

  #take(): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    printRaw(enter);
  }

  #giveBack(): void {
    printRaw(leave);
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }

  readonly #abort = (): void => this.#end.abort();

  readonly #onKeys = (keys: Buffer): void => {
    const text = keys.toString();
    if (endKeys.includes(text)) this.#end.abort();
    if (text !== suspendKey) return;
    this.#giveBack();
    // To the whole job, as the terminal does: npx, for example, waits for devwatch.
    process.kill(0, 'SIGTSTP');
  };

  readonly #onContinue = (): void => {
    this.#take();
    this.#onResize();
  };
}
