/**
 * Shows where the time of a launch goes: until the program is started, from there to its first line, and the CPU time
 * that the tool has used by then. Linux only. Launches are interleaved; the smallest value of many rounds is the one that
 * other processes disturb least.
 *
 *   npm run bench:launch -- [--rounds 20] [--against ../other-checkout]…
 *
 * On a busy machine a real-time priority makes the figures stable: `sudo chrt -r 10 npm run bench:launch`.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { markdownTable, median, repository, runAndCleanUp } from './support.ts';

/** In ms. */
interface Launch {
  readonly 'until the spawn': number;
  readonly 'from there to the first line': number;
  readonly 'in all': number;
  readonly 'CPU time of the tool': number;
}

interface Tool {
  readonly name: string;
  readonly words: readonly string[];
  readonly folder: string;
}

/** Prints when its process was started and when it runs, in epoch ms. */
const program = `const at = performance.timeOrigin + performance.now();
process.stdout.write(JSON.stringify([performance.timeOrigin, at]) + '\\n');
setInterval(() => {}, 2 ** 30);
`;
/** Launches whose figures do not count, with time to write caches. */
const warmUps = 2;
const warmUpMs = 1000;
/** The time that a tool lives after the first line, and that the machine rests after its end. */
const pauseMs = 100;

function open(name: string, words: readonly string[], temporary: string): Tool {
  const folder = path.join(temporary, String(fs.readdirSync(temporary).length));
  for (const inside of ['home', 'tmp', 'project']) fs.mkdirSync(path.join(folder, inside), { recursive: true });
  fs.writeFileSync(path.join(folder, 'project/server.js'), program);
  fs.writeFileSync(path.join(folder, 'project/package.json'), '{ "type": "commonjs" }\n');
  return { name, words, folder };
}

async function measure({ words, folder }: Tool, lifeMs: number): Promise<Launch> {
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: path.join(folder, 'home'), TMPDIR: path.join(folder, 'tmp') };
  const cwd = path.join(folder, 'project');
  const at = performance.timeOrigin + performance.now();
  const child = spawn(process.execPath, [...words, 'server.js'], { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(child.stdout, 'data');
  const cpu = cpuMsOf(child);
  const [startedAt = Number.NaN, ranAt = Number.NaN] = JSON.parse(String(line)) as number[];
  await sleep(lifeMs);
  const exit = once(child, 'exit');
  child.kill();
  await exit;
  return {
    'until the spawn': startedAt - at,
    'from there to the first line': ranAt - startedAt,
    'in all': ranAt - at,
    'CPU time of the tool': cpu,
  };
}

/** CPU time of all threads so far. */
function cpuMsOf({ pid }: ChildProcess): number {
  const tasks = `/proc/${pid}/task`;
  const times = fs.readdirSync(tasks).map((task) => fs.readFileSync(`${tasks}/${task}/schedstat`, 'latin1'));
  return times.reduce((sum, text) => sum + Number.parseInt(text, 10) / 1e6, 0);
}

async function main(temporary: string): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '20' },
      against: { type: 'string', multiple: true, default: [] },
    },
  });
  const tools = [
    open('least reloader', [path.join(repository, 'bench/least.cjs')], temporary),
    ...[repository, ...values.against].map((checkout) =>
      open(path.basename(path.resolve(checkout)), [path.resolve(checkout, 'dist/cli.cjs')], temporary),
    ),
  ];
  const all = new Map(tools.map((tool): [Tool, Launch[]] => [tool, []]));
  for (let round = -warmUps; round < Number(values.rounds); round += 1) {
    for (const [tool, launches] of all) {
      const launch = await measure(tool, round < 0 ? warmUpMs : pauseMs);
      await sleep(pauseMs);
      if (round >= 0) launches.push(launch);
    }
  }
  const keys = ['until the spawn', 'from there to the first line', 'in all', 'CPU time of the tool'] as const;
  const cell = (values: readonly number[]): string =>
    `${Math.min(...values).toFixed(1)} · ${median(values).toFixed(1)}`;
  const rows = [...all].map(([{ name }, launches]) => [
    name,
    ...keys.map((key) => cell(launches.map((launch) => launch[key]))),
  ]);
  console.log(markdownTable([['least · median, ms', ...keys], ...rows]));
}

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-launch-'));
await runAndCleanUp(
  () => main(temporary),
  async () => fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 }),
);
