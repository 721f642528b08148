/**
 * Do clients notice that a server is restarted? What becomes of requests while an express and a
 * fastify server are saved again and again, under devwatch and its peers. Linux only.
 *
 *   npm run bench:hold -- [--restarts 100] [--server express|fastify]… [--tool devwatch|…]…
 *                         [--answer-after 5] [--write]
 *
 * Two clients, in one process of their own: one makes a new connection for every request, the other
 * keeps many connections alive and asks for the next answer as soon as it has one. The next save comes
 * 50 to 150 ms after a client was first answered by the version before. The tools take turns, so that
 * each has the whole machine, and its clients are new.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Failure, Load, Notice, Report, Tally } from './hold-client.ts';
import { drawBars } from './plot.ts';
import { Running } from './restart-running.ts';
import { type Tool, tools, useBuilds, type Workload } from './restart-tools.ts';
import { installPeers, markdownTable, repository, runAndClear, versionOf, writeToReadme } from './support.ts';

const load: Omit<Load, 'port'> = { newEvery: 5, kept: 50, retryAfter: 50 };
/** Between a restart and the next save, in ms. */
const pause = { least: 50, most: 150 };
/** A version that no client has seen after so long is saved again, in ms. */
const patience = 10_000;
/** Failures of devwatch that are told one by one. */
const told = 20;

const serverOf = (name: string): Workload => ({
  id: name,
  name,
  template: `${name}.cjs`,
  file: 'server.js',
  type: 'commonjs',
  nodeArgs: [],
  needsPackages: false,
});
const servers: readonly Workload[] = [serverOf('express'), serverOf('fastify')];

const { devwatch, before, noHold, nodemon, nodeWatch } = tools;
const compared: readonly Tool[] = [devwatch, before, noHold, nodemon, nodeWatch];

interface Result {
  readonly restarts: number;
  readonly report: Report;
}

let clients: ChildProcess | undefined;
let serial = 0;

/**
 * A free port below those that the system gives to clients: one that asks again and again while nobody
 * listens may be given the very port that it asks, and be connected to itself.
 */
async function findPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = net.createServer().listen(port);
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** The process of the clients, from here. */
class Clients {
  readonly #child: ChildProcess;
  readonly #report: Promise<Report>;
  #newest = 0;
  #look: (() => void) | undefined;

