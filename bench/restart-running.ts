/** A tool at work in a project of its own, for restart.ts. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listPids, readProc } from '../src/process/tree/proc.ts';
import type { Tool, Workload } from './restart-tools.ts';
import { peers } from './support.ts';

/** What has not happened after this long will not, in ms. */
const patience = 10_000;
/** From SIGTERM to SIGKILL, in ms. */
const grace = 3000;
/** The first version: all have as many digits, so that no save changes the size. */
const firstVersion = 100_000;

/** A line of the program. Epoch ms with fractions, as all times here: by its own clock, and when it was read. */
interface Line {
  readonly version: number;
  readonly at: number;
  readonly readAt: number;
}

/** Where a tool is put. */
export interface Place {
  readonly folder: string;
  /** Variables for it and for its program, beside the few that each gets. */
  readonly variables?: Readonly<Record<string, string>>;
}

export interface Save {
  readonly version: number;
  readonly at: number;
}

/** What devwatch says of a restart, in ms since the save was noticed. */
export interface Steps {
  readonly gone: number;
  readonly quiet: number;
  readonly ms: number;
  readonly begin: number;
  readonly standby: boolean;
}

/** The clocks of two processes drift apart: ours is set anew by the system's whenever it matters. */
function clock(): () => number {
  let origin = Number.NEGATIVE_INFINITY;
  for (let turn = 0; turn < 4; turn += 1) {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    // Whatever comes between the tick and here makes it less.
    origin = Math.max(origin, now - performance.now());
  }
  return () => origin + performance.now();
}

export class Running {
  static readonly #all = new Set<Running>();

  readonly tool: Tool;
  readonly #workload: Workload;
  /** Holds `project`, and a home and a folder for temporary files beside it. */
  readonly folder: string;
  /** None of npm's and tsx's variables that the benchmark itself was started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly #source: string;
  readonly #changed = new Set<() => void>();
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #version = firstVersion;
  #lines: Line[] = [];
  #said = '';
  #clock = clock();
  #standby: number | undefined;
  #stopping: Promise<void> | undefined;
  /** Of all restarts so far. */
  readonly steps: Steps[] = [];

  constructor(tool: Tool, workload: Workload, { folder, variables = {} }: Place) {
    this.tool = tool;
    this.#workload = workload;
    this.#command = tool.command(workload) ?? [];
    this.folder = folder;
    this.env = {
      PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`,
      HOME: path.join(folder, 'home'),
      TMPDIR: path.join(folder, 'tmp'),
      ...variables,
    };
    for (const name of ['project', 'home', 'tmp']) fs.mkdirSync(path.join(folder, name), { recursive: true });
    this.#source = fs.readFileSync(path.join(import.meta.dirname, 'workloads', workload.template), 'utf8');
    fs.writeFileSync(path.join(this.project, 'package.json'), `{ "type": "${workload.type}" }\n`);
    if (workload.needsPackages)
      fs.symlinkSync(path.join(peers, 'node_modules'), path.join(this.project, 'node_modules'));
    this.#write();
  }

  get project(): string {
    return path.join(this.folder, 'project');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Of the process that is prepared for the next run. */
  get standbyPid(): number | undefined {
    return this.#standby;
  }

  /** From a save, or from a cold start after it, to the first line. Infinite when there is none. */
  async measure(): Promise<number> {
    if (!this.tool.isCold) return this.latencyOf(this.save());
    this.#write();
    const time = await this.launch();
    await this.stop();
    return time;
  }

  /** From the spawn to the first line of the program. */
  async launch(): Promise<number> {
    const [file = '', ...args] = this.#command;
    const input = this.tool.input?.(this.#workload);
    this.#standby = undefined;
    this.#lines = [];
    this.#clock = clock();
    const at = this.#clock();
    Running.#all.add(this);
    const child = spawn(file, args, {
      cwd: this.project,
      env: this.env,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      // A session of its own: Ctrl-C must reach nobody but us, who then end everything in order.
      detached: true,
    });
    this.#child = child;
    child.on('error', () => {});
    child.stdin?.on('error', () => {}).end(input);
    this.#readLines(child.stdout, (line) => this.#hearProgram(line));
    this.#readLines(child.stderr, (line) => this.#hearTool(line));
    const time = await this.latencyOf({ version: this.#version, at });
    if (!Number.isFinite(time))
      throw new Error(`${this.tool.name} does not start ${this.#workload.name}\n${this.#said}`);
    return time;
  }

  /** Writes the next version in place, as many editors do. */
  save(): Save {
    this.#standby = undefined;
    this.#clock = clock();
    const at = this.#clock();
    this.#write();
    return { version: this.#version, at };
  }

  /** Until the first line of a program that is this version, or a later one: a skipped version costs the wait. */
  async latencyOf({ version, at }: Save): Promise<number> {
    const find = (): Line | undefined => this.#lines.find((line) => line.version >= version);
    await this.#until(() => find() !== undefined, patience);
    const line = find();
    if (line === undefined) return Number.POSITIVE_INFINITY;
    // A millisecond for what the clocks differ.
    if (line.at < at - 1 || line.at > line.readAt + 1)
      throw new Error(`${this.tool.name}: the clocks differ: ${at}, ${line.at}, ${line.readAt}`);
    return line.at - at;
  }

  /** Returns when what it prepares is prepared. */
  async settle(): Promise<void> {
    if (!this.tool.prepares) return;
    await this.#until(() => this.#standby !== undefined, patience);
    if (this.#standby === undefined) throw new Error(`${this.tool.name} prepares no process\n${this.#said}`);
  }

  /** Ends it and whatever it leaves; on Ctrl-C it may be asked twice. */
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
      const inTime = await Promise.race([ended, sleep(grace, 'late', { ref: false })]);
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

  /** Who works in our folder, or has our temporary folder in its environment. */
  #left(): number[] {
    const mark = `TMPDIR=${path.join(this.folder, 'tmp')}`;
    return listPids().filter(
      (pid) => workingFolder(pid).startsWith(`${this.folder}/`) || readProc(`/proc/${pid}/environ`)?.includes(mark),
    );
  }

  #readLines(stream: NodeJS.ReadableStream | null, hear: (line: string) => void): void {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        this.#said = `${this.#said}${line}\n`.slice(-4000);
        hear(line);
      }
      for (const look of this.#changed) look();
    });
  }

  #hearProgram(line: string): void {
    const [, version, at] = /^bench (\d+) ([\d.]+)$/.exec(line) ?? [];
    if (version === undefined) return;
    this.#lines.push({ version: Number(version), at: Number(at), readAt: this.#clock() });
  }

  #hearTool(line: string): void {
    if (!line.startsWith('{"event":')) return;
    const { event, ...rest } = JSON.parse(line) as { event: string; pid: number } & Steps;
    if (event === 'standby') this.#standby = rest.pid;
    if (event === 'start' && rest.gone !== undefined) this.steps.push({ ...rest, begin: Number.NaN });
    const last = this.steps.at(-1);
    if (event === 'begin' && last !== undefined) this.steps[this.steps.length - 1] = { ...last, begin: rest.ms };
  }

  /** Looks whenever it has said something. */
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

/** Empty for a zombie, and for one that is gone. */
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
    // It is gone.
  }
}
