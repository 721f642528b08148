/**
 * Compares programs in the background: the cost of starting, keeping and restarting them, and their fate when the
 * tool that keeps them is killed. devwatch, pm2 and forever; Linux only.
 *
 *   npm run compare:background -- [--write] [--trials 7] [--tool <name>]… [--part times|memory|survival]…
 *
 * Each tool has a home folder of its own and runs the same server (background-server.cjs), which dials home when it
 * listens. Trials are interleaved, so that a change in the machine's speed affects all tools alike. DEVWATCH_CLI names
 * another devwatch than the one in dist.
 */

import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isAlive, parentOf } from '../../test/support/facts.ts';
import { freePort } from '../../test/support/ports.ts';
import { settle } from '../restart-cost.ts';
import {
  installPeers,
  markdownTable,
  median,
  proportionalSize,
  repository,
  runAndCleanUp,
  writeToBenchmarks,
} from '../support.ts';
import { type Census, type Outcome, Session, within } from './background-session.ts';
import { type BackgroundTool, tools } from './background-tools.ts';

/** A program runs for this time before it is killed: forever gives up programs that live for less than a second. */
const uptimeMs = 3000;
/** Survivors are counted this long after the manager was killed. */
const afterKillMs = 3000;
/** After this time without a new program no further one will start. */
const calmMs = 3000;
/** Numbers of programs for which memory is measured: with each tool, and with devwatch alone. */
const [one, several, many] = [1, 10, 20];
const atOnce = 50;

const parts = ['times', 'memory', 'survival'] as const;

interface Times {
  readonly returns: number;
  readonly answers: number;
  readonly crash: number;
}

async function measureTimes(tool: BackgroundTool): Promise<Times> {
  const session = await Session.open(tool);
  try {
    const began = performance.now();
    const returning = session.run(tool.start('app'));
    const program = await session.nextAnswer();
    const answers = performance.now() - began;
    const outcome = await returning;
    if (program === undefined || outcome.code !== 0) throw new Error(`${tool.name} does not start\n${outcome.output}`);
    await sleep(uptimeMs);
    const killed = performance.now();
    process.kill(program.pid, 'SIGKILL');
    const next = await session.nextAnswer();
    return { returns: outcome.ms, answers, crash: next === undefined ? Infinity : performance.now() - killed };
  } finally {
    await session.clear();
  }
}

/** PSS in bytes of all processes of a kind. */
type Memory = Readonly<Record<keyof Census, number>>;

/** Measures all processes that the tool keeps, for each of these numbers of programs. */
async function measureMemory(tool: BackgroundTool, counts: readonly number[]): Promise<Memory[]> {
  const session = await Session.open(tool);
  try {
    const memory: Memory[] = [];
    for (const count of counts) {
      while (session.programs.length < count) await startAnother(session);
      const { managers, guardians, standbys } = session.census();
      await settle([...managers, ...guardians, ...standbys]);
      memory.push(memoryOf(session.census(), tool, count));
    }
    return memory;
  } finally {
    await session.clear();
  }
}

async function startAnother(session: Session): Promise<void> {
  const returning = session.run(session.tool.start(`app-${session.programs.length}`));
  const program = await session.nextAnswer();
  const { output } = await returning;
  if (program === undefined) throw new Error(`${session.tool.name} does not start\n${output}`);
}

function memoryOf(census: Census, tool: BackgroundTool, count: number): Memory {
  const expected = tool.prepares === true ? count : 0;
  if (census.standbys.length !== expected)
    throw new Error(`${tool.name} has ${census.standbys.length} standby processes, not ${expected}`);
  const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + proportionalSize(pid), 0);
  return { managers: sum(census.managers), guardians: sum(census.guardians), standbys: sum(census.standbys) };
}

/** The state after a SIGKILL of the process that keeps a program. */
interface Aftermath {
  /** Number of the program's two processes that have survived. */
  readonly alive: number;
  readonly list: string;
  readonly start: string;
}

