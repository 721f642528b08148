/** Answers changes by a signal to a program that reloads itself (`onChange`), and notices when that ends the program. */

import type { SignalReaction } from '../config/reactions.ts';
import type { Clock } from '../shared/clock.ts';
import type { Change, Emit } from '../shared/events.ts';

export interface SignalAnswerOptions {
  readonly clock: Clock;
  readonly emit: Emit;
  /** Sends a signal to the program. */
  readonly signal?: ((signal: SignalReaction) => void) | undefined;
  /** Returns the command, for people. */
  readonly program: () => string;
}

/** A program that a signal ends does so within this time. */
const maxEffectMs = 1000;

export class SignalAnswer {
  readonly #options: SignalAnswerOptions;
  #latest: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
  #hasWarned = false;

  constructor(options: SignalAnswerOptions) {
    this.#options = options;
  }

  /** Sends the signal, and emits `signal`. */
  send(reaction: SignalReaction, changes: readonly Change[]): void {
    const { clock, emit, signal } = this.#options;
    signal?.(reaction);
    this.#latest = { signal: reaction.signal, at: clock.now() };
    emit({ type: 'signal', ...reaction, changes });
  }

  /** The root process of a run has ended, by a signal or otherwise. Warns once if that was the answer to a change. */
  runEnded(signal: NodeJS.Signals | null): void {
    const { clock, emit, program } = this.#options;
    const latest = this.#latest;
    if (this.#hasWarned || latest?.signal !== signal || clock.now() - latest.at > maxEffectMs) return;
    this.#hasWarned = true;
    const remedy = 'name the program itself, without npm or a shell, or use --on-change restart';
    emit({ type: 'warning', message: `${program()} does not handle ${signal}, and has ended · ${remedy}` });
  }
}
