import type { CancelTimer, Clock } from '../shared/clock.ts';

export interface LooksOptions {
  readonly clock: Clock;
  /** See `FolderEvents`. */
  readonly beginsAfterMs: readonly number[];
  readonly onLook: () => void;
}

/** After this many events some may have been lost without notice. */
const maxTrustedEvents = 1000;
/** They are over after this time without one. */
const quietMs = 300;
/** Longest wait for that. */
const maxQuietWaitMs = 2000;

/** Decides when everything is compared with the disk without an event that asks for it. */
export class Looks {
  readonly #options: LooksOptions;
  #cancelBegun: CancelTimer[] = [];
  #cancelQuiet: CancelTimer | undefined;
  /** Number of events since the last look that they have caused. */
  #events = 0;

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  /** Subscriptions have been opened, which may begin to report later. */
  begin(): void {
    const { clock, beginsAfterMs, onLook } = this.#options;
    for (const cancel of this.#cancelBegun) cancel();
    this.#cancelBegun = beginsAfterMs.map((ms) => clock.after(ms, onLook));
  }

  /** Counts an event. */
  count(): void {
    this.#events += 1;
    if (this.#events <= maxTrustedEvents || this.#cancelQuiet !== undefined) return;
    this.#awaitQuiet(this.#options.clock.now() + maxQuietWaitMs);
  }

  close(): void {
    for (const cancel of this.#cancelBegun) cancel();
    this.#cancelQuiet?.();
  }

  /** @param until the time (of the clock) at which it looks although there is no end of events */
  #awaitQuiet(until: number): void {
    const { clock, onLook } = this.#options;
    const seen = this.#events;
    this.#cancelQuiet = clock.after(quietMs, () => {
      if (this.#events > seen && clock.now() < until) return this.#awaitQuiet(until);
      this.#cancelQuiet = undefined;
      this.#events = 0;
      onLook();
    });
  }
}
