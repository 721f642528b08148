/** Samples a run's memory, and reports when it stays above a limit. */

import type { CancelTimer, Clock } from '../shared/clock.ts';

export interface MemoryLimitOptions {
  readonly clock: Clock;
  /** In bytes, which may be reached but not exceeded; undefined disables the samples. */
  readonly limit: number | undefined;
  /** Time between two samples, in ms; 2000 by default. */
  readonly interval?: number;
  /** Number of samples in a row that must be above the limit, so that a short peak is accepted; 2 by default. */
  readonly samples?: number;
  /** Returns the memory in bytes, or undefined when it is unknown, which counts as below the limit. */
  readonly measure: () => number | undefined;
  /** Called once in a run, with the last sample; no samples are taken after it. */
  readonly onExceeded: (bytes: number) => void;
}

export class MemoryLimit {
  readonly #options: MemoryLimitOptions;
  #cancelTimer: CancelTimer = () => {};
  #above = 0;

  constructor(options: MemoryLimitOptions) {
    this.#options = options;
  }

  /** A run begins: the first sample is taken after one interval. */
  begin(): void {
    this.end();
    this.#above = 0;
    if (this.#options.limit !== undefined) this.#wait(this.#options.limit);
  }

  /** The run is over. */
  end(): void {
    this.#cancelTimer();
  }

  #wait(limit: number): void {
    const { clock, interval = 2000 } = this.#options;
    this.#cancelTimer = clock.after(interval, () => this.#sample(limit));
  }

  #sample(limit: number): void {
    const { samples = 2, measure, onExceeded } = this.#options;
    const bytes = measure();
    this.#above = bytes !== undefined && bytes > limit ? this.#above + 1 : 0;
    if (bytes !== undefined && this.#above >= samples) onExceeded(bytes);
    else this.#wait(limit);
  }
}
