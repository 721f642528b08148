/** Input of a program: who reads the terminal, and what was typed or piped before the program could read it. */

import type { Settings } from '../config/settings-types.ts';
import type { RunningProgram } from '../process/launch/program-interface.ts';
import type { EventOf } from '../shared/events.ts';

/** A running program, as far as its input is concerned. */
export type InputSink = Pick<RunningProgram, 'write'>;

/** Text typed before the program reads is kept up to the size of a terminal's own queue, in characters. */
const maxTypedAhead = 4096;

export class ProgramInput {
  readonly #stdin: () => Settings['stdin'];
  readonly #emit: (event: EventOf<'input'>) => void;
  #owner: EventOf<'input'>['owner'] = 'devwatch';
  /** The program whose root process is alive. */
  #sink: InputSink | undefined;
  #hasStarted = false;
  #hasEnded = false;
  #typedAhead = '';
  /** Input that came while no program ran; the next run gets it. */
  readonly #pendingInput: (readonly [chunk: string | Buffer, taken: () => void])[] = [];

  constructor(stdin: () => Settings['stdin'], emit: (event: EventOf<'input'>) => void) {
    this.#stdin = stdin;
    this.#emit = emit;
  }

  /** The first run has begun, or waits for a change: from now on text typed into a terminal is no longer pending. */
  start(): void {
    this.#hasStarted = true;
    this.#handPending();
  }

  /**
   * Writes to the program's stdin if it is a pipe; null ends it, for later runs as well. Otherwise keeps the text
   * until the program begins to read the terminal. `taken` is called when more may be written.
   */
  write(chunk: string | Buffer | null, taken: () => void = () => {}): void {
    const isPiped = this.#stdin() !== 'inherit';
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
      const sink = this.#sink;
      sink.write(chunk, (isLost) => {
        if (!isLost) taken();
        // Input that a run does not live to take is for the next run, which may have begun before the loss is reported.
        else if (this.#sink !== sink) this.write(chunk, taken);
        else this.#pendingInput.push([chunk, taken]);
      });
    }
  }

  /** A run has begun, or could not be started (no sink). `announcesReading`: it reports when it reads the terminal. */
  begin(sink: InputSink | undefined, announcesReading: boolean): void {
    const isPiped = this.#stdin() !== 'inherit';
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
    if (this.#stdin() !== 'inherit') return '';
    this.#giveTo('program');
    return this.#typedAhead;
  }

  /** The program no longer reads the terminal. */
  leavesInput(): void {
    this.#giveTo('devwatch');
  }

  /** The root process has ended. Input that it has left unread is for its next run, unless it `announcesReading`. */
  end(announcesReading: boolean): void {
    this.#sink = undefined;
    if (announcesReading) this.#giveTo('devwatch');
  }

  #handPending(): void {
    for (const [chunk, taken] of this.#pendingInput.splice(0)) this.write(chunk, taken);
  }

  #giveTo(owner: EventOf<'input'>['owner']): void {
    if (this.#owner === owner) return;
    this.#owner = owner;
    this.#emit({ type: 'input', owner });
  }
}
