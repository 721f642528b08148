/** Runs the commands for programs in the background, with a state folder, a project and a home for each test. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import type { BackgroundRecord } from '../../src/background/records.ts';
import type { Row } from '../../src/cli/list/rows.ts';
import { cli } from './devwatch.ts';
import { commandOf, isAlive, until } from './facts.ts';
import { dialHome, type Home, openHome } from './home.ts';
import { createProject, type Project } from './project.ts';

export interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A project and a state folder; all that runs in the background is stopped at the end. */
export class Session implements AsyncDisposable {
  readonly home: Home;
  readonly project: Project;
  readonly #state: Project;
  /** XDG_STATE_HOME. */
  stateHome: string;

  constructor(home: Home, project: Project) {
    this.home = home;
    this.project = project;
    this.#state = createProject({});
    this.stateHome = this.#state.path;
  }

  static async open(files: Readonly<Record<string, string>>): Promise<Session> {
    return new Session(await openHome(), createProject(files));
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, ...this.home.env, XDG_STATE_HOME: this.stateHome, XDG_RUNTIME_DIR: '' };
  }

  spawn(...words: readonly string[]): ChildProcess {
    return spawn(process.execPath, [cli, ...words], { cwd: this.project.path, env: this.env, stdio: 'pipe' });
  }

  run(...words: readonly string[]): Promise<Result> {
    return this.#result(this.spawn(...words));
  }

  /** Runs a command in another folder, with more variables. */
  runIn(cwd: string, variables: NodeJS.ProcessEnv, ...words: readonly string[]): Promise<Result> {
    const env = { ...this.env, ...variables };
    return this.#result(spawn(process.execPath, [cli, ...words], { cwd, env, stdio: 'pipe' }));
  }

  async #result(child: ChildProcess): Promise<Result> {
    child.stdin?.end();
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      err += chunk;
    });
    const [code] = await once(child, 'close');
    return { code, out, err };
  }

  /** Returns the programs of `list --json`. */
  async rows(): Promise<Row[]> {
    return JSON.parse((await this.run('list', '--json')).out).programs;
  }

  record(name: string): BackgroundRecord {
    return JSON.parse(fs.readFileSync(this.file(name, 'record.json'), 'utf8'));
  }

  file(name: string, file: string): string {
    return path.join(this.stateHome, 'devwatch', 'background', name, file);
  }

  /** Returns the log of a program as it is in the file: each line behind its time, its stream and a mark. */
  logOf(name: string): string {
    return fs.readFileSync(this.file(name, 'output.log'), 'utf8');
  }

  /** Stops all that runs in the background; faster than `devwatch stop all`. */
  async #endAll(): Promise<void> {
    const folder = path.join(this.stateHome, 'devwatch', 'background');
    const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    const pids = names
      .filter((name) => fs.existsSync(this.file(name, 'record.json')))
      .map((name) => this.record(name).pid)
      .filter((pid) => commandOf(pid).includes(cli));
    for (const pid of pids) process.kill(pid);
    await until('the end of all that runs in the background', () => !pids.some(isAlive));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endAll();
    await this.project[Symbol.asyncDispose]();
    await this.home[Symbol.asyncDispose]();
    await this.#state[Symbol.asyncDispose]();
  }
}

/** Returns a program that dials home and listens on the port that is its argument, by default on any. */
export const listens = (says: Readonly<Record<string, unknown>> = {}): string =>
  `${dialHome(says)}require('http').createServer((request, response) => response.end('fine')).listen(Number(process.argv[2] ?? 0), '127.0.0.1');console.log('listening');`;
