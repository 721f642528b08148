/** The programs in the background, as `devwatch list` shows them and `--json` prints them. */

import { request } from '../../background/control-client.ts';
import type { Status } from '../../background/daemon.ts';
import type { BackgroundEntry, BackgroundRecord } from '../../background/records.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import { terminateOrphansOf } from '../background-programs.ts';

/** The version of what `--json` prints: it changes when a key is renamed, removed, or gets another meaning. */
export const jsonVersion = 1;

/** A program, as `--json` prints it; docs/background.md describes the keys. What is not known is left out. */
export interface Row {
  readonly name: string;
  readonly state: Status['state'] | 'stopped' | 'dead' | 'unknown';
  /** Why it has crashed. */
  readonly reason?: string | undefined;
  /** The step of devwatch after a crash or an exit. */
  readonly next?: 'restart' | 'wait' | 'gave up' | undefined;
  /** Time until the next try, in ms. */
  readonly retryIn?: number | undefined;
  /** The file that is waited for; absolute. */
  readonly awaited?: string | undefined;
  /** The pid of the program. */
  readonly pid?: number | undefined;
  /** The pid of the devwatch that runs it. */
  readonly owner?: number | undefined;
  /** Time since the start of the current run, in ms. */
  readonly uptime?: number | undefined;
  readonly restarts?: number | undefined;
  /** CPU time of the process tree since the last reading, in percent of one core. */
  readonly cpu?: number | undefined;
  /** CPU time of the process tree, in ms. */
  readonly cpuTime?: number | undefined;
  /** Memory of the process tree, in bytes. */
  readonly memory?: number | undefined;
  readonly port?: number | undefined;
  readonly watching?: Status['watching'] | undefined;
  /** The program as it was started. */
  readonly program?: string | undefined;
  /** Its working folder. */
  readonly folder?: string | undefined;
  /** The reason why the state is unknown. */
  readonly problem?: string | undefined;
}

/** The CPU time of a process tree, in ms, and when it was read. */
interface Reading {
  readonly pid: number;
  readonly cpuTime: number;
  readonly at: number;
}

type Ask = (record: BackgroundRecord) => Promise<Status>;

const askStatus: Ask = async (record) => (await request(record, 'status')) as Status;

/** Reads the state of programs, again and again. The second time it knows how much of a core they use. */
export class ProgramStates {
  readonly #ask: Ask;
  readonly #clock: Clock;
  #readings: ReadonlyMap<string, Reading> = new Map();

  constructor(ask: Ask = askStatus, clock: Clock = systemClock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Returns a row for each program. */
  async read(entries: readonly BackgroundEntry[]): Promise<readonly Row[]> {
    const readings = new Map<string, Reading>();
    const rows = await Promise.all(entries.map((entry) => this.#rowOf(entry, readings)));
    this.#readings = readings;
    return rows;
  }

  async #rowOf({ name, record, alive, problem }: BackgroundEntry, readings: Map<string, Reading>): Promise<Row> {
    if (record === undefined) return { name, state: 'unknown', problem };
    const { program, folder } = record;
    // The state of a program in another container cannot be determined.
    if (!alive && problem !== undefined) return { name, state: 'unknown', program, folder, problem };
    if (record.end !== undefined) return { name, state: record.end, program, folder };
    if (!alive) {
      await terminateOrphansOf(record);
      return { name, state: 'dead', program, folder };
    }
    const owner = record.pid;
    try {
      const status = await this.#ask(record);
      const { state, reason, awaited, pid, run, since, memory, cpu: cpuTime, port, watching } = status;
      const life = { pid, owner, uptime: pid && Date.now() - since, restarts: Math.max(0, run - 1) };
      const usage = { cpu: this.#percentOf(name, status, readings), cpuTime, memory, port, watching };
      return { name, state, reason, ...planOf(status), awaited, ...life, ...usage, program, folder };
    } catch (error) {
      return { name, state: 'unknown', owner, program, folder, problem: messageOf(error) };
    }
  }

  /** Returns the percent of a core since the last reading; undefined for a process that was not read before. */
  #percentOf(name: string, { pid, cpu: cpuTime }: Status, readings: Map<string, Reading>): number | undefined {
    if (pid === undefined || cpuTime === undefined) return undefined;
    const now = { pid, cpuTime, at: this.#clock.now() };
    const before = this.#readings.get(name);
    readings.set(name, now);
    if (before?.pid !== pid) return undefined;
    // The time of a process that has ended counts no more, unless its parent has waited for it.
    const percent = Math.max(0, ((now.cpuTime - before.cpuTime) / (now.at - before.at)) * 100);
    return Math.round(percent * 10) / 10;
  }
}

function planOf({ next, retryAt }: Status): Pick<Row, 'next' | 'retryIn'> {
  if (next?.kind === 'wait') return { next: next.gaveUp ? 'gave up' : 'wait' };
  if (next?.kind !== 'restart') return {};
  return { next: 'restart', retryIn: retryAt === undefined ? undefined : Math.max(0, retryAt - Date.now()) };
}
