/**
 * Tells from the disk alone whether a file was written, for systems whose events do not prove it: they repeat events,
 * merge them, and send the same ones for a change of attributes.
 */

import type { Stats } from 'node:fs';
import { fingerprintOf } from './disk.ts';
import { type Baseline, isWritten } from './written.ts';

/** The state of a file when it was last examined. */
export interface FileState extends Baseline {
  readonly ctimeMs: number;
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly nlink: number;
}

/** Larger files are not read. */
const maxReadBytes = 1_000_000;

/**
 * Returns the state of a file. If it was modified within the last `youngMs`, its content belongs to it (`fingerprint`): a
 * second write might leave the same time behind.
 */
export function stateOf(file: string, stats: Stats, youngMs: number): FileState {
  const isRead = stats.size <= maxReadBytes && Date.now() - stats.mtimeMs <= youngMs;
  return { ...attributesOf(stats), fingerprint: isRead ? fingerprintOf(file) : undefined };
}

function attributesOf({ mtimeMs, size, ctimeMs, ino, mode, uid, nlink }: Stats): Omit<FileState, 'fingerprint'> {
  return { mtimeMs, size, ctimeMs, ino, mode, uid, nlink };
}

/** Returns the same state with the attributes that the file has now. */
export const withAttributes = ({ fingerprint }: FileState, stats: Stats): FileState => ({
  ...attributesOf(stats),
  fingerprint,
});

/** Is the file another one than it was, or written since? A change of mode, owner or number of links does not count. */
export function isAnother(file: string, before: FileState, stats: Stats): boolean {
  if (isWritten(file, before, stats, new Set())) return true;
  // The content is known to be the same, or nothing has happened. (Some file systems number a file anew each time it is
  // asked for.)
  if (before.fingerprint !== undefined || before.ctimeMs === stats.ctimeMs) return false;
  // Only a write explains the change: a copy that keeps the time (`cp -p`), or a file renamed into the place.
  return (
    before.ino !== stats.ino || (before.mode === stats.mode && before.uid === stats.uid && before.nlink === stats.nlink)
  );
}
