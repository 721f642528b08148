/** Runs a tool in a project of its own, for restart.ts and hold.ts. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTimeOf, listPids, readProc } from '../src/process/tree/proc.ts';
import type { Tool, Workload } from './restart-tools.ts';
import { packagesIn, proportionalSize } from './support.ts';

/** An event that has not come after this time will not come. */
const eventTimeoutMs = 10_000;
/** A standby may load packages first, once they have been looked at. */
const standbyTimeoutMs = 60_000;
/** Restarts that are further apart than this do not count as quick ones, for which devwatch keeps two standbys. */
const calmGapMs = 2500;
/** From SIGTERM to SIGKILL. */
const graceMs = 3000;
/** All versions have the same number of digits, so that no save changes the size of the file. */
const firstVersion = 100_000;

/** A line of the program. Times are epoch ms with fractions: when it was printed, by the program's clock, and read. */
interface Line {
  readonly version: number;
  readonly at: number;
  readonly readAt: number;
}

/** The place in which a tool runs. */
export interface Place {
  readonly folder: string;
  /** Variables for the tool and its program, in addition to the few that each gets. */
  readonly variables?: Readonly<Record<string, string>>;
}

export interface Save {
  readonly version: number;
  readonly at: number;
}

/** The steps of a restart as devwatch reports them, in ms since it noticed the save. */
export interface Steps {
  readonly gone: number;
  readonly quiet: number;
  readonly ms: number;
  readonly begin: number;
  readonly standby: boolean;
}

/** The cost of what waits for the next restart: how long after the last one it is ready, its memory in bytes, CPU times. */
export interface Preparation {
  readonly readyMs: number;
  readonly memory: number;
  readonly cpuMs: number;
  readonly toolCpuMs: number;
}

/** An event of devwatch; each kind has some of these fields. */
type DevwatchLine = Steps & {
  readonly event: string;
  readonly pid: number;
  readonly packages?: number;
  readonly cause?: string;
};

/** Returns a clock that is set by the system's clock now, because the clocks of two processes drift apart. */
function clock(): () => number {
  let origin = Number.NEGATIVE_INFINITY;
  for (let turn = 0; turn < 4; turn += 1) {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    // A delay between the tick and this line makes the value too small.
    origin = Math.max(origin, now - performance.now());
  }
  return () => origin + performance.now();
}

export class Running {
  static readonly #all = new Set<Running>();

  readonly tool: Tool;
  readonly #workload: Workload;
  /** Contains `project`, `home` and `tmp`. */
  readonly folder: string;
  /** Without the variables of npm and tsx that the benchmark itself was started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly #source: string;
  readonly #changed = new Set<() => void>();
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #version = firstVersion;
  #lines: Line[] = [];
  #output = '';
  #clock = clock();
  #standby: { readonly pid: number; readonly at: number } | undefined;
  /** The standby process before it has loaded packages. */
  #bareStandby: { readonly pid: number; readonly at: number } | undefined;
  #loadsPackages: boolean;
  /** The latest save, or the launch. */
  #savedAt = 0;
  #stopping: Promise<void> | undefined;
  /** The steps of all restarts so far. */
  readonly steps: Steps[] = [];

