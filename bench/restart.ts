/**
 * Compares devwatch with its peers: the time from a save to the restarted program, for programs as people write them
 * and for the smallest ones; from the launch to the first line; and the cost of the tool itself. Linux only. A whole run
 * takes less than 15 minutes on a quiet machine with two cores.
 *
 *   npm run bench -- [--rounds 5] [--workload express-1800|express-660|fastify|nest|koa|commonjs|esm|typescript]…
 *                    [--only restart|quick|launch|memory|idle]… [--tool 'cold start']… [--env NAME]…
 *                    [--against ../other-checkout] [--write]
 *
 * The packages of the programs are installed once, in bench/real, and those of the tools in bench/peers. `--write`
 * replaces the tables and the plot of docs/benchmarks.md, and the figures in other documents that come from them.
 *
 * `--against` adds the devwatch of another checkout, which must be built, and goals for the ratio between the two.
 *
 * Each tool starts with three variables (PATH, HOME, TMPDIR) and those that `--env` names. NODE_EXTRA_CA_CERTS, which is
 * set on many machines behind a proxy, doubles the boot time of Node 20.
 *
 * Each tool has a project of its own and stays running. Rounds are interleaved, so that a change in the machine's speed
 * affects all tools alike. All tools are idle when a file is saved: devwatch's standby process is ready by then.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { drawGroups } from './plot.ts';
import { measureCost, type ToolCost } from './restart-cost.ts';
import { type Measured, report, reportReal } from './restart-report.ts';
import { type Place, type Preparation, Running, type Save, type Steps } from './restart-running.ts';
import { type Tool, tools, useBuilds, type Workload, workloads } from './restart-tools.ts';
import {
  installIn,
  installPeers,
  median,
  packagesIn,
  repository,
  runAndCleanUp,
  versionOf,
  writeToBenchmarks,
} from './support.ts';

const measurements = ['restart', 'quick', 'launch', 'memory', 'idle'] as const;
type Measurement = (typeof measurements)[number];

/** All tools are idle for at least this long before each measurement. */
const pauseMs = 300;
const warmUps = 1;
const quick = { gapMs: 300, saves: 12, counted: 10 };
const launches = 11;

const { devwatch, before, noStandby, bun, entr, nodeDev, nodemon, nodeWatch, tsx, least, cold } = tools;
const restarted: readonly Tool[] = [devwatch, before, bun, entr, nodeDev, nodemon, nodeWatch, tsx, cold];
/** With programs as people write them. */
const restartedReal: readonly Tool[] = [devwatch, before, cold, nodemon, nodeWatch, tsx, bun];
const savedQuickly: readonly Tool[] = [devwatch, before, noStandby, bun, cold];
const launched: readonly Tool[] = [cold, least, devwatch, before, nodemon, nodeWatch, tsx, bun];
const resident: readonly Tool[] = [devwatch, before, least, nodemon, nodeWatch, tsx, bun, entr];

let serial = 0;

