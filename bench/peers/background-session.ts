/** Runs a tool in a home folder of its own, for compare-background.ts. Reads /proc. */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandLine, listPids, readProc } from '../../src/process/tree/proc.ts';
import { isAlive, parentOf } from '../../test/support/facts.ts';
import { type Caller, type Home, openHome } from '../../test/support/home.ts';
import type { BackgroundTool } from './background-tools.ts';

/** An event that has not come after this time will not come. */
const eventTimeoutMs = 15_000;
const pollIntervalMs = 20;

export interface Outcome {
  readonly code: number | 'hangs';
  readonly output: string;
  /** Time from the launch to the end. */
  readonly ms: number;
}

/** The pids of the processes that a tool keeps running. */
export interface Census {
  /** Daemons and monitors. */
  readonly managers: readonly number[];
  /** devwatch's guardians, which end a program whose manager was killed. */
  readonly guardians: readonly number[];
  /** devwatch's standby processes. */
  readonly standbys: readonly number[];
}

export class Session {
  static readonly #all = new Set<Session>();

  readonly tool: BackgroundTool;
  readonly #home: Home;
  readonly #folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'compare-background-')));
  readonly #mark = `COMPARE_BACKGROUND=${randomUUID()}`;
  readonly #guardians = new Set<number>();
  #clearing: Promise<void> | undefined;

  private constructor(tool: BackgroundTool, home: Home) {
    this.tool = tool;
    this.#home = home;
    for (const name of ['project', 'home', 'tmp']) fs.mkdirSync(path.join(this.#folder, name));
    const server = path.join(import.meta.dirname, 'background-server.cjs');
    fs.copyFileSync(server, path.join(this.#folder, 'project/server.js'));
    fs.writeFileSync(path.join(this.#folder, 'project/package.json'), '{ "name": "app", "type": "commonjs" }\n');
    Session.#all.add(this);
  }

  static async open(tool: BackgroundTool): Promise<Session> {
    const session = new Session(tool, await openHome());
    if (tool.prepare !== undefined) await session.run(tool.prepare);
    return session;
  }

  static async clearAll(): Promise<void> {
    while (Session.#all.size > 0) await Promise.all([...Session.#all].map((session) => session.clear()));
  }

  /** Programs that listen. */
  get programs(): readonly Caller[] {
    return this.#home.callers.filter((caller) => caller.says.port !== undefined && caller.isAlive());
  }

  async run([file = '', ...args]: readonly string[], port = 0): Promise<Outcome> {
    const home = path.join(this.#folder, 'home');
    const [variable = '', mark = ''] = this.#mark.split('=');
    const began = performance.now();
    const child = spawn(file, args, {
      cwd: path.join(this.#folder, 'project'),
      // Without the variables of npm and tsx that this script itself was started with.
      env: {
        PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`,
        HOME: home,
        TMPDIR: path.join(this.#folder, 'tmp'),
        XDG_STATE_HOME: path.join(home, 'state'),
        XDG_RUNTIME_DIR: '',
        PM2_HOME: path.join(home, 'pm2'),
        PM2_DISABLE_VERSION_CHECK: 'true',
        FOREVER_ROOT: path.join(home, 'forever'),
        PORT: String(port),
        [variable]: mark,
        ...this.#home.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A session of its own: Ctrl-C must reach this script only, which then ends everything in order.
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    // Not `close`: a daemon may keep the output open.
    const inTime = await within(once(child, 'exit'), eventTimeoutMs * 4);
    const ms = performance.now() - began;
    if (inTime === undefined) child.kill('SIGKILL');
    // The last output may not have been read yet.
    await within(once(child, 'close'), 100);
    child.stdout.destroy();
    child.stderr.destroy();
    return { code: inTime === undefined ? 'hangs' : (child.exitCode ?? 128), output, ms };
  }

  /** Resolves to the next program, once it has answered; undefined if none does. */
  async nextAnswer(): Promise<Caller | undefined> {
    const caller = await within(
      this.#home.caller(({ says }) => says.port !== undefined),
      eventTimeoutMs,
    );
    if (caller === undefined) return undefined;
    const [response] = (await once(http.get({ port: Number(caller.says.port), agent: false }), 'response')) as [
      IncomingMessage,
    ];
    response.resume();
    return response.statusCode === 200 ? caller : undefined;
  }

  /** The errors of programs that could not listen. */
  get errors(): readonly string[] {
    return this.#home.callers.flatMap(({ says }) => (says.error === undefined ? [] : String(says.error)));
  }

  /** Returns the processes that run now, except the programs and their children. */
  census(): Census {
    const marked = this.#marked();
    const managers = new Set(this.programs.map(({ pid }) => parentOf(pid)));
    const programs = new Set(this.programs.map(({ pid }) => pid));
    const others = marked.filter((pid) => !programs.has(pid) && !programs.has(parentOf(pid)) && !managers.has(pid));
    const standbys = others.filter((pid) => managers.has(parentOf(pid)));
    return {
      managers: [...managers, ...others.filter((pid) => !standbys.includes(pid))],
      guardians: this.#findGuardians(marked),
      standbys,
    };
  }

  /** Kills all remaining processes, by pid. */
  clear(): Promise<void> {
    this.#clearing ??= this.#end();
    return this.#clearing;
  }

  async #end(): Promise<void> {
    const deadline = performance.now() + eventTimeoutMs;
    for (let left = this.#left(); left.length > 0; left = this.#left()) {
      if (performance.now() > deadline) throw new Error(`cannot be ended: ${left.map(describe).join(', ')}`);
      for (const pid of left) if (!this.#guardians.has(pid)) kill(pid);
      await sleep(pollIntervalMs);
    }
    await this.#home[Symbol.asyncDispose]();
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    Session.#all.delete(this);
  }

  /** Guardians have neither the mark nor the folder; they exit once the processes that they guard are gone. */
  #left(): number[] {
    const marked = this.#marked();
    for (const pid of this.#findGuardians(marked)) this.#guardians.add(pid);
    return [...marked, ...[...this.#guardians].filter((pid) => isAlive(pid) && isGuardian(pid))];
  }

  #marked(): number[] {
    return listPids().filter((pid) => readProc(`/proc/${pid}/environ`)?.includes(this.#mark) && isAlive(pid));
  }

  #findGuardians(marked: readonly number[]): number[] {
    const known = new Set(marked);
    return listPids().filter((pid) => known.has(parentOf(pid)) && isGuardian(pid));
  }
}

/** A guardian is a shell, which later becomes guardian-main.js. */
const isGuardian = (pid: number): boolean => /devwatch-guardian|\/guardian-main\.js /.test(commandLine(pid) ?? '');

/** Resolves to undefined if the promise takes longer. */
export async function within<Value>(promise: Promise<Value>, limit: number): Promise<Value | undefined> {
  const aborting = new AbortController();
  try {
    const late = sleep(limit, undefined, { signal: aborting.signal }).catch(() => undefined);
    return await Promise.race([promise, late]);
  } finally {
    aborting.abort();
  }
}

const describe = (pid: number): string => `${pid} ${commandLine(pid) ?? ''}`;

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process is gone.
  }
}