  constructor(tool: Tool, workload: Workload, { folder, variables = {} }: Place) {
    this.tool = tool;
    this.#workload = workload;
    this.#loadsPackages = workload.loadsPackages === true;
    this.#command = tool.command(workload) ?? [];
    this.folder = folder;
    this.env = {
      PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`,
      HOME: path.join(folder, 'home'),
      TMPDIR: path.join(folder, 'tmp'),
      ...variables,
    };
    for (const name of ['project', 'home', 'tmp']) fs.mkdirSync(path.join(folder, name), { recursive: true });
    const template = path.join(import.meta.dirname, workload.template);
    this.#source = fs.readFileSync(template, 'utf8');
    for (const file of workload.beside ?? [])
      fs.copyFileSync(path.join(path.dirname(template), file), path.join(this.project, file));
    fs.writeFileSync(path.join(this.project, 'package.json'), `{ "type": "${workload.type}" }\n`);
    if (workload.needsPackages)
      fs.symlinkSync(packagesIn(workload.packages ?? 'peers'), path.join(this.project, 'node_modules'));
    this.#write();
  }

  get project(): string {
    return path.join(this.folder, 'project');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The pid of the standby process. */
  get standbyPid(): number | undefined {
    return this.#standby?.pid;
  }

  /**
   * Returns what the preparation of the next restart has cost, once it is ready.
   *
   * @param time from the save to the first line of the program
   * @param cpuBefore CPU time of the tool before the save
   */
  preparation(time: number, cpuBefore: number): Preparation | undefined {
    if (this.#standby === undefined) return undefined;
    const { pid, at } = this.#standby;
    return {
      readyMs: at - this.#savedAt - time,
      memory: proportionalSize(pid),
      cpuMs: cpuTimeOf(pid) ?? Number.NaN,
      toolCpuMs: this.cpuMs - cpuBefore,
    };
  }

  /** CPU time of the tool itself. */
  get cpuMs(): number {
    return cpuTimeOf(this.pid) ?? Number.NaN;
  }

  /** Resolves to the time from a save, or from a cold start after it, to the first line; infinite if there is none. */
  async measure(): Promise<number> {
    if (!this.tool.isCold) return this.latencyOf(this.save());
    this.#write();
    const time = await this.launch();
    await this.stop();
    return time;
  }

  /** Resolves to the time from the spawn to the first line of the program. */
  async launch(): Promise<number> {
    const [file = '', ...args] = this.#command;
    const input = this.tool.input?.(this.#workload);
    this.#standby = undefined;
    this.#bareStandby = undefined;
    this.#lines = [];
    this.#clock = clock();
    const at = this.#clock();
    this.#savedAt = at;
    Running.#all.add(this);
    const child = spawn(file, args, {
      cwd: this.project,
      env: this.env,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      // A session of its own: Ctrl-C must reach the benchmark only, which then ends everything in order.
      detached: true,
    });
    this.#child = child;
    child.on('error', () => {});
    child.stdin?.on('error', () => {}).end(input);
    this.#readLines(child.stdout, (line) => this.#onProgramLine(line));
    this.#readLines(child.stderr, (line) => this.#onToolLine(line));
    const time = await this.latencyOf({ version: this.#version, at });
    if (!Number.isFinite(time))
      throw new Error(`${this.tool.name} does not start ${this.#workload.name}\n${this.#output}`);
    return time;
  }

  /** Writes the next version in place, as many editors do. */
  save(): Save {
    this.#standby = undefined;
    this.#bareStandby = undefined;
    this.#clock = clock();
    const at = this.#clock();
    this.#savedAt = at;
    this.#write();
    return { version: this.#version, at };
  }

  /** Resolves to the time to the first line of this version or a later one; a skipped version counts as waiting. */
  async latencyOf({ version, at }: Save): Promise<number> {
    const find = (): Line | undefined => this.#lines.find((line) => line.version >= version);
    await this.#until(() => find() !== undefined, eventTimeoutMs);
    const line = find();
    if (line === undefined) return Number.POSITIVE_INFINITY;
    // The clocks may differ by a millisecond.
    if (line.at < at - 1 || line.at > line.readAt + 1)
      throw new Error(`${this.tool.name}: the clocks differ: ${at}, ${line.at}, ${line.readAt}`);
    return line.at - at;
  }

  /** Resolves when a save is no longer a quick one after the save before. */
  async calm(): Promise<void> {
    if (this.tool.prepares) await sleep(Math.max(0, this.#savedAt + calmGapMs - this.#clock()));
  }

  /** Resolves when the standby process is ready. */
  async settle(): Promise<void> {
    if (!this.tool.prepares) return;
    await this.#until(() => this.#standby !== undefined, standbyTimeoutMs);
    if (this.#standby !== undefined) return;
    if (this.#bareStandby === undefined) throw new Error(`${this.tool.name} has no standby process\n${this.#output}`);
    console.error(`${this.tool.name} has loaded no packages of ${this.#workload.name}`);
    this.#loadsPackages = false;
    this.#standby = this.#bareStandby;
  }

  /** Ends the tool and the processes that it leaves behind; may be called twice (Ctrl-C). */
  stop(): Promise<void> {
    this.#stopping ??= this.#end().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const ended = once(child, 'exit');
      child.kill(this.tool.isCold ? 'SIGKILL' : 'SIGTERM');
      const inTime = await Promise.race([ended, sleep(graceMs, 'late', { ref: false })]);
      if (inTime === 'late') child.kill('SIGKILL');
      await ended;
    }
    for (let left = this.#left(); left.length > 0; left = this.#left()) {
      for (const pid of left) kill(pid);
      await sleep(10);
    }
    Running.#all.delete(this);
  }

  static async stopAll(): Promise<void> {
    while (Running.#all.size > 0) await Promise.all([...Running.#all].map((one) => one.stop()));
  }

  #write(): void {
    this.#version += 1;
    const text = this.#source.replace(/(const version\b.*?= )0;/, `$1${this.#version};`);
    fs.writeFileSync(path.join(this.project, this.#workload.file), text);
  }

  /** Returns the processes that run in the folder, or have its `tmp` in their environment. */
  #left(): number[] {
    const mark = `TMPDIR=${path.join(this.folder, 'tmp')}`;
    return listPids().filter(
      (pid) => workingFolder(pid).startsWith(`${this.folder}/`) || readProc(`/proc/${pid}/environ`)?.includes(mark),
    );
  }

  #readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        this.#output = `${this.#output}${line}\n`.slice(-4000);
        onLine(line);
      }
      for (const look of this.#changed) look();
    });
  }

  #onProgramLine(line: string): void {
    const [, version, at] = /^bench (\d+) ([\d.]+)$/.exec(line) ?? [];
    if (version === undefined) return;
    this.#lines.push({ version: Number(version), at: Number(at), readAt: this.#clock() });
  }

  #onToolLine(line: string): void {
    if (!line.startsWith('{"event":')) return;
    const { event, packages, cause, ...rest } = JSON.parse(line) as DevwatchLine;
    if (event === 'start' && cause !== 'start' && cause !== 'change')
      console.error(`${this.tool.name} has restarted ${this.#workload.name}: ${cause}\n${this.#output}`);
    const isReady = !this.#loadsPackages || (packages !== undefined && packages > 0);
    if (event === 'standby') this.#bareStandby = { pid: rest.pid, at: this.#clock() };
    if (event === 'standby' && isReady) this.#standby = this.#bareStandby;
    if (event === 'start' && rest.gone !== undefined) this.steps.push({ ...rest, begin: Number.NaN });
    const last = this.steps.at(-1);
    if (event === 'begin' && last !== undefined) this.steps[this.steps.length - 1] = { ...last, begin: rest.ms };
  }

  /** Checks after each line of output; resolves at the latest after `limit` ms. */
  async #until(holds: () => boolean, limit: number): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#changed.delete(look);
        resolve();
      };
      const look = (): void => {
        if (holds()) finish();
      };
      const timer = setTimeout(finish, limit);
      this.#changed.add(look);
    });
  }
}

/** Returns an empty string for a zombie or a process that is gone. */
function workingFolder(pid: number): string {
  try {
    return fs.readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process is gone.
  }
}
