/**
 * Tells from the disk alone whether a file was written, for systems whose events do not prove it: they repeat events,
 * merge them, and send the same ones for a change of attributes.
 */

import type { Stats } from 'node:fs';
import { fingerprintOf } from './disk.ts';
import { type Baseline, isWritten } from './written.ts';

/** The state of a file when it was last examined. The content (`fingerprint`) is known where a second write might leave the same time behind. */
export interface FileState extends Baseline {
  readonly ctimeMs: number;
  readonly ino: number;
}

/** Larger files are not read. */
const maxReadBytes = 1_000_000;

/** Returns the state of a file. Its content is read if it was modified within the last `youngMs`. */
export function stateOf(file: string, { mtimeMs, size, ctimeMs, ino }: Stats, youngMs: number): FileState {
  const isRead = size <= maxReadBytes && Date.now() - mtimeMs <= youngMs;
  return { mtimeMs, size, ctimeMs, ino, fingerprint: isRead ? fingerprintOf(file) : undefined };
}

/** Is the file another one than it was, or written since? A change of mode, owner or attributes does not count. */
export function isAnother(file: string, before: FileState, stats: Stats): boolean {
  // Some file systems number a file anew each time it is asked for: then its other times have stayed.
  const isReplaced = before.ino !== stats.ino && before.ctimeMs !== stats.ctimeMs;
  return isReplaced || isWritten(file, before, stats, new Set());
}