/** Gives an installed tool a new folder. */
function install(tool: Tool, workload: Workload, place: Place): Running {
  serial += 1;
  return new Running(tool, workload, { ...place, folder: path.join(place.folder, String(serial)) });
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function startAll(chosen: readonly Tool[], workload: Workload, place: Place): Promise<Running[]> {
  const all = chosen
    .filter((tool) => tool.command(workload) !== undefined)
    .map((tool) => install(tool, workload, place));
  for (const one of all) {
    if (one.tool.isCold) continue;
    await one.launch();
    await one.settle();
  }
  return all;
}

/** Runs the rounds of all tools by turns; resolves to their medians. */
async function interleave(
  all: readonly Running[],
  { rounds, warmUp }: { readonly rounds: number; readonly warmUp: number },
  measure: (one: Running) => Promise<number>,
): Promise<Map<Tool, number>> {
  const times = new Map(all.map(({ tool }) => [tool as Tool, [] as number[]]));
  for (let round = -warmUp; round < rounds; round += 1) {
    // No tool always follows the same one.
    for (const one of rotated(all, round + warmUp)) {
      await sleep(pauseMs);
      const time = await measure(one);
      if (round >= 0) times.get(one.tool)?.push(time);
    }
    process.stderr.write('.');
  }
  process.stderr.write('\n');
  for (const [tool, all] of times) {
    const missed = all.filter((time) => !Number.isFinite(time)).length;
    if (missed > 0) console.error(`${tool.name} has missed ${missed} of ${all.length} saves`);
  }
  return new Map([...times].map(([tool, all]) => [tool, median(all)]));
}

async function measureRestarts(chosen: readonly Tool[], workload: Workload, rounds: number, place: Place) {
  console.error(`save → first line: ${workload.name}`);
  const all = await startAll(chosen, workload, place);
  const preparations: Preparation[] = [];
  const times = await interleave(all, { rounds, warmUp: warmUps }, async (one) => {
    await one.calm();
    const cpuBefore = one.cpuMs;
    const time = await one.measure();
    if (!one.tool.isCold) await one.settle();
    const preparation = one.tool === devwatch ? one.preparation(time, cpuBefore) : undefined;
    if (preparation !== undefined) preparations.push(preparation);
    return time;
  });
  for (const { tool, steps } of all)
    if (tool === devwatch || tool === before) explain(tool, steps.slice(warmUps), times.get(tool));
  await Running.stopAll();
  return { times, preparations: preparations.slice(warmUps) };
}

/** Prints the steps of devwatch's restarts, from its own events. */
function explain({ name }: Tool, steps: readonly Steps[], total = Number.NaN): void {
  const of = (value: (step: Steps) => number): string => median(steps.map(value)).toFixed(1);
  const prepared = steps.filter(({ standby }) => standby).length;
  console.error(
    `${name}, since it noticed the save: old tree gone ${of(({ gone }) => gone)}, quiet ${of(({ quiet }) => quiet)}, ` +
      `started ${of(({ ms }) => ms)}, begun ${of(({ begin }) => begin)}; in all ${total.toFixed(1)} ms; ` +
      `${prepared} of ${steps.length} from standby`,
  );
}

async function measureQuick(chosen: readonly Tool[], workload: Workload, rounds: number, place: Place) {
  console.error(`saves ${quick.gapMs} ms apart`);
  const all = await startAll(chosen, workload, place);
  const results = await interleave(all, { rounds: Math.ceil(rounds / 5), warmUp: 0 }, async (one) => {
    if (one.tool.isCold) return one.measure();
    const saves: Save[] = [];
    for (let began = performance.now(), index = 0; index < quick.saves; index += 1) {
      await sleep(Math.max(0, began + index * quick.gapMs - performance.now()));
      saves.push(one.save());
    }
    return median(await Promise.all(saves.slice(-quick.counted).map((save) => one.latencyOf(save))));
  });
  await Running.stopAll();
  return results;
}

async function measureLaunches(chosen: readonly Tool[], workload: Workload, rounds: number, place: Place) {
  console.error('launch → first line');
  const all = chosen.map((tool) => install(tool, workload, place));
  return interleave(all, { rounds: Math.min(rounds, launches), warmUp: 1 }, async (one) => {
    const time = await one.launch();
    await one.stop();
    return time;
  });
}

async function main(folder: string): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      workload: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', multiple: true, default: [] },
      env: { type: 'string', multiple: true, default: [] },
      tool: { type: 'string', multiple: true, default: [] },
      against: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a positive integer');
  refuseUnknown(
    '--workload',
    values.workload,
    workloads.map(({ id }) => id),
  );
  refuseUnknown('--only', values.only, measurements);
  refuseUnknown(
    '--tool',
    values.tool,
    Object.values(tools).map(({ name }) => name),
  );
  const variables = Object.fromEntries(
    values.env.map((name) => {
      const value = process.env[name];
      if (value === undefined) throw new Error(`--env: ${name} is not set`);
      return [name, value];
    }),
  );
  const place = { folder, variables };
  if (values.write && values.workload.length + values.only.length + values.env.length + values.tool.length > 0)
    throw new Error('--write needs a complete run, without other options');
  if (process.platform !== 'linux') throw new Error('bench runs on Linux only, because it reads /proc');
  useBuilds(values.against);
  const chosen = workloads.filter(({ id }) => values.workload.length === 0 || values.workload.includes(id));
  const all: readonly Tool[] = Object.values(tools);
  const selected = values.tool.length === 0 ? all : all.filter(({ name }) => values.tool.includes(name));
  installPeers([...selected.flatMap(({ peer }) => peer ?? []), 'tsx']);
  if (chosen.some(({ isReal }) => isReal)) installIn('real', ['express', 'fastify', '@nestjs/core', 'stripe']);

  const wants = (what: Measurement): boolean => values.only.length === 0 || values.only.includes(what);
  const versions = new Map(selected.map((tool) => [tool, tool.version()]));
  const here = (chosen: readonly Tool[]): Tool[] => chosen.filter((tool) => versions.get(tool) !== undefined);
  for (const tool of selected) {
    if (versions.get(tool) === undefined && tool !== before) console.error(`${tool.name} is not installed`);
  }
  const commonjs = workloads.find(({ id }) => id === 'commonjs');
  if (commonjs === undefined) throw new Error('no workload commonjs');

  const restarts = new Map<Workload, Map<Tool, number>>();
  const preparations = new Map<Workload, readonly Preparation[]>();
  if (wants('restart')) {
    for (const workload of chosen) {
      const tools = here(workload.isReal ? restartedReal : restarted);
      const result = await measureRestarts(tools, workload, rounds, place);
      restarts.set(workload, result.times);
      if (workload.isReal) preparations.set(workload, result.preparations);
    }
  }
  const costs = new Map<Tool, ToolCost>();
  const measured: Measured = {
    restarts,
    preparations,
    quick: wants('quick') ? await measureQuick(here(savedQuickly), commonjs, rounds, place) : new Map(),
    launches: wants('launch') ? await measureLaunches(here(launched), commonjs, rounds, place) : new Map(),
    costs,
  };
  if (wants('memory') || wants('idle')) {
    for (const tool of here(resident)) {
      console.error(`memory and wake-ups: ${tool.name}`);
      const what = { memory: wants('memory'), idle: wants('idle') };
      costs.set(tool, await measureCost(tool, commonjs, { ...place, folder: path.join(folder, 'cost') }, what));
    }
  }

  const facts = (...named: readonly string[]): string =>
    `${[...named, `Node ${process.versions.node}`].join(', ')}; Linux, ${os.availableParallelism()} cores; ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`}${['', ...values.env].join(', with ')}.`;
  const nameOf = (tool: Tool): string => `${tool.name.split(' ')[0]} ${versions.get(tool)}`;
  const hasReal = [...restarts.keys()].some(({ isReal }) => isReal);
  const ofReal = hasReal ? facts(...here([devwatch, nodemon, tsx, bun]).map(nameOf), ...frameworks()) : '';
  const texts = {
    real: reportReal(measured, ofReal),
    restart: report(measured, facts(...here([devwatch, bun, entr, nodeDev, nodemon, tsx]).map(nameOf))),
  };
  console.log(Object.values(texts).filter(Boolean).join('\n\n'));
  if (!values.write) return;
  fs.writeFileSync(path.join(repository, 'docs/images/restart.svg'), draw(restarts));
  for (const [mark, text] of Object.entries(texts)) writeToBenchmarks(mark, text);
}

/** Returns the frameworks of the programs, with their versions. */
const frameworks = (): string[] =>
  ['express', 'fastify', '@nestjs/core', 'koa'].map(
    (name) => `${name} ${versionOf(name, path.dirname(packagesIn('real')))}`,
  );

function refuseUnknown(flag: string, given: readonly string[], known: readonly string[]): void {
  const other = given.find((word) => !known.includes(word));
  if (other !== undefined) throw new Error(`${flag} takes ${known.join(', ')}; not ${other}`);
}

function draw(restarts: Measured['restarts']): string {
  const real = [...restarts].filter(([{ isReal }]) => isReal);
  return drawGroups({
    title: 'From a save until the restarted server listens',
    groups: real.map(([{ name }, times]) => ({
      label: name,
      bars: [...times]
        .filter(([, time]) => Number.isFinite(time))
        .map(([tool, time]) => ({ label: tool.name, value: time, text: `${time.toFixed(0)} ms` })),
    })),
  });
}

const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'bench-restart-')));
const cleanUp = async (): Promise<void> => {
  await Running.stopAll();
  fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
};

await runAndCleanUp(() => main(temporary), cleanUp);
