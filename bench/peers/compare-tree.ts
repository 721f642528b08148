/**
 * Counts the processes of a program's tree that survive a restart, and the end of the tool: devwatch and its peers with
 * each adversary of test/support/adversaries.ts. Linux only.
 *
 *   npm run compare:tree -- [--write] [--trials 3] [--jobs 4] [--tool <name>]… [--adversary <part of a name>]…
 *
 * Each tool runs the same launcher (launcher.cjs), which starts the adversary. Saving the launcher's file causes a
 * restart. The next launcher first records which processes of the old tree are alive; there is no tolerance. Then the
 * tool gets SIGTERM, and processes that live three seconds after its end have survived. DEVWATCH_CLI names another
 * devwatch than the one in dist.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { listPids, readProc } from '../../src/process/tree/proc.ts';
import { type Adversary, adversaries, commandFor, kill } from '../../test/support/adversaries.ts';
import { isAlive } from '../../test/support/facts.ts';
import { writeToBenchmarks } from '../support.ts';

/** Time from the adversary's readiness to the save: by then each tool watches. */
const leadMs = 1000;
/** A tool that has not restarted, or not ended, after this time hangs. */
const hangTimeoutMs = 10_000;
/** Survivors are counted this long after the end of the tool. */
const afterEndMs = 3000;
/** A hopper can be missed by one scan; it is gone when this many scans in a row find no process. */
const quietScans = 6;
const pause = 20;

const repository = path.resolve(import.meta.dirname, '../..');
const peers = path.join(repository, 'bench/peers');

interface Tool {
  readonly name: string;
  /** Returns undefined if the tool is not installed. */
  version(): string | undefined;
  /** Runs launcher.js in its working folder. */
  readonly start: readonly string[];
  /** Text for stdin, which otherwise stays open and empty. */
  readonly input?: string;
  /** Commands that end a tool which runs in the background. */
  readonly end?: readonly (readonly string[])[];
}

const node = process.execPath;
const peer = (file: string): string => path.join(peers, 'node_modules', file);
const peerVersion = (name: string): string | undefined =>
  readJson<{ version: string }>(peer(`${name}/package.json`))?.version;
const pm2 = [node, peer('pm2/bin/pm2')];

const tools: readonly Tool[] = [
  {
    name: 'devwatch',
    version: () => readJson<{ version: string }>(path.join(repository, 'package.json'))?.version,
    start: [node, process.env.DEVWATCH_CLI ?? path.join(repository, 'dist/cli.cjs'), 'launcher.js'],
  },
  {
    name: 'nodemon',
    version: () => peerVersion('nodemon'),
    start: [node, peer('nodemon/bin/nodemon.js'), 'launcher.js'],
  },
  { name: 'node --watch', version: () => process.versions.node, start: [node, '--watch', 'launcher.js'] },
  {
    name: 'tsx watch',
    version: () => peerVersion('tsx'),
    start: [node, peer('tsx/dist/cli.mjs'), 'watch', 'launcher.js'],
  },
  {
    name: 'entr -r',
    version: () => /release: (\S+)/.exec(spawnSync('entr', { encoding: 'utf8' }).stderr ?? '')?.[1],
    start: ['entr', '-n', '-r', node, 'launcher.js'],
    input: 'launcher.js\n',
  },
  {
    name: 'pm2',
    version: () => peerVersion('pm2'),
    start: [...pm2, 'start', 'launcher.js', '--watch'],
    end: [
      [...pm2, 'delete', 'all'],
      [...pm2, 'kill'],
    ],
  },
];

/** The number of surviving processes, or the failure of the tool. */
type Count = number | 'hangs';

interface Result {
  readonly restart: Count;
  readonly end: Count;
  /** Descriptions of the survivors, and the like. */
  readonly notes: readonly string[];
}

interface Census {
  readonly generation: number;
  /** Size of the register in bytes. */
  readonly length: number;
  readonly alive: readonly string[];
}

interface Generation {
  readonly number: number;
  readonly folder: string;
  /** The pid of the launcher. */
  readonly root: number;
  readonly register: string;
}

/** Runs one tool with one adversary once. */
class Trial {
  static readonly running = new Set<Trial>();

