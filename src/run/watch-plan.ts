/** From settings to what is watched. Loaded only after the program has been started. */

import fs from 'node:fs';
import path from 'node:path';
import { howToSet } from '../config/advice.ts';
import { pageExtensions } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings-types.ts';
import type { Command } from '../process/launch/command.ts';
import { realHost } from '../process/launch/host.ts';
import { tsconfigFor } from '../process/launch/packages.ts';
import { isSourceExtension } from '../process/launch/tools.ts';
import { platform } from '../process/platform.ts';
import type { EventOf } from '../shared/events.ts';
import { Filter } from '../watch/filter.ts';
import { dependenciesOf, linkedPackages, packageOf } from '../watch/linked-packages.ts';
import { findOtherCheckouts } from '../watch/other-checkouts.ts';
import { isAtOrBelow, isBelow, toPosix } from '../watch/paths.ts';
import { extensionsBelow } from '../watch/present-extensions.ts';
import { pseudoMounts } from '../watch/shared-mounts.ts';
import type { WatchPlan } from '../watch/watch-session.ts';
import { ownFiles, type RunPlan, writtenFiles } from './command-plan.ts';
import { type ImportTarget, importTargets, isTypeScript, tsconfigFiles } from './tsconfigs.ts';

/** Names that dotenv, and those who follow it, give to such files. */
const dotenvNames = ['', '.local', '.development', '.development.local'].map((suffix) => `.env${suffix}`);

/** Returns what to watch. Reads linked packages and git's ignore rules from disk. `written`: files that devwatch writes. */
export async function planWatch(
  loaded: LoadedSettings,
  command: Pick<Command, 'script' | 'extensions' | 'envFiles'>,
  onWarning: (message: string) => void = () => {},
  written: readonly string[] = writtenFiles(loaded.settings),
): Promise<WatchPlan> {
  const { settings, bases, folder } = loaded;
  const { watch, watcher, poll, pollInterval, follow, skipUnchanged, verbose: reportIgnored } = settings;
  const own = extensionsOf(settings.ext, command.extensions);
  const extensions = settings.liveReload === false ? own : [...new Set([...own, ...pageExtensions])];
  const mounts = platform.watching.mounts();
  const git = settings.gitignore ? await import('../watch/gitignore.ts') : undefined;
  const ignore = { patterns: [...written.map(toPosix), ...settings.ignore], base: bases.ignore };
  const linked =
    follow && watch.some(isWholeFolder)
      ? linkedPackages(packageOf(command.script, folder))
      : new Map<string, string[]>();
  const filter = new Filter({
    watch: { patterns: watch, base: bases.watch },
    ignore,
    folders: [...new Set([...linked.values()].flat())],
    gitIgnores: git?.readGitIgnores(folder, () => onWarning(slowRulesMessage)),
    extensions: extensions.includes('*') ? null : extensions,
    always: [...filesElsewhere(loaded, command), ...(git?.gitIgnoreFilesAbove(folder) ?? [])],
    script: command.script,
    onGiveUp: (pattern) =>
      onWarning(`${pattern} takes too long to match, and matches nothing from now on · use fewer wildcards`),
    otherCheckouts: findOtherCheckouts([
      folder,
      ...(command.script === undefined ? [] : [path.dirname(command.script)]),
    ]),
    pseudoFileSystems: pseudoMounts(mounts),
  });
  // A list of extensions is a decision about the others.
  const reportExtensions = settings.ext === undefined || settings.ext.some(isAddition);
  const options = { watcher, poll, pollInterval, follow, skipUnchanged, reportIgnored, reportExtensions };
  return { filter, ignore, linkedPackages: linked.size, events: platform.watching.events(), mounts, ...options };
}

/** Returns files that count wherever they are, existing or not. */
const filesElsewhere = (loaded: LoadedSettings, command: Pick<Command, 'script' | 'envFiles'>): string[] => [
  ...ownFiles(loaded, command),
  ...dotenvFiles(loaded.folder),
  ...tsconfigFiles(command.script, realHost),
];

/** Returns the extensions to watch: those of the settings, to which those of the program belong if one has a `+`. */
function extensionsOf(chosen: Settings['ext'], own: readonly string[]): readonly string[] {
  if (chosen === undefined) return own;
  return chosen.some(isAddition) ? [...new Set([...own, ...chosen.map((one) => one.replace(/^\+/, ''))])] : chosen;
}

export const isAddition = (extension: string): boolean => extension.startsWith('+');

/** Returns the files of variables beside package.json that the program itself reads, by one of these packages. */
function dotenvFiles(folder: string): string[] {
  const isReader = (name: string): boolean => /^(?:@dotenvx?\/|dotenv|env-cmd$|@nestjs\/config$)/.test(name);
  return dependenciesOf(folder).some(isReader) ? dotenvNames.map((name) => path.join(folder, name)) : [];
}

const slowRulesMessage = 'the rules in .gitignore take too long to match in deep folders, and no longer apply there';

