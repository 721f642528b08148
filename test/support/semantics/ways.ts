/**
 * Runs a program in three ways and returns the facts that it prints in each: plainly with `node`, under devwatch
 * without standby, and under devwatch from a standby. All three run the same file in the same folder: one save
 * restarts both devwatches.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import type { EventOf, EventType } from '../../../src/shared/events.ts';
import { within } from '../deadline.ts';
import { cli } from '../devwatch.ts';
import { isAlive } from '../facts.ts';
import { createProject, type Project } from '../project.ts';

export interface Run {
  /** The line of JSON that it printed. */
  readonly says: Readonly<Record<string, unknown>>;
  /** The other lines of stdout since the last run. */
  readonly printed: readonly string[];
  readonly stderr: readonly string[];
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Runs {
  readonly plain: Run;
  readonly cold: Run;
  readonly standby: Run;
  /** The time that the standby has waited at least, in ms. */
  readonly parked: number;
}

export interface WaysOptions {
  readonly node: string;
  /** The script that devwatch runs. */
  readonly script: string;
  /** Node's own flags. */
  readonly flags?: readonly string[];
  /** Node's flags that devwatch adds by itself. */
  readonly impliedFlags?: readonly string[];
  readonly args?: readonly string[];
  /** devwatch's own flags. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The variables of an environment file. */
  readonly fileEnv?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** The parent holds an IPC channel, and answers each message. */
  readonly ipc?: boolean;
  /** A folder's node_modules that the program may load from. */
  readonly modules?: string;
}

export interface RunOptions {
  /** Typed into stdin once the run has started. */
  readonly input?: string;
  /** The program stays until the next run. */
  readonly stays?: boolean;
}

export interface Ways extends AsyncDisposable {
  readonly project: Project;
  /** Makes this the script and runs it in all three ways. */
  run(text: string, options?: RunOptions): Promise<Runs>;
}

export const fixture = (name: string): string => fs.readFileSync(path.resolve('test/support/semantics', name), 'utf8');

/** All files that fixtures load. */
const common = ['common.cjs', 'works.cjs', 'child.cjs', 'worker.cjs'];

export function openProject({
  script,
  files = {},
  modules,
}: Pick<WaysOptions, 'script' | 'files' | 'modules'>): Project {
  const project = createProject({ 'data.json': '{"from": "a file"}', [script]: "console.log('{}');\n", ...files });
  for (const name of common) project.write(name, fixture(name));
  if (modules !== undefined) fs.symlinkSync(path.resolve(modules), project.at('node_modules'), 'junction');
  return project;
}