async function killManager(tool: BackgroundTool): Promise<Aftermath> {
  const session = await Session.open(tool);
  try {
    const port = await freePort();
    const returning = session.run(tool.start('app'), port);
    const program = await session.nextAnswer();
    await returning;
    if (program === undefined) throw new Error(`${tool.name} does not start`);
    await sleep(uptimeMs);
    process.kill(parentOf(program.pid), 'SIGKILL');
    await sleep(afterKillMs);
    const alive = [program.pid, Number(program.says.child)].filter(isAlive).length;
    const listed = await session.run(tool.list, port);
    const list = listed.code === 'hangs' ? 'hangs' : (tool.read(listed.output, 'app') ?? 'nothing');
    const outcome = await session.run(tool.start('app'), port);
    return { alive, list, start: await describeStart(session, outcome, program.pid) };
  } finally {
    await session.clear();
  }
}

async function describeStart(session: Session, { code, output }: Outcome, old: number): Promise<string> {
  const works = (): boolean => session.programs.some(({ pid }) => pid !== old);
  if (!works() && session.errors.length === 0) await within(session.nextAnswer(), calmMs);
  if (works()) return code === 0 ? 'works' : 'works, but exits with an error';
  const reason = session.errors.includes('EADDRINUSE') ? 'port in use' : output.trim().split('\n').at(-1);
  return code === 0 ? `exits with 0, but ${reason}` : `fails: ${reason}`;
}

interface Crowd {
  readonly programs: number;
  /** Number of commands that failed because the name is taken. */
  readonly refused: number;
  /** Number of commands that failed for another reason, or took more than a minute. */
  readonly failed: number;
}

async function startAtOnce(tool: BackgroundTool): Promise<Crowd> {
  const session = await Session.open(tool);
  try {
    const outcomes = await Promise.all(Array.from({ length: atOnce }, () => session.run(tool.start('app'))));
    for (let before = -1; before !== session.programs.length; await sleep(calmMs)) before = session.programs.length;
    const errors = outcomes.filter(({ code }) => code !== 0);
    const failed = errors.filter(({ code, output }) => code === 'hangs' || !tool.taken.test(output));
    for (const { code, output } of failed.slice(0, 1)) console.error(`${tool.name}, code ${code}: ${output}`);
    return { programs: session.programs.length, refused: errors.length - failed.length, failed: failed.length };
  } finally {
    await session.clear();
  }
}

/** Returns the common result of all trials of a tool, or all their results. */
const distinct = (texts: readonly (string | number)[]): string => [...new Set(texts.map(String))].join(', or ');

const milliseconds = (values: readonly number[]): string => {
  const value = median(values);
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : 'never';
};

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);

async function timesTable(chosen: readonly BackgroundTool[], trials: number): Promise<string> {
  const results = new Map<BackgroundTool, Times[]>(chosen.map((tool) => [tool, []]));
  for (let trial = 1; trial <= trials; trial += 1) {
    for (const [tool, times] of results) {
      const result = await measureTimes(tool);
      times.push(result);
      console.error(`${trial}/${trials} ${tool.name}: ${JSON.stringify(result)}`);
    }
  }
  const rows = [...results].map(([tool, times]) => [
    tool.name,
    milliseconds(times.map(({ returns }) => returns)),
    milliseconds(times.map(({ answers }) => answers)),
    milliseconds(times.map(({ crash }) => crash)),
  ]);
  const head = ['ms', 'until `start` returns', 'until the server answers', 'after a crash, until it answers again'];
  return [
    markdownTable([head, ...rows]),
    '',
    'From the launch of the command, and from SIGKILL of the program; devwatch then pauses for 250 ms, by default, the others do not. pm2: while its daemon runs.',
  ].join('\n');
}

