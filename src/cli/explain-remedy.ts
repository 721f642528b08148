/** The option that would change what a change of a path does. */

import path from 'node:path';
import { howToSet, without } from '../config/advice.ts';
import type { LoadedSettings } from '../config/load.ts';
import { howToWatch, isAddition } from '../run/watch-plan.ts';
import type { Verdict } from '../shared/events.ts';
import { formatPath } from '../terminal/format.ts';

/** A path whose verdict might be another one. */
export interface Judged {
  /** Absolute. */
  readonly path: string;
  readonly verdict: Verdict;
  /** A change of it restarts the program. */
  readonly restarts: boolean;
  /** It counts by its name, but cannot be seen: it is behind a link. */
  readonly isHidden: boolean;
  /** The outermost of its folders that is not watched. */
  readonly pruned: string | undefined;
}

/** Returns what to change, for people; undefined where no option does it. */
export function remedyFor(judged: Judged, loaded: LoadedSettings): string | undefined {
  const { path: file, verdict, restarts, isHidden, pruned } = judged;
  const { settings, bases } = loaded;
  if (restarts) {
    return `${howToSet('ignore', [...settings.ignore, patternFor(file, bases.ignore)], loaded)} leaves it out`;
  }
  if (isHidden) return settings.follow ? undefined : `${without('follow', 'false', loaded)} it counts`;
  if (verdict.watched) return undefined;
  const adding = (place: string): string => `${howToWatch(patternFor(place, bases.watch), loaded)} adds it`;
  switch (verdict.reason) {
    case 'ignored':
      // The other patterns stand for files that devwatch itself writes.
      return settings.ignore.includes(verdict.pattern)
        ? `${without('ignore', verdict.pattern, loaded)} it counts`
        : undefined;
    case 'excluded':
      return `${without('watch', verdict.pattern, loaded)} it counts`;
    case 'ignored-by-default':
      return adding(packageAround(file) ?? pruned ?? file);
    case 'gitignored':
      return adding(pruned ?? file);
    case 'pseudo-file-system':
      return undefined;
    case 'other-checkout': {
      const [above = ''] = file.split(`${path.sep}${verdict.pattern}`);
      return adding(path.join(above, verdict.pattern));
    }
    case 'extension': {
      const extension = path.extname(file).slice(1);
      return extension === '' ? adding(file) : `${howToAdd(extension, loaded)} adds it`;
    }
    case 'outside':
      return settings.watch.length === 0 ? `${without('watch', '[]', loaded)} it may count` : adding(file);
  }
}

/** Returns a pattern for a path: relative to a folder, unless the path itself is shorter. */
const patternFor = (place: string, folder: string): string => formatPath(place, folder).split(path.sep).join('/');

/** The folder of the package in node_modules that a file belongs to: node_modules as a whole is too much to watch. */
const packageAround = (file: string): string | undefined =>
  /^.*?\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];

function howToAdd(extension: string, loaded: LoadedSettings): string {
  const { ext = [] } = loaded.settings;
  const isList = ext.length > 0 && !ext.some(isAddition);
  return howToSet('ext', [...ext, isList ? extension : `+${extension}`], loaded);
}
