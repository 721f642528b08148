/** The files that devwatch would watch, found out by watching them for a moment. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import type { Filter } from '../watch/filter.ts';
import type { WatchPlan } from '../watch/watch-session.ts';
import { type Backend, openWatcher } from '../watch/watcher.ts';

export interface Watched extends AsyncDisposable {
  readonly filter: Filter;
  readonly backend: Backend;
  /** Returns the name under which an existing file (absolute) is watched: its own, or one that a link gives it. */
  nameOf(file: string): string | undefined;
  /** Can a new file at this path be noticed? */
  reaches(file: string): boolean;
}

/** Begins to watch. `warn` receives messages about how. */
export async function openWatched(plan: WatchPlan, warn: (message: string) => void): Promise<Watched> {
  const { filter, follow } = plan;
  const watcher = await openWatcher({ ...plan, since: Date.now(), onChange: () => {}, onWarning: warn }, plan);
  const { backend } = await watcher.armed;
  const files = new Set(watcher.files());
  const reaches = (file: string): boolean => follow || !filter.roots.some((root) => hasLink(root, file));
  return {
    filter,
    backend,
    reaches,
    nameOf(file) {
      if (files.has(file) && reaches(file)) return file;
      const { dev, ino } = fs.statSync(file);
      const isSame = (one: string): boolean => {
        const stats = attempt(() => fs.statSync(one));
        // A hard link has the same number, and no event.
        return stats?.ino === ino && stats.dev === dev && realPath(one) === realPath(file);
      };
      return [...files].find((one) => reaches(one) && isSame(one));
    },
    [Symbol.asyncDispose]: () => watcher.close(),
  };
}

const realPath = (file: string): string => attempt(() => fs.realpathSync(file)) ?? file;

/** Is there a link between a folder and a path below it? */
function hasLink(folder: string, file: string): boolean {
  const names = path.relative(folder, file).split(path.sep);
  if (names[0] === '..') return false;
  const places = names.map((_, index) => path.join(folder, ...names.slice(0, index + 1)));
  return places.some((place) => attempt(() => fs.lstatSync(place).isSymbolicLink()) === true);
}