export async function openWays(options: WaysOptions): Promise<Ways> {
  const { script, fileEnv = {} } = options;
  const project = openProject(options);
  if (Object.keys(fileEnv).length > 0)
    project.write(
      '.env.semantics',
      Object.entries(fileEnv)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
  const cold = startWatched(options, project, ['--no-standby']);
  const standby = startWatched(options, project, []);
  await Promise.all([cold, standby].map((session) => session.begun('ended')));
  const plains: Plain[] = [];

  return {
    project,
    async run(text, { input, stays = false } = {}) {
      await standby.prepared();
      await plains.at(-1)?.end();
      const savedAt = performance.now();
      project.replace(script, text);
      const plain = new Plain(options, project);
      plains.push(plain);
      const [plainRun, coldRun, standbyRun] = await Promise.all([
        plain.run(input, stays),
        cold.next(false, input, stays),
        standby.next(true, input, stays),
      ]);
      return { plain: plainRun, cold: coldRun, standby: standbyRun, parked: savedAt - standby.preparedAt };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([cold.end(), standby.end(), plains.at(-1)?.end()]);
      await project[Symbol.asyncDispose]();
    },
  };
}

type Stated = { [Name in EventType]: { event: Name } & EventOf<Name> }[EventType];

/** Lines of a stream, handed out in their order. */
class Lines {
  readonly all: string[] = [];
  #taken = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: NodeJS.ReadableStream | null) {
    if (stream === null) throw new Error('the stream is not piped');
    readline
      .createInterface({ input: stream })
      .on('line', (line) => {
        this.all.push(line);
        this.#wake();
      })
      .on('close', () => {
        this.#ended = true;
        this.#wake();
      });
  }

  /** The next line for which this holds, and those before it. */
  next(matches: (line: string) => boolean): Promise<{ line: string; before: string[] }> {
    return within(`a line with ${matches}`, this.#next(matches), () => this.all.slice(-20));
  }

  async #next(matches: (line: string) => boolean): Promise<{ line: string; before: string[] }> {
    for (let at = this.#taken; ; at += 1) {
      while (at >= this.all.length) {
        if (this.#ended) throw new Error(`it ended after: ${this.all.slice(-5).join('\n')}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const line = this.all[at] ?? '';
      if (!matches(line)) continue;
      const before = this.all.slice(this.#taken, at);
      this.#taken = at + 1;
      return { line, before };
    }
  }
}

const isObject = (line: string): boolean => line.startsWith('{');
const isEvent = (line: string): boolean => line.startsWith('{"event":');
/** Warnings name the process. */
const withoutPid = (line: string): string => line.replace(/\(node:\d+\)/, '(node:PID)');

interface Place {
  readonly node: string;
  readonly project: Project;
  readonly env?: Readonly<Record<string, string>>;
  readonly ipc?: boolean;
}

function start(words: readonly string[], { node, project, env, ipc = false }: Place): ChildProcess {
  const child = spawn(node, words, {
    cwd: project.path,
    env: {
      ...process.env,
      // As after a `cd`.
      PWD: project.path,
      XDG_CACHE_HOME: project.at('.cache'),
      // The machine's own would be read in a thread, at any moment.
      NODE_EXTRA_CA_CERTS: undefined,
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
  });
  if (ipc) child.on('message', (message) => child.connected && child.send({ answer: message }));
  return child;
}

class Plain {
  readonly #child: ChildProcess;
  readonly #stdout: Lines;
  readonly #stderr: Lines;
  readonly #closed: Promise<unknown[]>;

  constructor(options: WaysOptions, project: Project) {
    const { flags = [], impliedFlags = [], script, args = [], env = {}, fileEnv = {}, ...rest } = options;
    const words = [...flags, ...impliedFlags, script, ...args];
    this.#child = start(words, { ...rest, project, env: { ...fileEnv, ...env } });
    this.#stdout = new Lines(this.#child.stdout);
    this.#stderr = new Lines(this.#child.stderr);
    this.#closed = once(this.#child, 'close');
  }

  async run(input: string | undefined, stays: boolean): Promise<Run> {
    if (input !== undefined) this.#child.stdin?.write(input);
    const { line, before } = await this.#stdout.next(isObject);
    if (!stays) await this.#closed;
    return {
      says: JSON.parse(line),
      printed: before,
      stderr: this.#stderr.all.map(withoutPid),
      code: this.#child.exitCode,
      signal: this.#child.signalCode,
    };
  }

  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}

function startWatched(options: WaysOptions, project: Project, further: readonly string[]): WatchedProgram {
  const { flags = [], script, args = [], fileEnv, options: own = [], ...rest } = options;
  const envFile = fileEnv === undefined ? [] : ['--env-file', '.env.semantics'];
  return new WatchedProgram([...further, ...own, ...envFile, ...flags, script, ...args], { ...rest, project });
}

/** A program under devwatch, run after run. */
export class WatchedProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #stdout: Lines;
  readonly #stderr: Lines;
  readonly events: Stated[] = [];
  readonly #announced = new Map<number, number>();
  readonly #started = new Set<number | undefined>();

  constructor(words: readonly string[], place: Place) {
    this.#child = start([cli, '--log-format', 'json', '--restart', 'never', ...words], place);
    this.#stdout = new Lines(this.#child.stdout);
    this.#stderr = new Lines(this.#child.stderr);
    this.#child.stdin?.on('error', () => {});
  }

  /** Reads on to the next event of one of these names. */
  async event(...names: EventType[]): Promise<{ event: Stated; before: string[] }> {
    const lines: string[] = [];
    for (;;) {
      const { line, before } = await this.#stderr.next(isEvent);
      lines.push(...before);
      const event = JSON.parse(line) as Stated;
      this.events.push(event);
      if (event.event === 'standby') this.#announced.set(event.pid, performance.now());
      if (event.event === 'start') this.#started.add(event.pid);
      if (names.includes(event.event)) return { event, before: lines.map(withoutPid) };
    }
  }

  /** Resolves when the project is watched, and the first run has printed its line or, if so asked, has ended. */
  async begun(how: 'stays' | 'ended'): Promise<void> {
    await this.#stdout.next(isObject);
    const awaited = new Set<EventType>(how === 'ended' ? ['watching', 'exit'] : ['watching']);
    while (awaited.size > 0) awaited.delete((await this.event(...awaited)).event.event);
  }

  /** Resolves when a standby is ready and has not been given up again. */
  async prepared(): Promise<void> {
    const waits = (): boolean => [...this.#announced.keys()].some((pid) => !this.#started.has(pid) && isAlive(pid));
    while (!waits()) await this.event('standby');
  }

  /** Awaits the next run; `fromStandby` is undefined where both are right. */
  async next(fromStandby: boolean | undefined, input: string | undefined, stays: boolean): Promise<Run> {
    // A standby may have written something before devwatch has told that it runs.
    const { event: begun, before: stderr } = await this.event('start');
    if (begun.event !== 'start' || (fromStandby ?? begun.standby) !== begun.standby)
      throw new Error(`started ${fromStandby ? 'without' : 'from'} a standby: ${this.#stderr.all.join('\n')}`);
    if (input !== undefined) this.#child.stdin?.write(input);
    let outcome: Pick<Run, 'code' | 'signal'> = { code: null, signal: null };
    if (!stays) {
      const { event: ended, before } = await this.event('exit', 'crash');
      if (ended.event === 'exit' || ended.event === 'crash') outcome = ended.outcome;
      stderr.push(...before);
    }
    const { line, before } = await this.#stdout.next(isObject);
    return {
      says: JSON.parse(line),
      printed: before,
      stderr,
      code: outcome.code,
      signal: outcome.signal,
    };
  }

  /** The program that was started last. */
  get program(): number | undefined {
    return [...this.#started].at(-1);
  }

  /** The time at which the standby that it runs in was ready. */
  get preparedAt(): number {
    return this.#announced.get(this.program ?? 0) ?? Number.NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await closed;
  }
}
