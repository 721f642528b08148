/**
 * Decides when a burst of changes is over. One save spans at most 0.6 ms of events, `sed -i` leaves gaps of 11 ms, a
 * checkout 24, a formatter run 28 (measured on ext4). So the window adapts to the changes so far: a single complete
 * file is answered fast, one that may be half saved a little later, and a burst is left to finish.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Change } from '../shared/events.ts';

export interface QuietOptions {
  readonly clock: Clock;
  /** A fixed window in ms; undefined lets it adapt. Called each time, because settings may change. */
  readonly delay?: () => number | undefined;
  /** Returns the shortest window in ms, unless it is fixed; by default 0. */
  readonly minWindow?: () => number;
  /**
   * Says whether something is still writing beside these files, which began to change `sinceMs` ago, such as a git
   * operation: `assumed` ends when no change comes for 2 s, `known` does not.
   */
  readonly busy?: (files: Iterable<string>, sinceMs: number) => 'assumed' | 'known' | undefined;
  /** Returns how many threads share a CPU, as `cpuQueue` does; by default 1. */
  readonly cpuQueue?: () => number;
  /** Estimates how long, in ms, the rest of a save of this path may take; 0 where it looks complete. */
  readonly restOfSave: (path: string) => number;
  /** Called when a burst is over, with the latest change of each path. */
  readonly onQuiet: (changes: readonly Change[]) => void;
}

const singleWindowMs = 5;
const severalWindowMs = 60;
const burstWindowMs = 120;
/** The search for another writer takes some ms. */
const minCheckMs = 50;
/**
 * Where threads share a CPU, for each of them. A process that saves many files may be interrupted at each, until the
 * others have had their turns of 3 to 4 ms. Measured beside 4 to 20 busy threads on two CPUs, with saves of 3 to 5 files:
 * after the first file 70 of 450 had a gap of more than 5 ms for each thread, 12 of more than 10; later 9 of 130 had one of
 * more than 20.
 */
const sharedSingleWindowMs = 10;
const sharedSeveralWindowMs = 20;
const maxSharedWindowMs = 240;
/** Timers count in whole ms: what is due within this time is due now, or the wait would be twice as long. */
const timerSlackMs = 0.5;
/** A program that writes without pause must not delay a restart for ever. */
const maxBurstMs = 2000;
/** A change this soon after the end of a burst, or later where threads share a CPU, shows that the burst was not over. */
const resumptionMs = 100;
/** A burst of new files this soon after another one comes from the same generator, which needs as long for each file. */
const generatorGapMs = 400;
/** The window of such a burst as a multiple of that gap. */
const generatorFactor = 1.5;
/** Files that have changed this recently are not new. */
const knownMs = 10_000;
/** A writer that is only assumed is ignored after this time without changes: a lock of git is stale (git was killed). */
const maxAssumedMs = 2000;
/** Ignore it after this time even if writes continue. A checkout of 80,000 files takes about 20 s. */
const maxAssumedBurstMs = 30_000;

/** Circumstances of a burst that lengthen the window. */
export interface WindowState {
  /** Something is known to be writing. */
  readonly isBusy?: boolean;
  /** The burst seemed to be over before. */
  readonly hasResumed?: boolean;
  /** Threads that share a CPU. */
  readonly cpuQueue?: number;
}

/**
 * Returns the window in ms that fits the changes so far: 5 for one file; 60 for several files, more than 8 events or a
 * burst that seemed to be over and resumes; 120 for more than 100 events or while something is known to be writing. Where
 * threads share a CPU, at least 10 for one file and each of them, 20 in the other cases, and at most 240 for that reason.
 */
export function adaptiveWindow(
  files: number,
  events: number,
  { isBusy = false, hasResumed = false, cpuQueue = 1 }: WindowState,
): number {
  if (isBusy || events > 100) return Math.max(burstWindowMs, sharedWindow(sharedSeveralWindowMs, cpuQueue));
  if (files > 1 || events > 8 || hasResumed) {
    return Math.max(severalWindowMs, sharedWindow(sharedSeveralWindowMs, cpuQueue));
  }
  return Math.max(singleWindowMs, sharedWindow(sharedSingleWindowMs, cpuQueue));
}

const sharedWindow = (ms: number, cpuQueue: number): number =>
  cpuQueue > 1 ? Math.min(maxSharedWindowMs, ms * cpuQueue) : 0;

/** So many files of a burst are looked at, so that a large one does not block devwatch. */
const maxExamined = 500;

