import fs from 'node:fs';

/** Returns a text that changes with every save of the file; empty if the file is missing or its folder cannot be entered. */
export function stampOf(file: string): string {
  try {
    // Most files are missing, and throwing an error is slow: this runs between a save and the next run.
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? '' : `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
  } catch {
    return '';
  }
}

/**
 * Returns a text that changes with every change of the file, even one that keeps its size and restores its date, as
 * installers and `cp -p` do; empty if it is missing. Other than `stampOf` it also changes with the file's mode and links.
 */
export const exactStampOf = (file: string): string => exactStampWithTime(file).stamp;

/** Returns such a stamp, and when the file was changed last, in epoch ms; Infinity if it is missing. */
export function exactStampWithTime(file: string): { readonly stamp: string; readonly changedAt: number } {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    if (stats !== undefined) {
      const { mtimeMs, ctimeMs, size, ino } = stats;
      return { stamp: `${mtimeMs} ${ctimeMs} ${size} ${ino}`, changedAt: ctimeMs };
    }
  } catch {
    // A folder on the way cannot be entered.
  }
  return { stamp: '', changedAt: Number.POSITIVE_INFINITY };
}
