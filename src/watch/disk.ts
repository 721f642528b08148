/** What the backends need of the disk. */

import { createHash } from 'node:crypto';
import fs, { type StatSyncFn, type Stats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../shared/clock.ts';
import { codeOf } from '../shared/errors.ts';

/**
 * The kernel stamps files with the time of its last tick (up to 10 ms ago at 100 Hz), so a save
 * right after a moment may look this much older than it. Milliseconds.
 */
export const timestampSlack = 10;

/** Long work gives the event loop a turn after this long, in ms, so that a child's start is not slowed. */
const slice = 10;

/** What stands at this path; undefined when nothing does, or it cannot be reached. */
export function statsOf(file: string, stat: StatSyncFn): Stats | undefined {
  try {
    return stat(file, { throwIfNoEntry: false });
  } catch (error) {
    // A parent that is no folder any more, or may not be entered: as good as missing.
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** The entries of a folder; none when it is gone or may not be read. */
export function entriesOf(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** The path with all links resolved; undefined when nothing is there. */
export function realPathOf(file: string): string | undefined {
  try {
    return fs.realpathSync(file);
  } catch {
    return undefined;
  }
}

/** Of what programs write in pieces: of 8 KB (C, Python), of 64 and of 512 (Node's streams, its promises). Bytes. */
const smallestPiece = 4096;

/** Milliseconds. A command that is loaded while its output has already been opened leaves that empty for longest. */
const restOfSave = { ofNothing: 100, ofPieces: 25 } as const;

/**
 * How long, in ms, the rest of a save may take, by how a path looks: 100 where nothing is there or nothing is
 * in it, 25 for as much as whole pieces (in one of 4096 files that is so by chance), else 0.
 */
export function restOfSaveAt(file: string): number {
  const stats = statsOf(file, fs.statSync);
  if (stats === undefined) return restOfSave.ofNothing;
  if (!stats.isFile() || stats.size % smallestPiece !== 0) return 0;
  return stats.size === 0 ? restOfSave.ofNothing : restOfSave.ofPieces;
}

/** Tells one content from another; of a file that cannot be read, undefined. 20 KB take 30 µs (SHA-1, warm). */
export function digestOf(file: string): string | undefined {
  try {
    return createHash('sha1').update(fs.readFileSync(file)).digest('base64');
  } catch {
    return undefined;
  }
}

/** What is longer is told apart by its digest. Bytes. */
const longestKept = 8192;

/**
 * The same for few files: a short one's content itself. To load node:crypto would put off the first restart
 * by 5 ms, and takes 0.7 MB.
 */
export function fingerprintOf(file: string): string | undefined {
  try {
    const content = fs.readFileSync(file);
    if (content.length <= longestKept) return `content ${content.toString('latin1')}`;
  } catch {
    return undefined;
  }
  return digestOf(file);
}

/** Runs steps until they end or `cancelled`, giving the event loop a turn every few milliseconds. */
export async function inSlices(steps: Generator<void>, cancelled: () => boolean): Promise<void> {
  let turnEnds = systemClock.now() + slice;
  for (const _ of steps) {
    if (cancelled()) return;
    if (systemClock.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = systemClock.now() + slice;
  }
}
