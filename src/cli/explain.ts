/** `devwatch explain`: explains what a change of a path does. */

import fs from 'node:fs';
import path from 'node:path';
import type { LoadedSettings } from '../config/load.ts';
import type { Command } from '../process/launch/command.ts';
import { typescript } from '../process/launch/tools.ts';
import { commandOf, isReadByDevwatchAlone, type ProgramRequest } from '../run/command-plan.ts';
import { howToWatch, planWatch } from '../run/watch-plan.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import type { Verdict } from '../shared/events.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { formatPath, formatVerdict } from '../terminal/format.ts';
import { explainPackage, isPackageName } from './explain-package.ts';
import { fail, print, printJson } from './print.ts';
import { programsOf } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';
import { openWatched, type Watched } from './watched.ts';

/** The effect of a change of one path; `--log-format json` prints it. */
interface Explanation {
  /** Name of the program, if there are several. */
  readonly app?: string | undefined;
  readonly path: string;
  /** The path does not exist now: the answer is about a file that would be created. */
  readonly isMissing?: true;
  readonly verdict: Verdict;
  readonly effect: 'restart' | 'settings' | 'none';
  /** The name under which devwatch watches the file, if it is another one: a link leads to it. */
  readonly watchedAs?: string;
  /** The outermost of its folders that is not watched; undefined if all are. */
  readonly pruned: string | undefined;
  readonly backend: Watched['backend'];
}

/**
 * Prints for each path why a change of it restarts the program, or why it does not; with several programs, for each of
 * them. The answer for a folder is about a file in it with a watched extension.
 *
 * @throws UsageError without a path
 */
export async function execute({ line, operands }: Invocation): Promise<void> {
  if (operands.length === 0) throw new UsageError('explain needs a path · devwatch explain src/server.js');
  const warned = new Set<string>();
  const warn = (message: string): void => {
    if (!warned.has(message)) fail(message);
    warned.add(message);
  };
  for (const program of programsOf(line, true)) {
    const { loaded, app } = program;
    const plan = await planWatch(loaded, commandOrAny(program));
    await using watched = await openWatched(plan, warn);
    for (const given of operands) {
      if (isPackageName(given, loaded.folder)) {
        explainPackage(given, loaded.folder, commandOrAny(program).script, loaded.settings.logFormat === 'json');
        continue;
      }
      const explanation = { app, ...explain(path.resolve(workingFolder(), given), watched, loaded) };
      if (loaded.settings.logFormat === 'json') printJson(explanation);
      else print(...formatExplanation(given, explanation, remedyFor(explanation, loaded)));
    }
  }
}

function explain(file: string, watched: Watched, loaded: LoadedSettings): Explanation {
  const { filter, backend } = watched;
  const stats = attempt(() => fs.statSync(file));
  const example = stats?.isDirectory() ? path.join(file, `any.${filter.extensions?.[0] ?? 'js'}`) : file;
  const verdict = filter.explain(example);
  const name = stats?.isFile() ? watched.nameOf(file) : verdict.watched && watched.reaches(file) ? file : undefined;
  const counts = isReadByDevwatchAlone(file, loaded) ? 'settings' : 'restart';
  return {
    ...{ path: file, verdict, effect: name === undefined ? 'none' : counts },
    ...(stats === undefined && { isMissing: true }),
    ...(name !== undefined && name !== file && { watchedAs: name }),
    ...{ pruned: name === undefined ? prunedAt(file, filter) : undefined, backend },
  };
}

/** Returns the command; without one, the extensions of a Node program count. */
function commandOrAny(request: ProgramRequest): Pick<Command, 'script' | 'extensions' | 'envFiles'> {
  const { script, exec } = request.loaded.settings;
  const isNamed = script !== undefined || exec !== undefined || request.program.length > 0;
  return isNamed ? commandOf(request) : { script: undefined, extensions: typescript, envFiles: [] };
}

function prunedAt(file: string, filter: { roots: readonly string[]; mayContain(folder: string): boolean }) {
  const root = filter.roots.find((folder) => file.startsWith(folder + path.sep));
  if (root === undefined) return undefined;
  const names = path.relative(root, path.dirname(file)).split(path.sep);
  return names
    .map((_, index) => path.join(root, ...names.slice(0, index + 1)))
    .find((folder) => folder !== root && !filter.mayContain(folder));
}

const effects: Readonly<Record<Explanation['effect'], string>> = {
  restart: 'restarts the program',
  settings: 'is read again as settings',
  none: 'is ignored',
};

function formatExplanation(given: string, explanation: Explanation, remedy: string): string[] {
  const { app, isMissing, verdict, effect, watchedAs, pruned, backend } = explanation;
  const shown = (file: string): string => formatPath(file, workingFolder());
  const whose = app === undefined ? '' : `${app}: `;
  const lines = [`${whose}${given}${isMissing ? ' does not exist' : ''}`];
  const isReached = effect !== 'none' || !verdict.watched;
  const reason = isReached
    ? formatVerdict(verdict, workingFolder())
    : 'it is behind a link that is not followed, or cannot be read';
  if (watchedAs === undefined) lines.push(`  ${effects[effect]} · ${reason}${remedy}`);
  else lines.push(`  ${effects[effect]} · a link leads to it: ${shown(watchedAs)}`);
  if (effect !== 'none') lines.push(`  watched by ${backend}`);
  else if (pruned !== undefined) lines.push(`  ${shown(pruned)} is not watched`);
  return lines;
}

/** Returns the list of patterns with which the file would count, as flags or as the key of the settings file. */
function remedyFor({ path: file, verdict, pruned }: Explanation, loaded: LoadedSettings) {
  const { settings, folder } = loaded;
  const extension = path.extname(file);
  let added = '';
  if (verdict.watched || file.includes(`${path.sep}node_modules${path.sep}`)) return '';
  if (verdict.reason === 'ignored-by-default') added = path.relative(folder, pruned ?? file);
  if (verdict.reason === 'other-checkout') {
    const [above = ''] = file.split(`${path.sep}${verdict.pattern}`);
    added = path.relative(folder, path.join(above, verdict.pattern));
  }
  if (verdict.reason === 'extension' && extension !== '') {
    // A pattern without a slash matches in every folder.
    const within = settings.watch.find((pattern) => file.startsWith(path.resolve(folder, pattern) + path.sep)) ?? '.';
    added = path.resolve(folder, within) === folder ? `*${extension}` : path.join(within, '**', `*${extension}`);
  }
  return added === '' ? '' : ` · ${howToWatch(added, loaded)} adds it`;
}