async function memoryTables(chosen: readonly BackgroundTool[]): Promise<string> {
  const rows: string[][] = [];
  for (const tool of chosen.filter((candidate) => candidate !== tools.coldPm2)) {
    const counts = [one, several];
    const measured = await measureMemory(tool, counts);
    console.error(`${tool.name}: ${JSON.stringify(measured)}`);
    const cell = ({ managers, guardians, standbys }: Memory): string =>
      standbys === 0 ? megabytes(managers + guardians) : `${megabytes(managers + guardians)} + ${megabytes(standbys)}`;
    rows.push([tool.name, ...measured.map(cell)]);
  }
  const text = [
    markdownTable([['memory, MB', `for ${one} program`, `for ${several} programs`], ...rows]),
    '',
    'All processes that the tool keeps running (PSS), without the programs, while nothing happens; + for standby processes.',
  ];
  if (!chosen.includes(tools.devwatch)) return text.join('\n');
  const [memory = { managers: 0, guardians: 0, standbys: 0 }] = await measureMemory(tools.devwatch, [many]);
  const kinds = [memory.managers, memory.guardians, memory.standbys];
  const sums = [...kinds, kinds.reduce((sum, bytes) => sum + bytes)];
  text.push(
    '',
    markdownTable([
      [`devwatch, ${many} programs, MB`, 'devwatch', 'its guardian', 'standby process', 'together'],
      ['per program', ...sums.map((bytes) => megabytes(bytes / many))],
      ['total', ...sums.map(megabytes)],
    ]),
  );
  return text.join('\n');
}

async function survivalTable(chosen: readonly BackgroundTool[], trials: number): Promise<string> {
  const rows: string[][] = [];
  for (const tool of chosen.filter((candidate) => candidate !== tools.noStandby)) {
    const crowd = await startAtOnce(tool);
    console.error(`${tool.name}: ${JSON.stringify(crowd)}`);
    const aftermaths: Aftermath[] = [];
    // The same daemon keeps the program from a cold start on.
    for (let trial = 0; trial < trials && tool !== tools.coldPm2; trial += 1) aftermaths.push(await killManager(tool));
    console.error(`${tool.name}: ${JSON.stringify(aftermaths)}`);
    const cells = (['alive', 'list', 'start'] as const).map(
      (key) => distinct(aftermaths.map((one) => one[key])) || '–',
    );
    rows.push([tool.name, ...cells, `${crowd.programs} / ${crowd.refused} / ${crowd.failed}`]);
  }
  const head = ['', 'alive after 3 s', 'its list shows', 'a new start', `${atOnce} starts of one name at once`];
  return [
    markdownTable([head, ...rows]),
    '',
    "After SIGKILL of the process that keeps a server with one child process: the number of these two that are alive, and the result of the tool's next commands. " +
      `${atOnce} starts at once: programs that run afterwards / commands that failed because the name is taken / that failed otherwise, or had not ended after a minute.`,
  ].join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      write: { type: 'boolean', default: false },
      trials: { type: 'string', default: '7' },
      tool: { type: 'string', multiple: true, default: [] },
      part: { type: 'string', multiple: true, default: [] },
    },
  });
  if (process.platform !== 'linux') throw new Error('compare:background runs on Linux only, because it reads /proc');
  if (values.write && values.tool.length + values.part.length > 0) throw new Error('--write needs a complete run');
  process.chdir(repository);
  installPeers(['pm2', 'forever']);

  const all: readonly BackgroundTool[] = Object.values(tools);
  const chosen = all.filter(({ name }) => values.tool.length === 0 || values.tool.includes(name));
  const wants = (part: (typeof parts)[number]): boolean => values.part.length === 0 || values.part.includes(part);
  const trials = Number(values.trials);
  const texts: string[] = [];
  if (wants('times')) texts.push(await timesTable(chosen, trials));
  if (wants('memory')) texts.push(await memoryTables(chosen));
  if (wants('survival')) texts.push(await survivalTable(chosen, Math.min(3, trials)));
  const versions = [tools.devwatch, tools.pm2, tools.forever].map(({ name, version }) => `${name} ${version()}`);
  const facts = `${versions.join(', ')}, Node ${process.versions.node}; Linux, ${os.availableParallelism()} cores; medians of ${trials} trials, memory once.`;
  const text = [...texts, facts].join('\n\n');
  console.log(text);
  if (values.write) writeToBenchmarks('background', text);
}

await runAndCleanUp(main, () => Session.clearAll());
