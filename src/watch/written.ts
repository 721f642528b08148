/**
 * Distinguishes a write from a change of mode or owner, which arrives as the same event. A write moves the
 * time of modification or the size.
 */

import type { Stats } from 'node:fs';
import { fingerprintOf } from './disk.ts';

/** The properties of a file that a write changes. */
export interface Baseline {
  readonly mtimeMs: number;
  readonly size: number;
  /** Known only where a second write might leave the same time behind. */
  readonly fingerprint: string | undefined;
}

/** The coarsest resolution of modification times: FAT gives two writes within 2 s the same one. */
const maxTimestampStepMs = 2100;
/** Larger files are not read to tell a `chmod` right after a write from another write. */
const maxFingerprintedBytes = 1_000_000;

/**
 * Returns what a later state of the file is compared with; undefined where that would prove nothing. A file that was
 * modified a moment ago may be written again and keep its time: its content must be known as well.
 */
export function baselineOf(file: string, stats: Stats | undefined, readsContent: boolean): Baseline | undefined {
  if (stats === undefined) return undefined;
  const { mtimeMs, size } = stats;
  const isSettled = Date.now() - mtimeMs > maxTimestampStepMs;
  if (!isSettled && !(readsContent && size <= maxFingerprintedBytes)) return undefined;
  return { mtimeMs, size, fingerprint: isSettled ? undefined : fingerprintOf(file) };
}

/**
 * Decides for an event of a known file whether the file was written; true when too little is known (`before` undefined).
 *
 * @param suspects files that had an event in this turn of the event loop, but seem not to have been written; kept up here
 */
export function isWritten(
  file: string,
  before: Baseline | undefined,
  stats: Stats | undefined,
  suspects: Set<string>,
): boolean {
  if (before === undefined || stats === undefined || before.size !== stats.size) return true;
  // A write and a `touch` move the time forwards. A copy in progress gets the older time of its source last.
  if (stats.mtimeMs > before.mtimeMs) return true;
  if (before.fingerprint !== undefined) return before.fingerprint !== fingerprintOf(file);
  // A copy that keeps the times (`cp -p`) causes at least two events: a write, and a change of attributes.
  if (stats.mtimeMs < before.mtimeMs || suspects.has(file)) return true;
  suspects.add(file);
  return false;
}
