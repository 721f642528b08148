/** A change this soon after a start may come from the program itself. */
const soonMs = 1000;
/** This number of starts in a row is no coincidence. */
const minStarts = 5;

/** Detects restart loops: a program that writes a watched file at every start. */
export class LoopDetector {
  #startedAt = Number.NEGATIVE_INFINITY;
  /** Starts in a row after which each file changed. */
  #counts = new Map<string, number>();
  readonly #reported = new Set<string>();

  /** Notes that a run begins at this time (ms). */
  started(now: number): void {
    this.#startedAt = now;
  }

  /**
   * Notes that these files (absolute) changed. Returns the file that has changed right after each of the latest starts,
   * once, when there have been enough of them.
   */
  changed(files: readonly string[], now: number): string | undefined {
    const before = this.#counts;
    this.#counts = new Map();
    if (now - this.#startedAt > soonMs) return undefined;
    for (const file of files) this.#counts.set(file, (before.get(file) ?? 0) + 1);
    const culprit = files.find((file) => (this.#counts.get(file) ?? 0) >= minStarts && !this.#reported.has(file));
    if (culprit !== undefined) this.#reported.add(culprit);
    return culprit;
  }
}
