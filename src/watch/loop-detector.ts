import { patternOf } from './own-writes.ts';

/** A change this soon after a start may come from the program itself. */
const soonMs = 1000;
/** So may later ones whose delays differ no more than this. */
const maxSpreadMs = 100;
/** This number of starts in a row is no coincidence. */
const minStarts = 5;

/**
 * Detects restart loops by their times alone, where there is no evidence of who wrote a file: a program that writes a watched
 * file at every start. A person may save just as regularly, so that this leads to no more than a hint.
 */
export class LoopDetector {
  #startedAt = Number.NEGATIVE_INFINITY;
  #delay = 0;
  /** Starts in a row after which a file of each pattern changed. */
  #counts = new Map<string, number>();
  readonly #reported = new Set<string>();

  /** Notes that a run begins at this time (ms). */
  started(now: number): void {
    this.#startedAt = now;
  }

  /**
   * Notes that these files (absolute) changed. Returns a pattern of files that have changed after each of the latest starts,
   * once, when there have been enough of them.
   */
  changed(files: readonly string[], now: number): string | undefined {
    const before = this.#counts;
    this.#counts = new Map();
    const delay = now - this.#startedAt;
    const isRegular = delay <= soonMs || Math.abs(delay - this.#delay) <= maxSpreadMs;
    this.#delay = delay;
    for (const file of files) {
      const pattern = patternOf(file, 'change');
      this.#counts.set(pattern, (isRegular ? (before.get(pattern) ?? 0) : 0) + 1);
    }
    const isFound = ([pattern, starts]: [string, number]): boolean =>
      starts >= minStarts && !this.#reported.has(pattern);
    const [culprit] = [...this.#counts].find(isFound) ?? [];
    if (culprit !== undefined) this.#reported.add(culprit);
    return culprit;
  }
}
