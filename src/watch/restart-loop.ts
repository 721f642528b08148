/** Detects restart loops: a program that writes a watched file at every start. */

export interface LoopDetector {
  /** Notes that a run begins at this time (ms). */
  started(now: number): void;
  /**
   * Notes that these files (absolute) changed. Returns the file that has changed right after each of the latest starts,
   * once, when there have been enough of them.
   */
  changed(files: readonly string[], now: number): string | undefined;
}

/** A change this soon after a start may come from the program itself. */
const soonMs = 1000;
/** This number of starts in a row is no coincidence. */
const minStarts = 5;

export function createLoopDetector(): LoopDetector {
  let startedAt = Number.NEGATIVE_INFINITY;
  /** Starts in a row after which each file changed. */
  let counts = new Map<string, number>();
  const reported = new Set<string>();

  return {
    started(now) {
      startedAt = now;
    },
    changed(files, now) {
      const before = counts;
      counts = new Map();
      if (now - startedAt > soonMs) return undefined;
      for (const file of files) counts.set(file, (before.get(file) ?? 0) + 1);
      const culprit = files.find((file) => (counts.get(file) ?? 0) >= minStarts && !reported.has(file));
      if (culprit !== undefined) reported.add(culprit);
      return culprit;
    },
  };
}
