/** `devwatch list`: shows the programs in the background. */

import { request } from '../background/control-client.ts';
import type { Status } from '../background/daemon.ts';
import { type BackgroundEntry, listEntries } from '../background/records.ts';
import { messageOf } from '../shared/errors.ts';
import { formatBytes, formatTime } from '../shared/format.ts';
import { formatPath } from '../terminal/format.ts';
import { selectEntries, terminateOrphansOf } from './background-programs.ts';
import { print, printJson, table } from './print.ts';
import type { Invocation } from './subcommands.ts';

/**
 * A program, as `--json` prints it. `owner` is the pid of the devwatch that runs the program; `uptime`, since the start
 * of the current run, `cpu` and `retryIn` are in ms, `memory` is in bytes. `next` is what devwatch does after an end.
 */
type Row = { readonly name: string; readonly state: Status['state'] | 'stopped' | 'dead' | 'unknown' } & {
  readonly next?: 'restart' | 'wait' | 'gave up' | undefined;
} & {
  readonly [Key in 'reason' | 'awaited' | 'folder' | 'problem']?: string | undefined;
} & {
  readonly [Key in 'pid' | 'owner' | 'uptime' | 'restarts' | 'memory' | 'cpu' | 'port' | 'retryIn']?:
    | number
    | undefined;
};

/** Prints the programs that are named, or all. */
export async function execute({ operands, options }: Invocation): Promise<void> {
  const entries = operands.length === 0 ? listEntries() : selectEntries(operands, 'list', true);
  const rows = await Promise.all(entries.map(rowOf));
  if (options.json === true) printJson(rows, 2);
  else if (rows.length === 0) print('nothing runs in the background · devwatch start <script>');
  else print(...table([head, ...rows.map(cellsOf)]));
}

async function rowOf({ name, record, alive, problem }: BackgroundEntry): Promise<Row> {
  if (record === undefined) return { name, state: 'unknown', problem };
  const common = { name, folder: record.folder, problem };
  // The state of a program in another container cannot be determined.
  if (!alive && problem !== undefined) return { ...common, state: 'unknown' };
  if (record.end !== undefined) return { ...common, state: record.end };
  if (!alive) {
    await terminateOrphansOf(record);
    return { ...common, state: 'dead' };
  }
  try {
    const status = (await request(record, 'status')) as Status;
    const { state, reason, awaited, pid, run, since, memory, cpu, port } = status;
    const uptime = pid === undefined ? undefined : Date.now() - since;
    const restarts = Math.max(0, run - 1);
    return {
      ...common,
      state,
      reason,
      awaited,
      pid,
      owner: record.pid,
      uptime,
      restarts,
      memory,
      cpu,
      port,
      ...planOf(status),
    };
  } catch (error) {
    return { ...common, state: 'unknown', owner: record.pid, problem: messageOf(error) };
  }
}

function planOf({ next, retryAt }: Status): Pick<Row, 'next' | 'retryIn'> {
  if (next?.kind === 'wait') return { next: next.gaveUp ? 'gave up' : 'wait' };
  if (next?.kind !== 'restart') return {};
  return { next: 'restart', retryIn: retryAt === undefined ? undefined : Math.max(0, retryAt - Date.now()) };
}

const head = ['name', 'state', 'pid', 'uptime', 'restarts', 'memory', 'cpu', 'port', 'folder'];

function cellsOf({ name, pid, uptime, restarts, memory, cpu, port, ...row }: Row): readonly string[] {
  const shown = [
    pid,
    uptime === undefined ? undefined : formatTime(uptime),
    restarts,
    memory === undefined ? undefined : formatBytes(memory),
    cpu === undefined ? undefined : formatTime(cpu),
    port,
    row.problem ?? row.folder,
  ];
  return [name, [describeState(row), ...describePlan(row)].join(' · '), ...shown.map((cell) => String(cell ?? '–'))];
}

function describeState({ state, reason, awaited, folder = '' }: Omit<Row, 'name'>): string {
  if (awaited !== undefined) return `waiting for ${formatPath(awaited, folder)}`;
  return reason === undefined ? state : `${state} (${reason})`;
}

/** Describes what follows from a crash; a program that has ended well needs no description. */
function describePlan({ state, next, retryIn }: Pick<Row, 'state' | 'next' | 'retryIn'>): readonly string[] {
  if (next === 'restart') return [`again in ${formatTime(retryIn ?? 0)}`];
  if (state !== 'crashed' || next === undefined) return [];
  return [next === 'gave up' ? next : 'waiting'];
}