/** Linked packages belong to the whole folder, which is the default; a list of other patterns replaces both. */
const isWholeFolder = (pattern: string): boolean => /^\.\/?$/.test(pattern);

/** Returns the event that reports what is watched. */
export const describeWatch = (
  { loaded: { settings }, command: { display } }: RunPlan,
  { extensions }: Filter,
  facts: Omit<EventOf<'watching'>, 'type' | 'program' | 'patterns' | 'extensions'>,
): EventOf<'watching'> => ({ type: 'watching', program: display, patterns: settings.watch, extensions, ...facts });

/** Returns messages about a watch plan that has no effect, or not yet. `files`: those that are watched now. */
export function remarksOn(filter: Filter, plan: RunPlan, files: Iterable<string>): string[] {
  const { loaded, command } = plan;
  const own = filesElsewhere(loaded, command);
  const missing = filter.roots.filter((root) => !own.includes(root) && !fs.existsSync(root));
  const remark = remarkOnExtensions(filter, files);
  return [
    ...remarkOnClones(clonesLeftOut(filter), loaded),
    ...remarkOnImports(filter, plan),
    ...missing.map((root) => `${path.relative(loaded.folder, root) || root}: nothing is there to watch yet`),
    ...(remark === undefined ? [] : [remark]),
  ];
}

/** More checkouts are named in one message. */
const maxClones = 3;

function remarkOnClones(clones: readonly string[], loaded: LoadedSettings): string[] {
  const names = clones.map((clone) => path.relative(loaded.folder, clone));
  const [first = '', ...others] = names;
  if (names.length <= maxClones) {
    return names.map(
      (name) => `${name} is another checkout of git and is not watched · ${howToWatch(name, loaded)} adds it`,
    );
  }
  const remedy = `${howToWatch(first, loaded)} adds the first one`;
  return [`${first} and ${others.length} more are other checkouts of git and are not watched · ${remedy}`];
}

/** Returns a message if a tsconfig leads imports of the program to folders that are not watched. */
function remarkOnImports(filter: Filter, { loaded: { settings, folder }, command: { script } }: RunPlan): string[] {
  if (settings.deps || script === undefined || !isTypeScript(script)) return [];
  const tsconfig = tsconfigFor(path.dirname(script), realHost);
  const targets = tsconfig === undefined ? [] : importTargets(tsconfig, realHost);
  const missed = targets.filter((target) => !isCovered(target, folder, filter)).map((target) => target.folder);
  const left = missed.filter((one) => !missed.some((other) => isBelow(one, other)));
  if (tsconfig === undefined || left.length === 0) return [];
  const named = (place: string): string => path.relative(folder, place);
  const shown = [...left.slice(0, 3).map(named), ...(left.length > 3 ? [`${left.length - 3} more`] : [])].join(', ');
  return [
    `${named(tsconfig)} leads imports to ${shown}, where no file is watched · --deps watches what the program loads`,
  ];
}

/** Does a file in the folder count, or has the user decided that it does not? */
function isCovered({ folder, example }: ImportTarget, project: string, filter: Filter): boolean {
  const verdict = filter.explain(example);
  const isDecided = verdict.watched || !['outside', 'ignored-by-default'].includes(verdict.reason);
  // Of a linked package its built files may be watched.
  const isLinked = !isAtOrBelow(project, folder) && filter.roots.some((root) => isBelow(root, folder));
  return isDecided || isLinked || folder.split(path.sep).includes('node_modules') || !fs.existsSync(folder);
}

/** Returns the clones below the watched folders that do not count; there may be code of the project in them after all. */
const clonesLeftOut = (filter: Filter): string[] =>
  [...(filter.otherCheckouts?.clones ?? [])].filter((clone) => !filter.mayContain(path.join(clone, 'x')));

/** Returns the flags, or the key of the settings file, that watch a further path. */
export const howToWatch = (added: string, loaded: LoadedSettings): string =>
  howToSet('watch', [...loaded.settings.watch, added], loaded);

/** Returns a message if no source is watched, although there are files. */
function remarkOnExtensions(filter: Filter, files: Iterable<string>): string | undefined {
  const { extensions: watched } = filter;
  if (watched === null) return undefined;
  // A project in any language may have files in JSON; the script and files of variables need no watched extension.
  const counted = watched.filter((extension) => extension !== 'json');
  for (const file of files) if (counted.includes(path.extname(file).slice(1))) return undefined;
  const all = extensionsBelow(filter).filter(([extension]) => !watched.includes(extension));
  const present = [
    ...all.filter(([extension]) => extension !== 'json'),
    ...all.filter(([extension]) => extension === 'json'),
  ];
  const sources = present.filter(([extension]) => isSourceExtension(extension));
  const [first, ...others] = sources.length > 0 ? sources : present;
  if (first === undefined) return undefined;
  const shown = [first, ...others.slice(0, 2)].map(([extension, count]) => `${count} .${extension}`);
  return `no file here has a watched extension; there are ${shown.join(', ')} · for example --ext ${first[0]}`;
}
