/**
 * `npm run bench:saves [-- --bursts 5]`: shows whether standbys make a restart slower. Saves follow each other quickly or
 * slowly, during the preloading of packages, and on a busy machine; the time counts from the last save to the moment when
 * the new version listens. By turns: devwatch, devwatch --no-standby, and a cold start. Linux only.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { installIn, median, packagesIn, repository, runAndCleanUp } from './support.ts';

interface Scenario {
  readonly name: string;
  readonly saves: number;
  readonly gapMs: number;
  /** From the answer of one burst to the next one, in ms: packages are loaded within some seconds. */
  readonly pauseMs: number;
  readonly busyLoops: number;
}

const scenarios: readonly Scenario[] = [
  { name: 'a save every 300 ms', saves: 6, gapMs: 300, pauseMs: 1500, busyLoops: 0 },
  { name: 'a save every second', saves: 4, gapMs: 1000, pauseMs: 1500, busyLoops: 0 },
  { name: 'a save while packages are loaded', saves: 1, gapMs: 0, pauseMs: 1300, busyLoops: 0 },
  { name: 'a save after a pause', saves: 1, gapMs: 0, pauseMs: 6000, busyLoops: 0 },
  { name: 'a save every second, under two busy loops', saves: 4, gapMs: 1000, pauseMs: 3000, busyLoops: 2 },
];
const tools: Readonly<Record<string, readonly string[] | undefined>> = {
  devwatch: [],
  'devwatch --no-standby': ['--no-standby'],
  'cold start': undefined,
};
/** For one version, in ms. */
const timeoutMs = 60_000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-saves-'));
const code = fs.readFileSync(path.join(repository, 'bench/real/express-1800.cjs'), 'utf8');
const children = new Set<ChildProcess>();
let version = 0;

/** A tool, with a project of its own. */
class Runner {
  readonly times: number[] = [];
  readonly #flags: readonly string[] | undefined;
  readonly #script: string;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(name: string, flags: readonly string[] | undefined) {
    const own = path.join(folder, name.replaceAll(/\W+/g, '-'));
    fs.mkdirSync(own, { recursive: true });
    fs.symlinkSync(packagesIn('real'), path.join(own, 'node_modules'));
    this.#flags = flags;
    this.#script = path.join(own, 'server.cjs');
  }

  async start(): Promise<void> {
    this.#save();
    if (this.#flags === undefined) return;
    this.#spawn([path.join(repository, 'dist/cli.cjs'), ...this.#flags, this.#script]);
    await this.#listening();
    await sleep(8000);
  }

  /** Saves several times, and notes how long the last version takes. */
  async burst({ saves, gapMs }: Scenario): Promise<void> {
    for (let left = saves; left > 1 && this.#flags !== undefined; left -= 1) {
      this.#save();
      await sleep(gapMs);
    }
    this.#save();
    const savedAt = performance.timeOrigin + performance.now();
    if (this.#flags === undefined) this.#spawn([this.#script]);
    this.times.push((await this.#listening()) - savedAt);
    if (this.#flags === undefined) await this.end();
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill();
    await gone;
    children.delete(child);
    this.#child = undefined;
  }

  #save(): void {
    version += 1;
    fs.writeFileSync(this.#script, code.replace('const version = 0;', `const version = ${version};`));
  }

  #spawn(args: readonly string[]): void {
    const child = spawn(process.execPath, args, {
      cwd: path.dirname(this.#script),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    children.add(child);
    this.#child = child;
  }

  /** Resolves to the time at which the version that was saved last listens, in ms of the epoch. */
  async #listening(): Promise<number> {
    const wanted = new RegExp(`^bench ${version} ([\\d.]+)$`, 'm');
    const since = performance.now();
    for (;;) {
      const found = wanted.exec(this.#output)?.[1];
      if (found !== undefined) return Number(found);
      // A process that is not whole, or an old one, would never print it.
      if (performance.now() - since > timeoutMs) throw new Error(`version ${version} does not listen`);
      await sleep(5);
    }
  }
}

async function measure(scenario: Scenario, bursts: number): Promise<void> {
  const runners = Object.entries(tools).map(([name, flags]) => new Runner(`${name} ${scenario.name}`, flags));
  for (const one of runners) await one.start();
  const loops = Array.from({ length: scenario.busyLoops }, () => spawn(process.execPath, ['-e', 'for (;;);']));
  for (const loop of loops) children.add(loop);
  for (let round = 0; round < bursts; round += 1) {
    for (const one of runners) {
      await sleep(scenario.pauseMs);
      await one.burst(scenario);
    }
  }
  for (const loop of loops) loop.kill();
  for (const one of runners) await one.end();
  const [own, plain, cold] = runners.map(({ times }) => ({ median: median(times), worst: Math.max(...times) }));
  if (own === undefined || plain === undefined || cold === undefined) return;
  const ratio = (key: 'median' | 'worst'): string =>
    `${(own[key] / plain[key]).toFixed(2)} × --no-standby, ${(own[key] / cold[key]).toFixed(2)} × cold`;
  console.log(`${scenario.name}: median ${Math.round(own.median)} ms (${ratio('median')}),`);
  console.log(`  worst ${Math.round(own.worst)} ms (${ratio('worst')})`);
}

const { values } = parseArgs({ options: { bursts: { type: 'string', default: '5' } } });
await runAndCleanUp(
  async () => {
    installIn('real', ['express', 'mongoose']);
    for (const scenario of scenarios) await measure(scenario, Number(values.bursts));
  },
  async () => {
    for (const child of children) child.kill('SIGTERM');
    fs.rmSync(folder, { recursive: true, force: true });
  },
);
