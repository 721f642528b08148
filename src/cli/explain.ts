/** `devwatch explain`: explains what a change of a path does. */

import fs from 'node:fs';
import path from 'node:path';
import type { CommandLine } from '../config/argv.ts';
import { type Reaction, signalOf } from '../config/reactions.ts';
import type { Command } from '../process/launch/command.ts';
import { realHost } from '../process/launch/host.ts';
import { typescript } from '../process/launch/tools.ts';
import { commandOf, isReadByDevwatchAlone } from '../run/command-plan.ts';
import { leavesOutEvents } from '../run/event-kinds.ts';
import { planWatch } from '../run/watch-plan.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import type { Verdict } from '../shared/events.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { formatPath, formatVerdict } from '../terminal/format.ts';
import { explainPackage, isPackageName } from './explain-package.ts';
import { remedyFor } from './explain-remedy.ts';
import { describeRunning, labelsOf, type ProgramInForce, programsInForceOrNamed } from './in-force.ts';
import { fail, hang, print, printJson } from './print.ts';
import type { Invocation } from './subcommands.ts';
import { openWatched, type Watched } from './watched.ts';

/** The effect of a change of one path; `--log-format json` prints it. */
interface Explanation {
  /** Name of the program, if there are several. */
  readonly app?: string | undefined;
  /** The devwatch that runs the program, if one does. */
  readonly pid?: number;
  readonly path: string;
  /** The path does not exist now: the answer is about a file that would be created. */
  readonly isMissing?: true;
  readonly verdict: Verdict;
  /** It counts because the program has loaded it. */
  readonly isLoaded?: true;
  readonly effect: 'restart' | 'settings' | 'none';
  /** The answer of devwatch to a change, if that is no restart. */
  readonly onChange?: Reaction;
  /** The kinds of events that count, if not all do. */
  readonly events?: readonly string[];
  /** The name under which devwatch watches the file, if it is another one: a link leads to it. */
  readonly watchedAs?: string;
  /** The outermost of its folders that is not watched; undefined if all are. */
  readonly pruned: string | undefined;
  readonly backend: Watched['backend'];
  /** The option that would change the effect. */
  readonly remedy?: string;
}

/**
 * Prints for each path why a change of it restarts the program, or why it does not; with several programs, for each of
 * them. The programs are those that a devwatch runs here, with what is in force there; without any, or if the command line
 * says what to run, those that would run. The answer for a folder is about a file in it with a watched extension.
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
  const programs = programsInForceOrNamed(line, true);
  const isJson = isJsonWanted(line, programs[0]);
  const labelOf = labelsOf(programs);
  if (!isJson) for (const message of sourcesOf(programs)) fail(message);
  for (const program of programs) {
    const { loaded, app, running } = program;
    const command = commandOrAny(program);
    const label = labelOf(program) === '' ? '' : `${labelOf(program)}: `;
    await using watched = await openWatched(await planWatch(loaded, command, warn, running?.written), warn);
    for (const given of operands) {
      if (isPackageName(given, loaded.folder)) {
        explainPackage(given, loaded.folder, command.script, isJson);
        continue;
      }
      const known = explain(realHost.writtenName(path.resolve(workingFolder(), given)), watched, program);
      if (isJson) printJson({ app, ...(running && { pid: running.pid }), ...known });
      else print(...formatExplanation(`${label}${given}`, known));
    }
  }
}

/** The format of a running devwatch's own lines is not that of this command, if only a flag has set it there. */
function isJsonWanted({ flags }: CommandLine, { loaded: { settings, origins } }: ProgramInForce): boolean {
  const isOfFile = origins.get('logFormat')?.[0]?.startsWith('--') === false;
  return (flags.get('logFormat') ?? (isOfFile ? settings.logFormat : 'pretty')) === 'json';
}

