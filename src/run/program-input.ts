/** Input of a program: who reads the terminal, and what was typed or piped before the program could read it. */

import type { Settings } from '../config/settings-types.ts';
import type { EventOf } from '../shared/events.ts';

/** A running program, as far as its input is concerned. */
export interface InputSink {
  /** Writes to a piped stdin; null ends it. `done`: the pipe has taken the chunk, or has lost it because the program ended. */
  write(chunk: string | Buffer | null, done?: (isLost: boolean) => void): void;
}

export interface ProgramInputOptions {
  readonly stdin: () => Settings['stdin'];
  readonly onOwner: (event: EventOf<'input'>) => void;
}

/** Text typed before the program reads is kept up to the size of a terminal's own queue, in characters. */
const maxTypedAhead = 4096;

type PendingInput = readonly [chunk: string | Buffer, taken: () => void];

export class ProgramInput {
  readonly #options: ProgramInputOptions;
  #owner: EventOf<'input'>['owner'] = 'devwatch';
  /** The program whose root process is alive. */
  #sink: InputSink | undefined;
  #hasStarted = false;
  #hasEnded = false;
  #typedAhead = '';
  /** Input that came while no program ran; the next run gets it. */
  #pendingInput: PendingInput[] = [];

  constructor(options: ProgramInputOptions) {
    this.#options = options;
  }

  /** The first run has begun, or waits for a change: from now on text typed into a terminal is no longer pending. */
  start(): void {
    this.#hasStarted = true;
    this.#handPending();
  }

  /**
   * Writes to the program's stdin if it is a pipe; null ends it, for later runs as well. Otherwise keeps the text
   * until the program begins to read the terminal.
   *
   * @param taken called when more may be written: the program has read the chunk, or never will
   */
  write(chunk: string | Buffer | null, taken: () => void = () => {}): void {
    const isPiped = this.#options.stdin() !== 'inherit';
    if (chunk === null) {
      if (isPiped) {
        this.#hasEnded = true;
        this.#sink?.write(null);
      }
      taken();
    } else if (!isPiped && this.#hasStarted) {
      if (this.#typedAhead.length < maxTypedAhead) this.#typedAhead += chunk.toString();
      taken();
    } else if (this.#sink === undefined) {
      this.#pendingInput.push([chunk, taken]);
    } else {
      this.#hand(this.#sink, chunk, taken);
    }
  }

  /**
   * A run has begun.
   *
   * @param sink undefined when it could not be started
   * @param announcesReading whether it reports when it reads the terminal, as Node programs do
   */
  begin(sink: InputSink | undefined, announcesReading: boolean): void {
    const isPiped = this.#options.stdin() !== 'inherit';
    this.#sink = sink;
    this.#typedAhead = '';
    if (isPiped && sink !== undefined) {
      this.#handPending();
      if (this.#hasEnded) sink.write(null);
    }
    // A program that cannot report when it reads has the terminal all the time.
    this.#giveTo(!isPiped && !announcesReading ? 'program' : 'devwatch');
  }

  /** The program begins to read the terminal. Returns the text typed before. */
  readsInput(): string {
    if (this.#options.stdin() !== 'inherit') return '';
    this.#giveTo('program');
    return this.#typedAhead;
  }

  /** The program no longer reads the terminal. */
  leavesInput(): void {
    this.#giveTo('devwatch');
  }

  /**
   * The root process has ended.
   *
   * @param announcesReading false: input that it has left unread is for its next run, not a shortcut for devwatch
   */
  end(announcesReading: boolean): void {
    this.#sink = undefined;
    if (announcesReading) this.#giveTo('devwatch');
  }

  #handPending(): void {
    const pending = this.#pendingInput;
    this.#pendingInput = [];
    for (const [chunk, taken] of pending) this.write(chunk, taken);
  }

  /** Input that a run does not live to take is for the next run. */
  #hand(sink: InputSink, chunk: string | Buffer, taken: () => void): void {
    sink.write(chunk, (isLost) => {
      if (!isLost) taken();
      // The loss may be reported after the next run has begun.
      else if (this.#sink !== sink) this.write(chunk, taken);
      else this.#pendingInput.push([chunk, taken]);
    });
  }

  #giveTo(owner: EventOf<'input'>['owner']): void {
    if (this.#owner === owner) return;
    this.#owner = owner;
    this.#options.onOwner({ type: 'input', owner });
  }
}
