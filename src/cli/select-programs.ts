/** From a command line, and the settings as they are now, to the programs that it means. */

import fs from 'node:fs';
import path from 'node:path';
import type { CommandLine } from '../config/argv.ts';
import { nearest } from '../config/did-you-mean.ts';
import { type LoadedApp, type LoadedProject, type LoadedSettings, loadProject, packageMain } from '../config/load.ts';
import { liveReloadPort, type OptionKey } from '../config/options.ts';
import { type ProgramRequest, planCommand } from '../run/command-plan.ts';
import { UsageError } from '../shared/errors.ts';

export interface NamedProgram extends ProgramRequest {
  /** Its name under `apps`; undefined for a program that does not stand there. */
  readonly app: string | undefined;
}

export type Programs = readonly [NamedProgram, ...NamedProgram[]];

/**
 * What the command line names; else all under `apps`, or those of `--only`; else what the settings
 * or package.json name.
 *
 * @throws UsageError naming flag, or file, line and column of what is wrong
 */
export function programsOf(given: CommandLine): Programs {
  const project = readProject(given);
  const line = namingApp(given, project);
  const [first, ...others] = selectApps(line, project);
  if (first === undefined) return [{ ...programOf(line, project.common), app: undefined }];
  const named = (loaded: LoadedApp): NamedProgram => ({ ...programOf(line, loaded), app: loaded.app });
  const programs: Programs = [named(first), ...others.map(named)];
  for (const program of programs) requireSigns(program, programs);
  refuseSharedPorts(programs);
  return programs;
}

/** `devwatch web` is one of "apps", too, where there is no such file. */
function namingApp(line: CommandLine, { apps }: LoadedProject): CommandLine {
  const [word = '', ...args] = line.program;
  const isApp = apps.some(({ app }) => app === word) && args.length === 0 && line.only === undefined && !line.literal;
  return isApp && !fs.existsSync(word) ? { ...line, program: [], only: [word] } : line;
}

/** Whoever is waited for can be seen to be up. Who was not asked to run is not waited for. */
function requireSigns({ app, loaded }: NamedProgram, programs: Programs): void {
  for (const name of loaded.settings.after) {
    const awaited = programs.find((program) => program.app === name);
    if (awaited === undefined || awaited.loaded.settings.ready !== undefined) continue;
    const { isNode, display } = planCommand(awaited);
    if (isNode) continue;
    throw new UsageError(
      `${app} waits for ${name}, but when is ${display} up? · give ${name} a "ready", such as "tcp://localhost:5432" or "exit"`,
    );
  }
}

/** What devwatch itself opens for a program is that program's alone. */
function refuseSharedPorts(programs: Programs): void {
  const owners = new Map<number, string | undefined>();
  for (const program of programs) {
    for (const { port, key } of portsFor(program)) {
      if (owners.has(port)) {
        throw new UsageError(
          `${owners.get(port)} and ${program.app} would share port ${port} · give "${key}" to one of them alone, or a port of its own to each`,
        );
      }
      owners.set(port, program.app);
    }
  }
}

/** The ports that devwatch opens, and the settings that ask for them. */
function portsFor(program: NamedProgram): readonly { readonly port: number; readonly key: OptionKey }[] {
  const { liveReload, hold } = program.loaded.settings;
  const ports: { port: number; key: OptionKey }[] = [];
  if (liveReload !== false) ports.push({ port: liveReload === true ? liveReloadPort : liveReload, key: 'liveReload' });
  // A Node program opens its ports itself.
  if (typeof hold === 'number' && !planCommand(program).isNode) ports.push({ port: hold, key: 'hold' });
  return ports;
}

/** The settings that a command line has in force. Throws as `programsOf` does. */
export const readProject = ({ flags, config }: CommandLine): LoadedProject =>
  loadProject({ given: flags, folder: process.cwd(), config });

/** Those of the programs under `apps` that are meant, in their order; none where the command line says what runs. */
export function selectApps(
  { program, flags, only }: CommandLine,
  { common, apps }: LoadedProject,
): readonly LoadedApp[] {
  if (program.length > 0 || flags.has('exec')) {
    if (only === undefined) return [];
    throw new UsageError(`--only chooses among "apps", and ${program[0] ?? '--exec'} is none of them`);
  }
  if (only === undefined) return apps;
  if (apps.length === 0) throw new UsageError(`--only chooses among "apps": ${common.file ?? '.watchrc'} has none`);
  const names = apps.map(({ app }) => app);
  const stranger = only.find((name) => !names.includes(name));
  if (stranger !== undefined) {
    const guess = nearest(stranger, names);
    throw new UsageError(
      `"apps" has no ${stranger} · ${guess === undefined ? names.join(', ') : `did you mean ${guess}?`}`,
    );
  }
  return apps.filter(({ app }) => only.includes(app));
}

/** What the command line names; else what the settings do; else the package's entry point. */
function programOf({ program, nodeArgs }: CommandLine, loaded: LoadedSettings): ProgramRequest {
  const { settings, folder } = loaded;
  if (program.length > 0 || settings.script !== undefined || settings.exec !== undefined) {
    return { loaded, program, nodeArgs };
  }
  const main = packageMain(folder);
  if (main === undefined) return { loaded, program: [], nodeArgs };
  if (!fs.existsSync(path.resolve(folder, main))) {
    throw new UsageError(
      `nothing to run: "main" in package.json names ${main}, which is not there · devwatch <script>`,
    );
  }
  return { loaded, program: [main], nodeArgs };
}
