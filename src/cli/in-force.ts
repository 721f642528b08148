/** The programs that devwatches run in this folder, as they have them in force. */

import { listEntries } from '../background/records.ts';
import type { CommandLine } from '../config/argv.ts';
import { specOf } from '../config/options.ts';
import { type ProgramRecord, programsRunningIn } from '../run/program-record.ts';
import { attempt } from '../shared/errors.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { type NamedProgram, programsOf } from './select-programs.ts';

/** A program, and what is known of the devwatch that runs it. */
export interface ProgramInForce extends NamedProgram {
  /** The devwatch that runs it; undefined if the settings or the command line name it, and it need not run. */
  readonly running?: Pick<ProgramRecord, 'pid' | 'loads' | 'written' | 'limitations'> & {
    /** For people: `pid 4711`, or its name in the background. */
    readonly owner: string;
    /** For people: the name of the app, or `node server.js`. */
    readonly title: string;
  };
}

/** Describes the devwatches that run programs, for people: `pid 4711 (api, web)`. */
export function describeRunning(programs: readonly ProgramInForce[]): string[] {
  const titles = new Map<string, string[]>();
  for (const { running } of programs) {
    if (running !== undefined) titles.set(running.owner, [...(titles.get(running.owner) ?? []), running.title]);
  }
  return [...titles].map(([owner, list]) => `${owner} (${list.join(', ')})`);
}

/** Returns a function that names a program where there are several; an empty text if there is only one. */
export function labelsOf(programs: readonly ProgramInForce[]): (program: ProgramInForce) => string {
  const areApps = programs.every(({ app }) => app !== undefined) && new Set(programs.map(({ app }) => app)).size > 1;
  return ({ app, running }) => {
    if (areApps || programs.length === 1) return app ?? '';
    return running === undefined ? (app ?? '') : `${running.owner} (${running.title})`;
  };
}

/**
 * Returns the programs that run in this folder with what is in force there, flags included, or if there are none and
 * `isAbove` is set, in the nearest folder above. Empty if the command line names a program or settings: it asks what these
 * would do.
 */
export function programsInForce(line: CommandLine, isAbove = false): readonly ProgramInForce[] {
  const { program, nodeArgs, extra, flags, config, only } = line;
  // How devwatch prints is of no account.
  const decides = [...flags.keys()].some((key) => specOf(key).group !== 'Output');
  if (decides || config !== undefined || program.length + nodeArgs.length + extra.length > 0) return [];
  const records = programsRunningIn(workingFolder(), isAbove);
  return records.map(fromRecord).filter(({ app = '' }) => only === undefined || only.includes(app));
}

function fromRecord(record: ProgramRecord): ProgramInForce {
  const { loaded, program, nodeArgs, command, pid, loads, written, limitations } = record;
  const entry = attempt(() => listEntries())?.find((one) => one.alive && one.record?.pid === pid);
  const app = record.app ?? entry?.record?.app;
  const owner = entry === undefined ? `pid ${pid}` : `${entry.name} in the background, pid ${pid}`;
  const running = { pid, loads, written, limitations, owner, title: app ?? command.display };
  return { loaded, program, nodeArgs, app, planned: () => command, running };
}

/** Returns the programs in force; without any, those that the command line and the settings name. Throws as `programsOf` does. */
export function programsInForceOrNamed(
  line: CommandLine,
  isAbove = false,
): readonly [ProgramInForce, ...ProgramInForce[]] {
  const [first, ...others] = programsInForce(line, isAbove);
  return first === undefined ? programsOf(line, true) : [first, ...others];
}
