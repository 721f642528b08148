/** A tool at work in a home of its own, for compare-background.ts. Reads /proc. */

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

/** What has not happened after this long will not, in ms. */
const patience = 15_000;
const pause = 20;

export interface Outcome {
  readonly code: number | 'hangs';
  readonly output: string;
  /** From its launch to its end, in ms. */
  readonly ms: number;
}

/** What a tool keeps running, by process number. */
export interface Census {
  /** Daemons and monitors. */
  readonly managers: readonly number[];
  /** Of devwatch: what ends the program if its manager is killed. */
  readonly guardians: readonly number[];
  /** Of devwatch: prepared for the next run. */
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
      // None of npm's and tsx's variables that this script itself was started with.
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
      // A session of its own: Ctrl-C must reach nobody but us, who then end everything in order.
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    // Not `close`: a daemon may have kept its output.
    const inTime = await within(once(child, 'exit'), patience * 4);
    const ms = performance.now() - began;
    if (inTime === undefined) child.kill('SIGKILL');
    // What it said last may still have to be read.
    await within(once(child, 'close'), 100);
    child.stdout.destroy();
    child.stderr.destroy();
    return { code: inTime === undefined ? 'hangs' : (child.exitCode ?? 128), output, ms };
  }

  /** The next program, once it has answered; undefined when none does. */
  async nextAnswer(): Promise<Caller | undefined> {
    const caller = await within(
      this.#home.until(({ says }) => says.port !== undefined),
      patience,
    );
    if (caller === undefined) return undefined;
    const [response] = (await once(http.get({ port: Number(caller.says.port), agent: false }), 'response')) as [
      IncomingMessage,
    ];
    response.resume();
    return response.statusCode === 200 ? caller : undefined;
  }

  /** What programs that could not listen have told. */
  get errors(): readonly string[] {
    return this.#home.callers.flatMap(({ says }) => (says.error === undefined ? [] : String(says.error)));
  }

  /** Who runs now, without programs and what they have started. */
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

  /** Ends whatever is left of it, by number. */
  clear(): Promise<void> {
    this.#clearing ??= this.#end();
    return this.#clearing;
  }

  async #end(): Promise<void> {
    const deadline = performance.now() + patience;
    for (let left = this.#left(); left.length > 0; left = this.#left()) {
      if (performance.now() > deadline) throw new Error(`cannot be ended: ${left.map(describe).join(', ')}`);
      for (const pid of left) if (!this.#guardians.has(pid)) kill(pid);
      await sleep(pause);
    }
    await this.#home[Symbol.asyncDispose]();
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    Session.#all.delete(this);
  }

  /** Guardians have neither our mark nor our folder; they go by themselves when nobody is left to guard. */
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

/** A shell, which becomes the sweep that ends what was left. */
const isGuardian = (pid: number): boolean => /devwatch-guardian|\/sweep\.js /.test(commandLine(pid) ?? '');

/** Undefined when it takes longer. */
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
    // It is gone.
  }
}