/** Collects changes into bursts. */
export class QuietWindow {
  readonly #options: QuietOptions;
  #changes = new Map<string, Change>();
  #events = 0;
  #firstAt = 0;
  /** Read at the first change: the restart that follows keeps the CPUs busy, too. */
  #cpuQueue = 1;
  #lastAt = 0;
  #endedAt: number = Number.NEGATIVE_INFINITY;
  #resumptionMs: number = resumptionMs;
  /** When each file changed last, in earlier bursts. */
  #known = new Map<string, number>();
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  constructor(options: QuietOptions) {
    this.#options = options;
  }

  push(change: Change): void {
    if (this.#isClosed) return;
    this.#lastAt = this.#options.clock.now();
    if (this.#events === 0) {
      this.#firstAt = this.#lastAt;
      this.#cpuQueue = this.#options.cpuQueue?.() ?? 1;
    }
    this.#events += 1;
    this.#changes.set(change.path, change);
    // A single timer serves the whole burst: it compares the clock when it fires, and waits on.
    if (this.#cancelTimer === undefined) this.#wait(Math.max(0, this.#dueAt() - this.#lastAt));
  }

  /** Whether changes have come in that are not complete yet. */
  get isPending(): boolean {
    return this.#events > 0;
  }

  /** Forgets all changes and never calls back again. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  #dueAt(): number {
    const hasResumed = this.#firstAt - this.#endedAt < this.#resumptionMs;
    const { delay, minWindow } = this.#options;
    const window =
      delay?.() ?? Math.max(this.#adaptiveWindow({ hasResumed }), this.#generatorWindow(), minWindow?.() ?? 0);
    return Math.min(this.#lastAt + window, this.#firstAt + Math.max(window, maxBurstMs));
  }

  /** Returns the window that is fixed, but not one that is too short to look for a writer again and again. */
  #fixedWindow(): number {
    return Math.max(this.#options.delay?.() ?? burstWindowMs, minCheckMs);
  }

  /** Returns the window for files that are written one by one, each for the first time; 0 for other changes. */
  #generatorWindow(): number {
    const gap = this.#firstAt - this.#endedAt;
    const isGenerator = gap < generatorGapMs && [...this.#changes.keys()].every((file) => !this.#known.has(file));
    return isGenerator ? generatorFactor * gap : 0;
  }

  #adaptiveWindow(state: WindowState): number {
    return adaptiveWindow(this.#changes.size, this.#events, { ...state, cpuQueue: this.#cpuQueue });
  }

  /** Checks after this time, and after all events that are pending by then have been handled. */
  #wait(ms: number): void {
    const { clock } = this.#options;
    this.#cancelTimer = clock.after(ms, () => {
      this.#cancelTimer = clock.soon(() => this.#check());
    });
  }

  #check(): void {
    this.#cancelTimer = undefined;
    const now = this.#options.clock.now();
    const dueIn = this.#dueAt() - now;
    const left = dueIn > timerSlackMs ? dueIn : Math.min(singleWindowMs, this.#restOfSaves(now - this.#lastAt));
    if (left > 0) this.#wait(left);
    else if (this.#isBusy(now)) this.#wait(Math.min(this.#fixedWindow(), burstWindowMs));
    else this.#end(now);
  }

  #isBusy(now: number): boolean {
    const writer = this.#options.busy?.(this.#changes.keys(), now - this.#firstAt);
    if (writer !== 'assumed') return writer === 'known';
    return now - this.#lastAt < maxAssumedMs && now - this.#firstAt < maxAssumedBurstMs;
  }

  /** Returns how much longer, after a pause in ms, half-saved files may take. One complete file shows that none is half saved. */
  #restOfSaves(pauseMs: number): number {
    const { delay, restOfSave } = this.#options;
    if (delay?.() !== undefined) return 0;
    let rest = Number.POSITIVE_INFINITY;
    for (const path of [...this.#changes.keys()].slice(0, maxExamined)) {
      rest = Math.min(rest, restOfSave(path) - pauseMs);
      if (rest <= 0) return 0;
    }
    return rest;
  }

  #end(now: number): void {
    const burst = [...this.#changes.values()];
    this.#resumptionMs = Math.max(resumptionMs, 2 * sharedWindow(sharedSeveralWindowMs, this.#cpuQueue));
    for (const [file, at] of this.#known) if (now - at > knownMs) this.#known.delete(file);
    for (const file of this.#changes.keys()) this.#known.set(file, now);
    this.#changes = new Map();
    this.#events = 0;
    this.#endedAt = now;
    this.#options.onQuiet(burst);
  }
}
