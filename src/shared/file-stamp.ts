import fs from 'node:fs';

/** Another one whenever a file has been saved; empty for one that is missing, or in a folder that may not be entered. */
export function stampOf(file: string): string {
  try {
    // Most are missing, and an error takes longer than all else here: this stands between a save and the run.
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? '' : `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
  } catch {
    return '';
  }
}
