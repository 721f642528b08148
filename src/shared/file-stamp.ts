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

/** Facts that change with every change of a file, even one that keeps its size and restores its date, as installers and `cp -p` do. */
export interface FileState {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly size: number;
  readonly ino: number;
}

/**
 * Returns the state of a file; undefined if it is missing or its folder cannot be entered. Other than `stampOf` it also
 * changes with the file's mode and links.
 */
export function stateOf(file: string): FileState | undefined {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const { mtimeMs, ctimeMs, size, ino } = stats;
    return { mtimeMs, ctimeMs, size, ino };
  } catch {
    return undefined;
  }
}

/** Whether two states of a file are the same. */
export const isSameState = (one: FileState | undefined, other: FileState | undefined): boolean =>
  one === undefined || other === undefined
    ? one === other
    : one.ctimeMs === other.ctimeMs &&
      one.mtimeMs === other.mtimeMs &&
      one.size === other.size &&
      one.ino === other.ino;

/** Returns such a state as a text, to be stored; empty if the file is missing. */
export function exactStampOf(file: string): string {
  const state = stateOf(file);
  return state === undefined ? '' : `${state.mtimeMs} ${state.ctimeMs} ${state.size} ${state.ino}`;
}
