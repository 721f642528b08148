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
  readonly running?: Pick<ProgramRecord, 'pid' | 'loads' | 'written'> & {
    /** For people: `pid 4711, node server.js`. */
    readonly description: string;
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
  return records.filter(({ app = '' }) => only === undefined || only.includes(app)).map(fromRecord);
}

function fromRecord({ loaded, program, nodeArgs, app, command, pid, loads, written }: ProgramRecord): ProgramInForce {
  const entry = attempt(() => listEntries())?.find(({ record }) => record?.pid === pid);
  const name = entry === undefined ? `pid ${pid}` : `${entry.name} in the background (pid ${pid})`;
  const running = { pid, loads, written, description: `${name}, ${command.display}` };
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
