/** `devwatch list`: shows the programs in the background. */

import { request } from '../background/control-client.ts';
import type { Status } from '../background/daemon.ts';
import { type BackgroundEntry, listEntries } from '../background/records.ts';
import { messageOf } from '../shared/errors.ts';
import { formatBytes, formatTime } from '../shared/format.ts';
import { selectEntries, terminateOrphansOf } from './background-programs.ts';
import { exitCodes, print, table } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** A program, as `--json` prints it. */
interface Row {
  readonly name: string;
  readonly state: Status['state'] | 'dead' | 'unknown';
  readonly reason?: string | undefined;
  readonly pid?: number | undefined;
  /** Pid of the devwatch that runs the program. */
  readonly owner?: number | undefined;
  /** Time since the start of the current run, in ms. */
  readonly uptime?: number | undefined;
  readonly restarts?: number | undefined;
  /** In bytes. */
  readonly memory?: number | undefined;
  /** CPU time in ms. */
  readonly cpu?: number | undefined;
  readonly port?: number | undefined;
  readonly folder?: string | undefined;
  readonly problem?: string | undefined;
}

/** Prints the programs that are named, or all. */
export async function execute({ operands, options }: Invocation): Promise<number> {
  const entries = operands.length === 0 ? listEntries() : selectEntries(operands);
  const rows = await Promise.all(entries.map(rowOf));
  if (options.json === true) print(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) print('nothing runs in the background · devwatch start <script>');
  else print(table([head, ...rows.map(cellsOf)]));
  return exitCodes.ok;
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

function cellsOf(row: Row): readonly string[] {
  return [
    row.name,
    row.reason === undefined ? row.state : `${row.state} (${row.reason})`,
    String(row.pid ?? '–'),
    row.uptime === undefined ? '–' : formatTime(row.uptime),
    String(row.restarts ?? '–'),
    row.memory === undefined ? '–' : formatBytes(row.memory),
    row.cpu === undefined ? '–' : formatTime(row.cpu),
    String(row.port ?? '–'),
    row.problem ?? row.folder ?? '–',
  ];
}
