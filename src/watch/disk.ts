/** Access to the disk for the backends. */

import { createHash } from 'node:crypto';
import fs, { type StatSyncFn, type Stats } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../shared/clock.ts';
import { attempt, codeOf } from '../shared/errors.ts';
import { withOpenFile } from '../shared/file-ownership.ts';
import { decodeName, isDoubtful, rawPath } from './raw-names.ts';

/**
 * The kernel stamps files with the time of its last tick (up to 10 ms ago at 100 Hz), so a save
 * right after a moment may look this much older than it.
 */
export const timestampSlackMs = 10;

/** Has inotify reached a limit? ENOSPC: watches (fs.inotify.max_user_watches); EMFILE: instances. */
export const isExhausted = (error: unknown): boolean => codeOf(error) === 'ENOSPC' || codeOf(error) === 'EMFILE';

/** Returns the stats of a path, by default of a link's target; undefined when nothing is there, or it cannot be reached. */
export function statsOf(file: string, stat: StatSyncFn = fs.statSync): Stats | undefined {
  try {
    return stat(rawPath(file), { throwIfNoEntry: false });
  } catch (error) {
    // A parent is no longer a folder, or cannot be entered: as good as missing.
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Returns the entries of a folder; none when it is gone or cannot be read. */
export const entriesOf = (folder: string): fs.Dirent[] => attempt(() => readEntries(folder)) ?? [];

/** Returns the entries of a folder; throws when it is gone or cannot be read. */
export function readEntries(folder: string): fs.Dirent[] {
  const options = { withFileTypes: true } as const;
  const entries = fs.readdirSync(rawPath(folder), options);
  if (!entries.some(({ name }) => isDoubtful(name))) return entries;
  const raw = fs.readdirSync(rawPath(folder), { ...options, encoding: 'buffer' });
  return raw.map((entry) => Object.assign(entry, { name: decodeName(entry.name) }) as unknown as fs.Dirent);
}

/** A folder, and all folders above it. */
export function* upwards(folder: string): Generator<string> {
  yield folder;
  if (path.dirname(folder) !== folder) yield* upwards(path.dirname(folder));
}

/** Returns the path with all links resolved; undefined when nothing is there. */
export const realPathOf = (file: string): string | undefined => attempt(() => fs.realpathSync(file));

/** Programs write in chunks of 8 KB (C, Python), 64 KB or 512 KB (Node); all are multiples of this. */
const minChunkBytes = 4096;

/** Longest for an empty file: `command > file` truncates the file before the command has been loaded. */
const restOfSaveMs = { ofNothing: 100, ofChunks: 25 } as const;

/**
 * Estimates how long, in ms, the rest of a save may take: 100 where the file is missing or empty, 25 where it consists
 * of whole chunks (true by chance for one file in 4096), else 0.
 */
export function restOfSaveAt(file: string): number {
  const stats = statsOf(file);
  if (stats === undefined) return restOfSaveMs.ofNothing;
  if (!stats.isFile() || stats.size % minChunkBytes !== 0) return 0;
  return stats.size === 0 ? restOfSaveMs.ofNothing : restOfSaveMs.ofChunks;
}

/** Longer contents are represented by a digest; loading node:crypto for it delays the first restart by 5 ms. */
const maxKeptBytes = 8192;

/** Larger files are not read: that would block devwatch. */
export const maxComparedBytes = 10_000_000;

/**
 * Returns a text that is equal for equal contents; undefined when the file cannot be read. For a file of more than `limit`
 * bytes it changes with each save.
 */
export function fingerprintOf(file: string, limit: number = maxComparedBytes): string | undefined {
  const content = attempt(() =>
    withOpenFile(rawPath(file), (descriptor, stats) => {
      if (!stats.isFile()) return undefined;
      return stats.size > limit ? `stamp ${stats.mtimeMs} ${stats.size}` : fs.readFileSync(descriptor);
    }),
  );
  if (content === undefined || typeof content === 'string') return content;
  if (content.length <= maxKeptBytes) return `content ${content.toString('latin1')}`;
  return createHash('sha1').update(content).digest('base64');
}

/** Long work yields to the event loop after this time, so that it does not slow the start of a child process. */
const sliceMs = 10;

/** Runs steps until they end or `isCancelled`, and yields to the event loop every few milliseconds. */
export async function inSlices(steps: Generator<void>, isCancelled: () => boolean): Promise<void> {
  let turnEnds = systemClock.now() + sliceMs;
  for (const _ of steps) {
    if (isCancelled()) return;
    if (systemClock.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = systemClock.now() + sliceMs;
  }
}
