/** A program that writes a file that is watched, whenever it starts, is restarted for ever. */

export interface LoopDetector {
  /** A run begins at this time (ms). */
  started(now: number): void;
  /**
   * These files (absolute) changed. Returns the one that has changed right after each of the latest
   * starts, once, when there have been enough of them.
   */
  changed(files: readonly string[], now: number): string | undefined;
}

/** A change this soon after a start, in ms, may be the program's own. */
const soon = 1000;
/** So many starts in a row are no coincidence. */
const suspicious = 5;

export function createLoopDetector(): LoopDetector {
  let startedAt = Number.NEGATIVE_INFINITY;
  /** Starts in a row that were followed by a change of the file. */
  let counts = new Map<string, number>();
  const told = new Set<string>();

  return {
    started(now) {
      startedAt = now;
    },
    changed(files, now) {
      const before = counts;
      counts = new Map();
      if (now - startedAt > soon) return undefined;
      for (const file of files) counts.set(file, (before.get(file) ?? 0) + 1);
      const culprit = files.find((file) => (counts.get(file) ?? 0) >= suspicious && !told.has(file));
      if (culprit !== undefined) told.add(culprit);
      return culprit;
    },
  };
}