/** Returns messages about the programs that the answers are about. */
function sourcesOf(programs: readonly ProgramInForce[]): string[] {
  const descriptions = describeRunning(programs);
  if (descriptions.length > 0) return [`the answer is for what runs here: ${descriptions.join(' · ')}`];
  return programs.every(namesProgram)
    ? []
    : ['no program is named here; the answer is for a Node program · devwatch explain <path> -- <script>'];
}

function explain(
  file: string,
  watched: Watched,
  { loaded, running }: ProgramInForce,
): Omit<Explanation, 'app' | 'pid'> {
  const { filter, backend } = watched;
  const { settings } = loaded;
  const stats = attempt(() => fs.statSync(file));
  const example = stats?.isDirectory() ? path.join(file, `any.${filter.extensions?.[0] ?? 'js'}`) : file;
  const verdict = filter.explain(example);
  const name = stats?.isFile() ? watched.nameOf(file) : verdict.watched && watched.reaches(file) ? file : undefined;
  const isLoaded = name === undefined && running?.loads.includes(attempt(() => fs.realpathSync(file)) ?? file) === true;
  const counts = isReadByDevwatchAlone(file, loaded) ? 'settings' : 'restart';
  const effect = name === undefined && !isLoaded ? 'none' : counts;
  const pruned = effect === 'none' ? prunedAt(file, filter) : undefined;
  const isHidden = effect === 'none' && verdict.watched;
  const remedy = remedyFor({ path: name ?? file, verdict, restarts: effect === 'restart', isHidden, pruned }, loaded);
  return {
    ...{ path: file, verdict, effect },
    ...(effect === 'restart' && settings.onChange !== 'restart' && { onChange: settings.onChange }),
    ...(effect === 'restart' && leavesOutEvents(settings) && { events: settings.events }),
    ...(stats === undefined && { isMissing: true }),
    ...(isLoaded && { isLoaded: true }),
    ...(name !== undefined && name !== file && { watchedAs: name }),
    ...{ pruned, backend },
    ...(remedy !== undefined && { remedy }),
  };
}

/** Returns the command; without one, the extensions of a Node program count. */
const commandOrAny = (program: ProgramInForce): Pick<Command, 'script' | 'extensions' | 'envFiles'> =>
  namesProgram(program) ? commandOf(program) : { script: undefined, extensions: typescript, envFiles: [] };

function namesProgram({ loaded: { settings }, program, running }: ProgramInForce): boolean {
  const { script, exec } = settings;
  return running !== undefined || script !== undefined || exec !== undefined || program.length > 0;
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

function formatExplanation(subject: string, explanation: Explanation): string[] {
  const { isMissing, events, effect, watchedAs, pruned, backend, remedy } = explanation;
  const shown = (file: string): string => formatPath(file, workingFolder());
  const reason = watchedAs === undefined ? reasonOf(explanation) : `a link leads to it: ${shown(watchedAs)}`;
  const lines = [
    `${subject}${isMissing ? ' does not exist' : ''}`,
    ...hang('  ', `${describeEffect(explanation)} · ${reason}${remedy === undefined ? '' : ` · ${remedy}`}`),
  ];
  if (events !== undefined) lines.push(`  "events" counts ${events.join(' and ')} only`);
  if (effect !== 'none') lines.push(`  watched by ${backend}`);
  else if (pruned !== undefined) lines.push(`  ${shown(pruned)} is not watched`);
  return lines;
}

function describeEffect({ effect, onChange = 'restart' }: Explanation): string {
  if (onChange === 'restart') return effects[effect];
  const reaction = signalOf(onChange);
  return reaction === undefined ? 'is a change, which restarts nothing' : `sends ${reaction.signal} to the program`;
}

function reasonOf({ verdict, effect, isLoaded, remedy }: Explanation): string {
  if (isLoaded) return 'the program has loaded it (deps)';
  if (verdict.watched && effect === 'none') return 'it is behind a link that is not followed, or cannot be read';
  const isOwn = !verdict.watched && verdict.reason === 'ignored' && remedy === undefined;
  return isOwn ? 'devwatch itself writes it' : formatVerdict(verdict, workingFolder());
}
