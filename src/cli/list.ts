/** `devwatch list`: shows the programs in the background. */

import { request } from '../background/control-client.ts';
import type { Status } from '../background/daemon.ts';
import { type BackgroundEntry, listEntries } from '../background/records.ts';
import { messageOf } from '../shared/errors.ts';
import { formatBytes, formatTime } from '../shared/format.ts';
import { selectEntries, terminateOrphansOf } from './background-programs.ts';
import { print, table } from './print.ts';
import type { Invocation } from './subcommands.ts';

/**
 * A program, as `--json` prints it. `owner` is the pid of the devwatch that runs the program; `uptime`, since the start
 * of the current run, and `cpu` are in ms, `memory` is in bytes.
 */
type Row = { readonly name: string; readonly state: Status['state'] | 'dead' | 'unknown' } & {
  readonly [Key in 'reason' | 'folder' | 'problem']?: string | undefined;
} & {
  readonly [Key in 'pid' | 'owner' | 'uptime' | 'restarts' | 'memory' | 'cpu' | 'port']?: number | undefined;
};

/** Prints the programs that are named, or all. */
export async function execute({ operands, options }: Invocation): Promise<void> {
  const entries = operands.length === 0 ? listEntries() : selectEntries(operands);
  const rows = await Promise.all(entries.map(rowOf));
  if (options.json === true) print(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) print('nothing runs in the background · devwatch start <script>');
  else print(table([head, ...rows.map(cellsOf)]));
}

async function rowOf({ name, record, alive, problem }: BackgroundEntry): Promise<Row> {
  if (record === undefined) return { name, state: 'unknown', problem };
  const common = { name, folder: record.folder, problem };
  // The state of a program in another container cannot be determined.
  if (!alive && problem !== undefined) return { ...common, state: 'unknown' };
  if (!alive) {
    await terminateOrphansOf(record);
    return { ...common, state: 'dead' };
  }
  try {
    const { state, reason, pid, run, since, memory, cpu, port } = (await request(record, 'status')) as Status;
    const uptime = pid === undefined ? undefined : Date.now() - since;
    const restarts = Math.max(0, run - 1);
    return { ...common, state, reason, pid, owner: record.pid, uptime, restarts, memory, cpu, port };
  } catch (error) {
    return { ...common, state: 'unknown', owner: record.pid, problem: messageOf(error) };
  }
}

const head = ['name', 'state', 'pid', 'uptime', 'restarts', 'memory', 'cpu', 'port', 'folder'];

function cellsOf({ name, state, reason, pid, uptime, restarts, memory, cpu, port, ...row }: Row): readonly string[] {
  const shown = [
    pid,
    uptime === undefined ? undefined : formatTime(uptime),
    restarts,
    memory === undefined ? undefined : formatBytes(memory),
    cpu === undefined ? undefined : formatTime(cpu),
    port,
    row.problem ?? row.folder,
  ];
  return [name, reason === undefined ? state : `${state} (${reason})`, ...shown.map((cell) => String(cell ?? '–'))];
}
