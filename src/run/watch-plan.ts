/** From settings to what is watched. Loaded only after the program has been started. */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pageExtensions } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Command } from '../process/launch/command.ts';
import { platform } from '../process/platform.ts';
import { attempt } from '../shared/errors.ts';
import { Filter } from '../watch/filter.ts';
import { linkedPackages } from '../watch/linked-packages.ts';
import { toPosix } from '../watch/paths.ts';
import type { WatchPlan } from '../watch/watch-session.ts';
import { ownFiles, type RunPlan, writtenFiles } from './command-plan.ts';

/** Returns what to watch. Reads linked packages and git's ignore rules from disk. */
export async function planWatch(
  loaded: LoadedSettings,
  command: Pick<Command, 'script' | 'extensions'>,
): Promise<WatchPlan> {
  const { settings, bases, folder } = loaded;
  const { watch, watcher, poll, pollInterval, follow, skipUnchanged, verbose: reportIgnored } = settings;
  const own = settings.ext ?? command.extensions;
  const extensions = settings.liveReload === false ? own : [...new Set([...own, ...pageExtensions])];
  const git = settings.gitignore ? await import('../watch/gitignore.ts') : undefined;
  const ignore = { patterns: [...writtenFiles(settings).map(toPosix), ...settings.ignore], base: bases.ignore };
  const linked = follow && watch.some(isWholeFolder) ? linkedPackages(folder) : new Map<string, string[]>();
  const filter = new Filter({
    watch: { patterns: watch, base: bases.watch },
    ignore,
    folders: [...new Set([...linked.values()].flat())],
    gitIgnores: git?.readGitIgnores(folder),
    extensions: extensions.includes('*') ? null : extensions,
    always: [...ownFiles(loaded, command), ...(git?.gitIgnoreFilesAbove(folder) ?? [])],
    script: command.script,
  });
  const options = { watcher, poll, pollInterval, follow, skipUnchanged, reportIgnored };
  return { filter, ignore, linkedPackages: linked.size, hasInotify: platform.hasProc, ...options };
}

/** Warns when all files of the machine, or of the user, are watched: devwatch was started in the wrong folder. */
export function warnOfRoots({ roots }: Filter): string[] {
  const homes = [attempt(() => os.homedir())].filter((home) => home && !fs.existsSync(path.join(home, 'package.json')));
  const broad = roots.filter((root) => path.dirname(root) === root || homes.includes(root));
  return broad.map(
    (root) => `${root} is watched as a whole · start devwatch in a project, or name folders (--watch src)`,
  );
}

/** Linked packages belong to the whole folder, which is the default; a list of other patterns replaces both. */
const isWholeFolder = (pattern: string): boolean => /^\.\/?$/.test(pattern);

/** Returns the files and folders, relative to the working folder, that are to be watched and do not exist yet. */
export function missingRoots({ roots }: Filter, { loaded, command }: RunPlan): string[] {
  const own = ownFiles(loaded, command);
  const missing = roots.filter((root) => !own.includes(root) && !fs.existsSync(root));
  return missing.map((root) => path.relative(loaded.folder, root));
}