  readonly #tool: Tool;
  readonly #adversary: Adversary;
  readonly #folder: string;
  readonly #mark = randomUUID();
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  constructor(tool: Tool, adversary: Adversary) {
    this.#tool = tool;
    this.#adversary = adversary;
    this.#folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'compare-tree-')));
    for (const name of ['project', 'state', 'home']) fs.mkdirSync(path.join(this.#folder, name));
    fs.copyFileSync(path.join(peers, 'launcher.cjs'), this.#launcher);
    fs.writeFileSync(path.join(this.#folder, 'project/package.json'), '{"type": "commonjs"}\n');
    const { file, args } = commandFor(adversary, 'GENERATION/register');
    fs.writeFileSync(path.join(this.#folder, 'state/command'), JSON.stringify([file, ...args]));
    const home = path.join(this.#folder, 'home');
    // Without the variables of npm and tsx that this script itself was started with.
    this.#env = {
      PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}`,
      HOME: home,
      XDG_STATE_HOME: home,
      PM2_HOME: path.join(home, 'pm2'),
      PM2_DISABLE_VERSION_CHECK: 'true',
      npm_config_update_notifier: 'false',
      COMPARE_TREE: this.#mark,
    };
    Trial.running.add(this);
  }

  get #launcher(): string {
    return path.join(this.#folder, 'project/launcher.js');
  }

  async run(): Promise<Result> {
    const notes: string[] = [];
    await this.#start();
    const first = await this.#generationAfter(0);
    if (first === undefined || !(await this.#isReady())) throw new Error(`the adversary does not start\n${this.log()}`);
    await sleep(leadMs);

    const old = this.#generations().length;
    // A single write causes a single event.
    fs.appendFileSync(this.#launcher, '// saved\n');
    const next = await this.#generationAfter(old);
    if (next !== undefined && !(await this.#isReady())) notes.push('the new adversary did not get ready');

    const ended = await this.#end();
    // Processes of the old tree are not counted twice, unless there was no new tree.
    const left = await this.#survivors(next === undefined ? 0 : old);
    notes.push(...left.map((process) => `after the end: ${process}`));
    const restart = next === undefined ? 'hangs' : this.#countAt(next, old, notes);
    return { restart, end: ended ? left.length : 'hangs', notes };
  }

  /** Kills all remaining processes, by pid. */
  async clear(): Promise<void> {
    this.kill();
    for (let turn = 0; this.#all().length > 0; turn += 1) {
      if (turn > 100) throw new Error(`cannot be ended: ${this.#all().map(describe).join(', ')}`);
      this.kill();
      await sleep(pause);
    }
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    Trial.running.delete(this);
  }

  /** Kills the remaining processes once: the tool first, so that it starts no further ones. */
  kill(): void {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    for (const { folder } of this.#generations()) fs.rmSync(path.join(folder, 'on'), { force: true });
    for (const pid of this.#all()) kill(pid, 'SIGKILL');
  }

  /** Like `clear`, but does not wait. */
  abandon(): void {
    for (let round = 0; round < 3; round += 1) this.kill();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The output of the tool. */
  log(): string {
    return readText(path.join(this.#folder, 'log'));
  }

  async #start(): Promise<void> {
    this.#child = this.#spawn(this.#tool.start, this.#tool.input);
    if (this.#tool.end !== undefined) await once(this.#child, 'exit');
  }

  /** Resolves to false if the tool does not end. */
  async #end(): Promise<boolean> {
    if (this.#tool.end === undefined) {
      this.#child?.kill('SIGTERM');
      return hasEnded(this.#child);
    }
    const daemon = Number(readText(path.join(this.#folder, 'home/pm2/pm2.pid')));
    for (const command of this.#tool.end) {
      if (!(await hasEnded(this.#spawn(command)))) return false;
    }
    return until(() => !isAlive(daemon), hangTimeoutMs);
  }

  #spawn([file = '', ...args]: readonly string[], input?: string): ChildProcess {
    const log = fs.openSync(path.join(this.#folder, 'log'), 'a');
    const child = spawn(file, args, {
      cwd: path.join(this.#folder, 'project'),
      env: this.#env,
      stdio: ['pipe', log, log],
      // A session of its own: a tool that signals its process group must not reach this script.
      detached: true,
    });
    fs.closeSync(log);
    child.stdin?.on('error', () => {});
    if (input !== undefined) child.stdin?.end(input);
    return child;
  }

  /** Resolves to the number of the next generation, once it has started. */
  async #generationAfter(old: number): Promise<number | undefined> {
    const started = await until(() => this.#census(old + 1) !== undefined, hangTimeoutMs);
    return started ? old + 1 : undefined;
  }

  /** Resolves to whether the adversary of the last generation got ready. */
  #isReady(): Promise<boolean> {
    return until(() => {
      const last = this.#generations().at(-1);
      return last !== undefined && last.register.split('\n').length > this.#adversary.ready;
    }, hangTimeoutMs);
  }

  /** A process that registered after the new generation's first line was alive at that line, or its parent was. */
  #countAt(next: number, old: number, notes: string[]): number {
    const earlier = (this.#census(next) ?? []).filter(({ generation }) => generation <= old);
    const alive = earlier.flatMap((census) => census.alive);
    notes.push(...alive.map((process) => `at the restart: ${process}`));
    const late = this.#generations().some(
      ({ number, register }) =>
        register.length > (earlier.find(({ generation }) => generation === number)?.length ?? register.length),
    );
    if (late) notes.push('at the restart: a process that registered later');
    return Math.max(alive.length, late ? 1 : 0);
  }

  /** Resolves to the processes of later generations that are alive after the time for ending is over. */
  async #survivors(old: number): Promise<readonly string[]> {
    const looks: { alive: number[]; registered: number }[] = [];
    const deadline = performance.now() + afterEndMs;
    for (;;) {
      const generations = this.#generations().filter(({ number }) => number > old);
      const folders = generations.map(({ folder }) => folder);
      const roots = generations.map(({ root }) => root);
      looks.push({
        alive: this.#all().filter((pid) => folders.includes(workingFolder(pid)) || roots.includes(pid)),
        registered: generations.reduce((sum, { register }) => sum + register.length, 0),
      });
      const last = looks.slice(-quietScans);
      const grows = last.some(({ registered }) => registered !== last[0]?.registered);
      const largest = last.map(({ alive }) => alive).reduce((one, other) => (other.length > one.length ? other : one));
      const isQuiet = last.length === quietScans && !grows && largest.length === 0;
      if (isQuiet || performance.now() > deadline) {
        return largest.length === 0 && grows ? ['a process that still registers'] : largest.map(describe);
      }
      await sleep(pause);
    }
  }

  #census(generation: number): readonly Census[] | undefined {
    return readJson<readonly Census[]>(path.join(this.#folder, 'state', `generation-${generation}`, 'census'));
  }

  #generations(): Generation[] {
    const found: Generation[] = [];
    for (let number = 1; ; number += 1) {
      const folder = path.join(this.#folder, 'state', `generation-${number}`);
      if (!fs.existsSync(folder)) return found;
      const root = Number(readText(path.join(folder, 'root')));
      found.push({ number, folder, root, register: readText(path.join(folder, 'register')) });
    }
  }

  /** Returns all processes of the trial, by working folder or mark: a pid may have been reused. */
  #all(): number[] {
    return listPids().filter(
      (pid) =>
        workingFolder(pid).startsWith(`${this.#folder}/`) ||
        readProc(`/proc/${pid}/environ`)?.includes(`COMPARE_TREE=${this.#mark}`),
    );
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

async function hasEnded(child: ChildProcess | undefined): Promise<boolean> {
  return until(() => child === undefined || child.exitCode !== null || child.signalCode !== null, hangTimeoutMs);
}

async function until(holds: () => boolean, limit: number): Promise<boolean> {
  for (const deadline = performance.now() + limit; !holds(); await sleep(pause)) {
    if (performance.now() > deadline) return false;
  }
  return true;
}

function describe(pid: number): string {
  return `${pid} ${(readProc(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim().slice(0, 80)}`;
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function readJson<Content>(file: string): Content | undefined {
  const text = readText(file);
  return text === '' ? undefined : (JSON.parse(text) as Content);
}

const worst = (counts: readonly Count[]): Count =>
  counts.includes('hangs') ? 'hangs' : Math.max(...counts.map(Number));

function install(): void {
  if (fs.existsSync(peer('.package-lock.json'))) return;
  console.error('installing the peers …');
  const { status } = spawnSync('npm', ['ci', '--prefix', peers, '--ignore-scripts', '--loglevel', 'error'], {
    stdio: ['ignore', 2, 2],
    cwd: peers,
  });
  if (status !== 0) throw new Error('the peers cannot be installed');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      write: { type: 'boolean', default: false },
      trials: { type: 'string', default: '3' },
      jobs: { type: 'string', default: '4' },
      tool: { type: 'string', multiple: true, default: [] },
      adversary: { type: 'string', multiple: true, default: [] },
    },
  });
  if (process.platform !== 'linux') throw new Error('compare:tree runs on Linux only, because it reads /proc');
  if (values.write && values.tool.length + values.adversary.length > 0) throw new Error('--write needs a complete run');
  process.chdir(repository);
  install();

  const chosenTools = tools.filter(({ name }) => values.tool.length === 0 || values.tool.includes(name));
  const chosen = adversaries.filter(
    ({ name }) => values.adversary.length === 0 || values.adversary.some((part) => name.includes(part)),
  );
  const here = chosenTools.filter((tool) => tool.version() !== undefined);
  for (const { name } of chosenTools.filter((tool) => !here.includes(tool))) {
    console.error(`${name} is not installed${name.startsWith('entr') ? ': apt-get install entr' : ''}`);
  }

  const sentinel = spawn('/bin/sleep', ['86400'], { stdio: 'ignore', detached: true });
  process.once('exit', () => sentinel.kill('SIGKILL'));
  const results = new Map<Adversary, Map<Tool, Result[]>>(
    chosen.map((adversary) => [adversary, new Map(here.map((tool) => [tool, []]))]),
  );
  const queue = Array.from({ length: Number(values.trials) }, () =>
    chosen.flatMap((adversary) => here.map((tool) => ({ adversary, tool }))),
  ).flat();
  const total = queue.length;
  let done = 0;

  async function work(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { adversary, tool } = next;
      const trial = new Trial(tool, adversary);
      try {
        const result = await trial.run();
        results.get(adversary)?.get(tool)?.push(result);
        done += 1;
        console.error(`${done}/${total} ${tool.name} · ${adversary.name}: ${cell([result])}`);
        const isClean = result.restart === 0 && result.end === 0;
        if (tool.name === 'devwatch' && !isClean) console.error([...result.notes, trial.log()].join('\n'));
      } catch (error) {
        queue.length = 0; // Other jobs finish their current trial.
        throw new Error(`${tool.name} · ${adversary.name}`, { cause: error });
      } finally {
        await trial.clear();
      }
      if (!isAlive(sentinel.pid ?? 0)) throw new Error(`${tool.name} · ${adversary.name}: the sentinel is dead`);
    }
  }

  const outcomes = await Promise.allSettled(Array.from({ length: Number(values.jobs) }, work));
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  sentinel.kill('SIGKILL');

  const rows = chosen.map((adversary) => [
    adversary.name,
    ...chosenTools.map((tool) => cell(results.get(adversary)?.get(tool) ?? [])),
  ]);
  const versions = here.map((tool) => `${tool.name.split(' ')[0]} ${tool.version()}`);
  const table = [['', ...chosenTools.map(({ name }) => name)], ['---', ...chosenTools.map(() => '---')], ...rows].map(
    (cells) => `| ${cells.join(' | ')} |`,
  );
  const text = [...table, '', `${versions.join(', ')}; Linux; the largest of ${values.trials} trials.`].join('\n');
  console.log(text);
  if (values.write) writeToBenchmarks('tree', text);

  const own = chosen.flatMap((adversary) => results.get(adversary)?.get(tools[0] as Tool) ?? []);
  return own.every(({ restart, end }) => restart === 0 && end === 0) ? 0 : 1;
}

function cell(trials: readonly Result[]): string {
  if (trials.length === 0) return 'not here';
  return `${worst(trials.map(({ restart }) => restart))} / ${worst(trials.map(({ end }) => end))}`;
}

for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(name, () => {
    for (const trial of Trial.running) trial.abandon();
    process.exit(code);
  });
}

process.exitCode = await main();
