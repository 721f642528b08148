/** Selects the programs that a command line means under the settings as they are now. */

import fs from 'node:fs';
import type { CommandLine } from '../config/argv.ts';
import { liveReloadPort } from '../config/defaults.ts';
import { type LoadedApp, type LoadedProject, type LoadedSettings, loadProject } from '../config/load.ts';
import type { Settings } from '../config/settings-types.ts';
import { commandOf, inspectorPortOf, type ProgramRequest, plannedOnce } from '../run/command-plan.ts';
import { didYouMean, plain } from '../shared/did-you-mean.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import { parseListenAddress } from '../shared/listen-address.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { defaultProgram } from './default-program.ts';

export interface NamedProgram extends ProgramRequest {
  /** Its name under `apps`; undefined for a program that is not one of them. */
  readonly app: string | undefined;
}

export type Programs = readonly [NamedProgram, ...NamedProgram[]];

/**
 * Returns the program that the command line names; else all of `apps`, or those of `--only`; else the program that the
 * settings or package.json name.
 *
 * @param runsNothing settings that another user could have written are read as well
 * @throws UsageError with the flag, or the file, line and column of the mistake
 */
export function programsOf(given: CommandLine, runsNothing = false): Programs {
  const project = readProject(given, runsNothing);
  const line = namingApp(given, project);
  const [first, ...others] = selectApps(line, project);
  if (first === undefined) return [{ ...programOf(line, project.common, runsNothing), app: undefined }];
  if (others.length > 0) refuseExtra(line, [first, ...others]);
  const named = (loaded: LoadedApp): NamedProgram => ({ ...programOf(line, loaded, runsNothing), app: loaded.app });
  const programs: Programs = [named(first), ...others.map(named)];
  for (const program of programs) requireReadinessChecks(program, programs);
  refuseSharedPorts(programs);
  return programs;
}

/** `devwatch web` means the app of that name, unless there is such a file; further words are arguments for it. */
function namingApp(line: CommandLine, { apps }: LoadedProject): CommandLine {
  const [word = ''] = line.program;
  const isApp = apps.some(({ app }) => app === word) && line.only === undefined && !line.literal;
  if (!isApp || fs.existsSync(word)) return line;
  return { ...line, program: [], only: [word], extra: argumentsOf(line.program) };
}

/** @throws UsageError if there are arguments for one program, but several run */
function refuseExtra({ extra }: CommandLine, apps: readonly LoadedApp[]): void {
  if (extra.length === 0) return;
  const [first = ''] = extra;
  const names = apps.map(({ app }) => app).join(', ');
  throw new UsageError(`-- ${first}: for which program? · --only <name> selects one of ${names}`);
}

/** Every dependency must have a readiness check. Dependencies excluded by `--only` are ignored. */
function requireReadinessChecks({ app, loaded }: NamedProgram, programs: Programs): void {
  for (const name of loaded.settings.after) {
    const awaited = programs.find((program) => program.app === name);
    if (awaited === undefined || awaited.loaded.settings.ready !== undefined) continue;
    // A Node program is ready when it listens.
    if (commandOf(awaited).isNode) continue;
    throw new UsageError(
      `${app} depends on ${name}, but ${name} has no readiness check · set "ready" for ${name}, e.g. "tcp://localhost:5432" or "exit"`,
    );
  }
}

/** Programs cannot share a port that devwatch opens for them, nor that of a debugger. */
function refuseSharedPorts(programs: Programs): void {
  const owners = new Map<number, string | undefined>();
  for (const program of programs) {
    const { liveReload, hold, env } = program.loaded.settings;
    // A mistake in the command is reported when it is run.
    const command = attempt(() => commandOf(program));
    const ports = {
      liveReload: liveReload === true ? liveReloadPort : liveReload,
      // A Node program opens its ports itself.
      hold: command?.isNode === false ? parseListenAddress(String(hold))?.port : undefined,
      inspector: command && inspectorPortOf(command, { ...process.env, ...env }),
    };
    for (const [key, port] of Object.entries(ports)) {
      if (typeof port !== 'number' || port === 0) continue;
      if (owners.has(port))
        throw new UsageError(`${owners.get(port)} and ${program.app} would share ${adviceFor(key, port)}`);
      owners.set(port, program.app);
    }
  }
}

const adviceFor = (key: string, port: number): string =>
  key === 'inspector'
    ? `port ${port} for the debugger · --inspect=0 gives each a port of its own, "nodeArgs": ["--inspect=${port + 1}"] one of them`
    : `port ${port} · set "${key}" for one of them only, or a different port for each`;

/** Reads the settings for a command line. Throws as `programsOf` does. */
export const readProject = ({ flags, config }: CommandLine, runsNothing = false): LoadedProject =>
  loadProject({ given: flags, folder: workingFolder(), config, runsNothing });

/** Returns the apps that are meant, in the order of the file; none if the command line names a program. */
export function selectApps(
  { program, flags, only }: CommandLine,
  { common, apps }: LoadedProject,
): readonly LoadedApp[] {
  if (program.length > 0 || flags.has('exec')) {
    if (only === undefined) return [];
    throw new UsageError(`--only selects programs of "apps"; ${program[0] ?? '--exec'} is not one of them`);
  }
  if (only === undefined) return apps;
  if (apps.length === 0)
    throw new UsageError(`--only selects programs of "apps", but ${common.file ?? '.watchrc'} has none`);
  const names = apps.map(({ app }) => app);
  const stranger = only.find((name) => !names.includes(name));
  if (stranger !== undefined) {
    const hint = didYouMean(stranger, names, plain) || ` · there are ${names.join(', ')}`;
    throw new UsageError(`"apps" has no ${stranger}${hint}`);
  }
  return apps.filter(({ app }) => only.includes(app));
}

/** Returns `devwatch web -- --port 80` as `["--port", "80"]`: the arguments behind the name of an app. */
export const argumentsOf = ([, ...args]: readonly string[]): readonly string[] =>
  args[0] === '--' ? args.slice(1) : args;

/** Returns the program of the command line; else that of the settings; else the one that the folder itself names. */
function programOf(line: CommandLine, loaded: LoadedSettings, runsNothing: boolean): ProgramRequest {
  const { settings, folder } = loaded;
  const { nodeArgs, extra } = line;
  const isNamed = line.program.length > 0 || settings.script !== undefined || settings.exec !== undefined;
  const runsTests = [...nodeArgs, ...settings.nodeArgs].includes('--test');
  const program = isNamed || runsTests ? line.program : defaultProgram(folder, runsNothing);
  return plannedOnce({ loaded, program: withExtra(program, extra, settings), nodeArgs });
}

/** Adds further arguments to a program; without one, to that of the settings. */
function withExtra(
  program: readonly string[],
  extra: readonly string[],
  { script, args, exec }: Settings,
): readonly string[] {
  if (extra.length === 0 || program.length > 0) return [...program, ...extra];
  if (script !== undefined) return [script, ...args, ...extra];
  return exec === undefined ? [] : extra;
}

/**
 * Selects the programs again, after the settings have changed. Whether one program has the terminal to itself or
 * several share it is decided at the start.
 *
 * @throws UsageError if that would change, and as `programsOf` does
 */
export function selectAgain(line: CommandLine, atStart: Programs): Programs {
  const now = programsOf(line);
  if ((now[0].app === undefined) !== (atStart[0].app === undefined)) {
    throw new UsageError('"apps" was added or removed · restart devwatch to apply this');
  }
  if (now.length > 1 && atStart.length === 1) {
    throw new UsageError('"apps" names several programs now · restart devwatch to apply this');
  }
  return now;
}
