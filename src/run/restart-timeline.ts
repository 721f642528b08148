/** Times of a restart, from its cause to the next start. Verbose output shows them. */

import type { Clock } from '../shared/clock.ts';
import type { EventOf } from '../shared/events.ts';

export class RestartTimeline {
  readonly #clock: Clock;
  /** The first change or request that leads to the next run. */
  #causedAt: number | undefined;
  /** End of the debounce. */
  #settledAt: number | undefined;
  #goneAt: number | undefined;
  /** Cause of the latest run. */
  #runCausedAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A change or a request leads to the next run; only the first one counts. */
  cause(): void {
    this.#causedAt ??= this.#clock.now();
  }

  /** The changes turned out to be none: they lead to no run. */
  dismissCause(): void {
    this.#causedAt = undefined;
  }

  /** The debounce has ended. */
  settle(): void {
    this.#settledAt = this.#clock.now();
  }

  /** The old process tree is gone. */
  gone(): void {
    this.#goneAt = this.#clock.now();
  }

  /** The next run is being launched. */
  launch(): void {
    this.#runCausedAt = this.#causedAt ?? this.#clock.now();
  }

  /** The run has been launched: returns the times for its `start` event. */
  start(): Pick<EventOf<'start'>, 'gone' | 'quiet' | 'ms'> {
    const from = this.#runCausedAt;
    const gone = this.#goneAt !== undefined && this.#goneAt >= from ? { gone: this.#goneAt - from } : {};
    const quiet = this.#settledAt === undefined ? {} : { quiet: this.#settledAt - from };
    this.#causedAt = undefined;
    this.#settledAt = undefined;
    return { ...gone, ...quiet, ms: this.sinceRunCaused };
  }

  /** Time since the cause of the next run in ms; 0 while there is none. */
  get sinceCaused(): number {
    return this.#causedAt === undefined ? 0 : this.#clock.now() - this.#causedAt;
  }

  /** Time since the cause of the latest run in ms. */
  get sinceRunCaused(): number {
    return this.msUntil(this.#clock.now());
  }

  /** Time from the cause of the latest run until `at` in ms. */
  msUntil(at: number): number {
    return at - this.#runCausedAt;
  }
}