  constructor(port: number) {
    const child = fork(path.join(import.meta.dirname, 'hold-client.ts'), [
      JSON.stringify({ ...load, port } satisfies Load),
    ]);
    this.#child = child;
    clients = child;
    this.#report = new Promise((resolve, reject) => {
      child.on('message', (notice: Notice) => {
        if ('report' in notice) resolve(notice.report);
        else this.#newest = notice.seen;
        this.#look?.();
      });
      child.once('exit', () => reject(new Error('the clients have ended')));
    });
    this.#report.catch(() => {});
  }

  /** Resolves to when one of them was answered by this version or a later one; undefined when none was. */
  async seen(version: number): Promise<number | undefined> {
    const came = new Promise<true>((resolve) => {
      this.#look = () => {
        if (this.#newest >= version) resolve(true);
      };
      this.#look();
    });
    const late = new AbortController();
    const inTime = await Promise.race([
      came,
      this.#report.then(() => true),
      sleep(patience, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    return inTime ? performance.timeOrigin + performance.now() : undefined;
  }

  async end(): Promise<Report> {
    const exited = once(this.#child, 'exit');
    this.#child.send('end');
    const report = await this.#report;
    await exited;
    clients = undefined;
    return report;
  }
}

async function measure(tool: Tool, server: Workload, what: Options): Promise<Result> {
  serial += 1;
  const running = new Running(tool, server, { folder: path.join(what.folder, String(serial)) });
  const port = await findPort();
  fs.writeFileSync(
    path.join(running.project, 'setup.json'),
    `${JSON.stringify({ port, answerAfter: what.answerAfter })}\n`,
  );
  fs.symlinkSync(path.join(repository, 'node_modules'), path.join(running.project, 'node_modules'));
  await running.launch();
  await running.settle();

  const clients = new Clients(port);
  if ((await clients.seen(1)) === undefined) throw new Error(`${tool.name} serves nothing`);
  const saves: { readonly at: number; readonly seen: number }[] = [];
  let missed = 0;
  while (saves.length < what.restarts) {
    await sleep(pause.least + Math.random() * (pause.most - pause.least));
    const { version, at } = running.save();
    const seen = await clients.seen(version);
    if (seen !== undefined) saves.push({ at, seen });
    else if (++missed > 5) throw new Error(`${tool.name} misses too many saves`);
  }
  await sleep(pause.most);
  const report = await clients.end();
  await running.stop();
  if (missed > 0) console.error(`${tool.name} has missed ${missed} saves of ${server.name}`);
  const times = saves.map(({ at, seen }) => seen - at).sort((one, other) => one - other);
  console.error(
    `${server.name}, ${tool.name}: from a save to the first answer ${times[times.length >> 1]?.toFixed(0)} ms`,
  );
  if (tool === devwatch) explain(server, report, saves);
  return { restarts: saves.length, report };
}

/** What has become of requests that devwatch was to keep. */
function explain(server: Workload, { fresh, kept }: Report, saves: readonly { at: number; seen: number }[]): void {
  const all: [string, Failure][] = [
    ...[...fresh.refused, ...fresh.reset].map((one): [string, Failure] => ['new connection', one]),
    ...[...kept.refused, ...kept.reset].map((one): [string, Failure] => ['kept alive', one]),
  ];
  for (const [client, { code, began, ended, stage, reused }] of all.slice(0, told)) {
    const index = saves.findLastIndex(({ at }) => at <= ended);
    const { at = Number.NaN, seen = Number.NaN } = saves[index] ?? {};
    console.error(
      `${server.name}, ${client}: ${code} while ${stage}${reused ? ' on a connection used before' : ''}; save ${index + 1}: ` +
        `asked at ${(began - at).toFixed(1)} ms, failed at ${(ended - at).toFixed(1)} ms, next version at ${(seen - at).toFixed(1)} ms`,
    );
  }
  if (all.length > told) console.error(`… and ${all.length - told} further ones`);
}

interface Options {
  readonly folder: string;
  readonly restarts: number;
  readonly answerAfter: number;
}

async function main(folder: string): Promise<void> {
  const { values } = parseArgs({
    options: {
      restarts: { type: 'string', default: '100' },
      server: { type: 'string', multiple: true, default: [] },
      tool: { type: 'string', multiple: true, default: [] },
      'answer-after': { type: 'string', default: '5' },
      against: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const chosenServers = choose('--server', values.server, servers);
  const chosenTools = choose('--tool', values.tool, compared).filter(
    (tool) => tool !== before || values.against !== undefined,
  );
  const restarts = Number(values.restarts);
  const answerAfter = Number(values['answer-after']);
  if (!Number.isInteger(restarts) || restarts < 1) throw new Error('--restarts takes a whole number');
  if (!Number.isInteger(answerAfter) || answerAfter < 0) throw new Error('--answer-after takes a whole number');
  if (values.write && values.server.length + values.tool.length > 0) throw new Error('--write takes the whole run');
  if (process.platform !== 'linux') throw new Error('bench:hold reads /proc: it runs on Linux only');
  useBuilds(values.against);
  installPeers(chosenTools.flatMap((tool: Tool) => tool.peer ?? []));

  const results = new Map<Workload, Map<Tool, Result>>();
  for (const server of chosenServers) {
    const own = new Map<Tool, Result>();
    results.set(server, own);
    for (const tool of chosenTools) own.set(tool, await measure(tool, server, { folder, restarts, answerAfter }));
  }

  const versions = [
    `devwatch ${devwatch.version()}`,
    ...(chosenTools.includes(nodemon) ? [`nodemon ${nodemon.version()}`] : []),
    ...chosenServers.map(({ name }) => `${name} ${versionOf(name, repository)}`),
    `Node ${process.versions.node}`,
  ];
  const facts = `${versions.join(', ')}; Linux, ${os.availableParallelism()} cores; ${restarts} restarts each.`;
  const text = report(results, answerAfter, facts);
  console.log(text);
  if (!values.write) return;
  writeToReadme('hold', text);
  fs.writeFileSync(path.join(repository, '.github/hold.svg'), draw(results));
}

/** All of them, unless some are named. */
function choose<Item extends { readonly name: string }>(
  flag: string,
  given: readonly string[],
  known: readonly Item[],
): readonly Item[] {
  const names = known.map(({ name }) => name);
  const other = given.find((word) => !names.includes(word));
  if (other !== undefined) throw new Error(`${flag} takes ${names.join(', ')}; not ${other}`);
  return given.length === 0 ? known : known.filter(({ name }) => given.includes(name));
}

type Results = ReadonlyMap<Workload, ReadonlyMap<Tool, Result>>;

function report(results: Results, answerAfter: number, facts: string): string {
  const parts: string[] = [];
  const goals: string[][] = [];
  for (const [{ name }, own] of results) {
    const rows = [...own].map(([tool, { report }]) => [
      tool.name,
      cell(report, ({ answered }) => answered),
      cell(report, ({ refused }) => refused.length),
      cell(report, ({ reset }) => reset.length),
      cell(report, ({ longest }) => longest),
    ]);
    parts.push(markdownTable([[name, 'answered', 'refused', 'reset', 'longest wait, ms'], ...rows]));
    const kept = own.get(devwatch);
    if (kept === undefined) continue;
    for (const what of ['refused', 'reset'] as const) {
      const count = kept.report.fresh[what].length + kept.report.kept[what].length;
      goals.push([`${name}, ${what}`, String(count), '0', count === 0 ? '●' : 'missed']);
    }
  }
  parts.push(
    `Requests on new connections, one every ${load.newEvery} ms / on ${load.kept} connections that are kept alive and busy; the server answers after ${answerAfter} ms. ` +
      `Reset: the connection ended without an answer, or with half of one. Kept connections that fail are tried again after ${load.retryAfter} ms; the longest wait is that of an answered request.`,
  );
  if (goals.length > 0) parts.push(markdownTable([['goals of devwatch', 'measured', 'goal', 'met'], ...goals]));
  return [...parts, facts].join('\n\n');
}

function cell({ fresh, kept }: Report, of: (tally: Tally) => number): string {
  return [fresh, kept].map((tally) => Math.round(of(tally)).toLocaleString('en-US')).join(' / ');
}

function draw(results: Results): string {
  const bars = compared
    .filter((tool) => tool !== before)
    .map((tool) => {
      const all = [...results.values()].flatMap((own) => own.get(tool) ?? []);
      const lost = all
        .flatMap(({ report }) => [report.fresh, report.kept])
        .reduce((sum, { refused, reset }) => sum + refused.length + reset.length, 0);
      const value = (lost / all.reduce((sum, { restarts }) => sum + restarts, 0)) * 100;
      return { label: tool.name, value, text: Math.round(value).toLocaleString('en-US') };
    });
  return drawBars({ title: 'Requests refused or reset in 100 restarts (express and fastify)', bars });
}

const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'bench-hold-')));
const clear = async (): Promise<void> => {
  clients?.kill('SIGKILL');
  await Running.stopAll();
  fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
};

await runAndClear(() => main(temporary), clear);
