/**
 * Measures whether clients notice restarts: counts the requests that fail while an express and a fastify server are
 * restarted again and again by devwatch and its peers. Linux only.
 *
 *   npm run bench:hold -- [--restarts 100] [--server express|fastify]… [--tool devwatch|…]…
 *                         [--answer-after 5] [--against ../other-checkout] [--write]
 *
 * A process of its own runs two clients: one makes a new connection for each request, the other keeps many connections
 * alive and sends the next request as soon as one is answered. The next save comes 50 to 150 ms after a client has
 * received the first answer of the version before. One tool runs at a time, with new clients.
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
import { installPeers, markdownTable, repository, runAndCleanUp, versionOf, writeToBenchmarks } from './support.ts';

const load: Omit<Load, 'port'> = { newEveryMs: 5, kept: 50, retryAfterMs: 50 };
/** Time between a restart and the next save. */
const pauseMs = { min: 50, max: 150 };
/** If no client has received a version after this time, the file is saved again. */
const restartTimeoutMs = 10_000;
/** Failures of devwatch that are printed one by one. */
const maxPrintedFailures = 20;

const serverOf = (name: string): Workload => ({
  id: name,
  name,
  template: `workloads/${name}.cjs`,
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
 * Finds a free port below those that the system assigns to clients: a client that connects again and again while the
 * port is free could be assigned that port, and be connected to itself.
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

/** Controls the process of the clients. */
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

  /** Resolves to the time at which a client has received this version or a later one; undefined if none has. */
  async seen(version: number): Promise<number | undefined> {
    const received = new Promise<true>((resolve) => {
      this.#look = () => {
        if (this.#newest >= version) resolve(true);
      };
      this.#look();
    });
    const late = new AbortController();
    const inTime = await Promise.race([
      received,
      this.#report.then(() => true),
      sleep(restartTimeoutMs, false, { signal: late.signal }).catch(() => false),
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
    await sleep(pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min));
    const { version, at } = running.save();
    const seen = await clients.seen(version);
    if (seen !== undefined) saves.push({ at, seen });
    else if (++missed > 5) throw new Error(`${tool.name} misses too many saves`);
  }
  await sleep(pauseMs.max);
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

/** Prints the failed requests of devwatch. */
function explain(server: Workload, { fresh, kept }: Report, saves: readonly { at: number; seen: number }[]): void {
  const all: [string, Failure][] = [
    ...[...fresh.refused, ...fresh.reset].map((one): [string, Failure] => ['new connection', one]),
    ...[...kept.refused, ...kept.reset].map((one): [string, Failure] => ['kept alive', one]),
  ];
  for (const [client, { code, began, ended, stage, reused }] of all.slice(0, maxPrintedFailures)) {
    const index = saves.findLastIndex(({ at }) => at <= ended);
    const { at = Number.NaN, seen = Number.NaN } = saves[index] ?? {};
    console.error(
      `${server.name}, ${client}: ${code} while ${stage}${reused ? ' on a connection used before' : ''}; save ${index + 1}: ` +
        `sent at ${(began - at).toFixed(1)} ms, failed at ${(ended - at).toFixed(1)} ms, next version at ${(seen - at).toFixed(1)} ms`,
    );
  }
  if (all.length > maxPrintedFailures) console.error(`… and ${all.length - maxPrintedFailures} further ones`);
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
  if (!Number.isInteger(restarts) || restarts < 1) throw new Error('--restarts takes a positive integer');
  if (!Number.isInteger(answerAfter) || answerAfter < 0) throw new Error('--answer-after takes an integer');
  if (values.write && values.server.length + values.tool.length > 0) throw new Error('--write needs a complete run');
  if (process.platform !== 'linux') throw new Error('bench:hold runs on Linux only, because it reads /proc');
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
  writeToBenchmarks('hold', text);
  fs.writeFileSync(path.join(repository, 'docs/images/hold.svg'), draw(results));
}

/** Returns the named items, or all of them if none is named. */
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
    `Requests on new connections, one every ${load.newEveryMs} ms / on ${load.kept} connections that are kept alive and busy; the server answers after ${answerAfter} ms. ` +
      `Reset: the connection ended without an answer, or with half of one. Kept connections that fail are tried again after ${load.retryAfterMs} ms; the longest wait is that of an answered request.`,
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
const cleanUp = async (): Promise<void> => {
  clients?.kill('SIGKILL');
  await Running.stopAll();
  fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
};

await runAndCleanUp(() => main(temporary), cleanUp);
