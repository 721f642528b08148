/** `devwatch start`: starts programs in the background. */

import fs from 'node:fs';
import { backgroundFolder } from '../background/private-folder.ts';
import { type BackgroundEntry, listEntries } from '../background/records.ts';
import { everything } from '../config/apps.ts';
import type { CommandLine } from '../config/argv.ts';
import type { Settings } from '../config/settings-types.ts';
import { commandOf } from '../run/command-plan.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import type { Next } from '../shared/events.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { argvFor, nameOf, onlyEntryHere } from './background-programs.ts';
import { type Launch, launchAll, launchOf } from './launch.ts';
import { fail, print } from './print.ts';
import { remarksOn } from './remarks.ts';
import { type NamedProgram, programsOf, readProject } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/**
 * Starts a devwatch in the background for each program, and waits until all are up or have failed. A program that
 * depends on others is started when they are up. The name of a program that was started before starts it again.
 *
 * @returns the exit code
 * @throws UsageError if a name is taken or used twice, there is nothing that could be run, or no background
 */
export async function execute({ line }: Invocation): Promise<number> {
  // Where nothing can run in the background, this is the first thing to be known.
  backgroundFolder();
  const known = knownPrograms(line);
  return known === undefined ? launchAll(newLaunches(line)) : startAgain(known);
}

/**
 * Returns the programs to start again: the words are the names of such programs, or `all`, or there are none, in a
 * folder where nothing else can be run and one program was started before. Files and `apps` come first.
 */
export function knownPrograms(line: CommandLine): readonly BackgroundEntry[] | undefined {
  const { program: words, optionWords, literal, extra } = line;
  if (optionWords.length > 0 || literal || extra.length > 0 || words.some((word) => fs.existsSync(word)))
    return undefined;
  if (words.length === 0) return runsNothing(line) ? attempt(() => onlyEntryHere('start')) : undefined;
  const entries = listEntries();
  if (words.length === 1 && words[0] === everything) return entries;
  const known = entries.filter(({ name, record }) => words.includes(name) && record !== undefined);
  const apps = attempt(() => readProject(line))?.apps.map(({ app }) => app) ?? [];
  return known.length < new Set(words).size || words.some((word) => apps.includes(word)) ? undefined : known;
}

/** Returns whether neither the settings nor the folder name a program. */
function runsNothing(line: CommandLine): boolean {
  const [first, ...others] = attempt(() => programsOf(line)) ?? [];
  if (first === undefined || others.length > 0) return false;
  const { script, exec, nodeArgs } = first.loaded.settings;
  return first.program.length === 0 && script === undefined && exec === undefined && !nodeArgs.includes('--test');
}

async function startAgain(entries: readonly BackgroundEntry[]): Promise<number> {
  if (entries.length === 0) print('no program was started in the background before · devwatch start <script>');
  for (const { name, alive } of entries) if (alive) print(`${name} is already running`);
  return launchAll(
    entries
      .filter(({ alive }) => !alive)
      .flatMap(({ record }) => record ?? [])
      .map(launchOf),
  );
}

/** Returns the launches of the programs that a command line means. Throws as `execute` does. */
function newLaunches(line: CommandLine): readonly Launch[] {
  const programs = programsOf(line);
  for (const remark of [...remarksOn(line, programs), ...programs[0].loaded.notes]) fail(remark);
  if (programs.length > 1) requireDistinct(programs);
  return programs.map((program) => newLaunch(program, line));
}

function newLaunch(program: NamedProgram, line: CommandLine): Launch {
  const { app, loaded } = program;
  const { display } = commandOf(program);
  const name = nameOf(program);
  return {
    name,
    display,
    argv: argvFor(program, line),
    startedIn: workingFolder(),
    env: process.env,
    folder: loaded.folder,
    app,
    after: loaded.settings.after,
    describeNext: (next) => describeNext(next, name, loaded.settings),
  };
}

/** Each program needs a name and logs of its own. */
function requireDistinct(programs: readonly NamedProgram[]): void {
  const seen = new Set<string>();
  for (const program of programs) {
    const name = nameOf(program);
    const { log } = program.loaded.settings;
    if (seen.has(name)) {
      throw new UsageError(`two programs would be named ${name} · set a different "name" for one of them`);
    }
    if (log !== undefined && seen.has(log)) {
      throw new UsageError(`two programs would share the log ${log} · remove "log", or set a different one for each`);
    }
    seen.add(name);
    if (log !== undefined) seen.add(log);
  }
}

function describeNext(next: Next['kind'], name: string, { watch }: Settings): string {
  if (next === 'end') return 'devwatch has ended with it';
  if (next === 'restart') return 'devwatch restarts it';
  return `devwatch waits for ${watch.length > 0 ? 'a change' : `devwatch restart ${name}`}`;
}
