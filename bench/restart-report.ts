/** Renders the tables of restart.ts and the goals of devwatch. */

import type { ToolCost } from './restart-cost.ts';
import { extraFiles } from './restart-cost.ts';
import type { Preparation } from './restart-running.ts';
import { type Tool, tools, type Workload } from './restart-tools.ts';
import { markdownTable, median } from './support.ts';

/** Medians in ms; only measured tools have entries. */
export interface Measured {
  readonly restarts: ReadonlyMap<Workload, ReadonlyMap<Tool, number>>;
  /** The preparation of devwatch after each restart. */
  readonly preparations: ReadonlyMap<Workload, readonly Preparation[]>;
  readonly quick: ReadonlyMap<Tool, number>;
  readonly launches: ReadonlyMap<Tool, number>;
  readonly costs: ReadonlyMap<Tool, ToolCost>;
}

interface Goal {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
}

const { devwatch, before, bun, nodemon, nodeWatch, tsx, cold } = tools;

/** Reports what was measured with programs as people write them. */
export function reportReal({ restarts, preparations }: Measured, facts: string): string {
  const real = [...restarts].filter(([{ isReal }]) => isReal);
  if (real.length === 0) return '';
  const order: readonly Tool[] = [devwatch, before, cold, nodemon, nodeWatch, tsx, bun];
  const columns = order.filter((tool) => real.some(([, times]) => times.has(tool)));
  const times = markdownTable([
    ['save → listening, ms', ...columns.map(({ name }) => name)],
    ...real.map(([{ name }, times]) => [name, ...columns.map((tool) => ms(times.get(tool)))]),
  ]);
  const costs = markdownTable([
    ['devwatch after each restart', 'ready after, s', 'memory, MB', 'CPU time, s', 'CPU time of devwatch, s'],
    ...real.map(([workload]) => [workload.name, ...preparationCells(preparations.get(workload) ?? [])]),
  ]);
  const goals = real.flatMap(([{ id, name }, times]) => realGoals(id, name, times));
  return [
    times,
    'With the default settings of each tool; cold start: from the launch of `node`. – the tool cannot run the program.',
    costs,
    'The process that waits for the next restart: how long after the first answer of this run it is ready, its memory (PSS), its CPU time until then, and that of devwatch itself.',
    goalsTable(goals),
    facts,
  ].join('\n\n');
}

function preparationCells(all: readonly Preparation[]): string[] {
  const of = (value: (one: Preparation) => number, unit: number, digits: number): string => {
    const result = median(all.map(value)) / unit;
    return Number.isFinite(result) ? result.toFixed(digits) : '–';
  };
  return [
    of(({ readyMs }) => readyMs, 1000, 1),
    of(({ memory }) => memory, 2 ** 20, 0),
    of(({ cpuMs }) => cpuMs, 1000, 2),
    of(({ toolCpuMs }) => toolCpuMs, 1000, 2),
  ];
}

function realGoals(id: string, name: string, times: ReadonlyMap<Tool, number>): Goal[] {
  const isLarge = id === 'express-1800';
  return ratios(name, times, [
    [cold, isLarge ? 0.12 : 0.35],
    ...(isLarge ? ([[bun, 0.15]] as const) : []),
    [before, 1.05],
  ]).filter(({ measured }) => !Number.isNaN(measured));
}

/** Reports the rest. */
export function report(measured: Measured, facts: string): string {
  const goals = goalsOf(measured);
  const parts = [...restartTable(measured), ...costTable(measured), ...(goals.length > 0 ? [goalsTable(goals)] : [])];
  return parts.length === 0 ? '' : [...parts, facts].join('\n\n');
}

const goalsTable = (goals: readonly Goal[]): string =>
  markdownTable([
    ['goals of devwatch', 'measured', 'goal', 'met'],
    ...goals.map(({ what, measured, limit }) => [
      what,
      measured.toFixed(limit === 0 ? 0 : limit < 1 ? 3 : 2),
      limit === 0 ? '0' : `≤ ${limit}`,
      measured <= limit ? '●' : 'missed',
    ]),
  ]);

function restartTable({ restarts, quick }: Measured): string[] {
  const columns = [...restarts].filter(([{ isReal }]) => !isReal).map(([{ name }, times]) => ({ name, times }));
  if (quick.size > 0) columns.push({ name: 'CommonJS, saves 300 ms apart', times: quick });
  if (columns.length === 0) return [];
  const rows = Object.values(tools).filter((tool) => columns.some(({ times }) => times.has(tool)));
  return [
    markdownTable([
      ['', ...columns.map(({ name }) => name)],
      ...rows.map((tool) => [tool.name, ...columns.map(({ times }) => ms(times.get(tool)))]),
    ]),
    'From the save to the first line of the restarted program in ms; cold start: from the launch of `node`.',
  ];
}

function costTable({ launches, costs }: Measured): string[] {
  const rows: string[][] = [];
  const cells = (tool: Tool): string[] => [
    ms(launches.get(tool)),
    size(costs.get(tool)?.own.memory),
    wakeups(costs.get(tool)?.own.wakeups),
  ];
  const own = costs.get(devwatch);
  if (launches.has(cold) || own !== undefined) {
    rows.push(['bare node', ms(launches.get(cold)), size(own?.bare.memory), wakeups(own?.bare.wakeups)]);
  }
  for (const tool of Object.values(tools)) {
    if (tool === cold || !(launches.has(tool) || costs.has(tool))) continue;
    rows.push([`${tool.name}${(tool as Tool).isProgram ? ', with the program in it' : ''}`, ...cells(tool)]);
    const standby = costs.get(tool)?.standby;
    if (standby !== undefined) rows.push(['its standby process', '', size(standby.memory), wakeups(standby.wakeups)]);
  }
  if (rows.length === 0) return [];
  return [
    markdownTable([['', 'launch → first line, ms', 'memory, MB', 'wake-ups in 10 s'], ...rows]),
    `Memory (PSS) and wake-ups (context switches) of the tool's own process, without the program, in a project with ${extraFiles.toLocaleString('en-US')} further files, while nothing happens. The least reloader is a script that spawns the program, calls \`fs.watch\` for each folder, and does nothing else. Memory that Node processes share is counted in parts: beside its standby process devwatch counts about 1.5 MB less than alone, and so does bare node, which is measured beside it.`,
  ];
}

type Limits = readonly (readonly [Tool, number])[];

/** Returns the goals for the ratio of devwatch to other tools. */
const ratios = (what: string, times: ReadonlyMap<Tool, number>, limits: Limits): Goal[] =>
  limits.map(([tool, limit]) => ({
    what: `${what}, against ${tool === cold ? 'a cold start' : tool.name}`,
    measured: (times.get(devwatch) ?? Number.NaN) / (times.get(tool) ?? Number.NaN),
    limit,
  }));

function goalsOf({ restarts, quick, launches, costs }: Measured): Goal[] {
  const goals: Goal[] = [];
  const against = (what: string, times: ReadonlyMap<Tool, number>, limits: Limits): void => {
    goals.push(...ratios(what, times, limits));
  };
  const limits: Readonly<Record<string, Limits>> = {
    commonjs: [
      [bun, 1],
      [cold, 0.2],
      [nodemon, 0.12],
      [nodeWatch, 0.06],
    ],
    esm: [
      [bun, 0.6],
      [cold, 0.25],
    ],
    typescript: [
      [bun, 1],
      [tsx, 0.06],
    ],
  };
  for (const [{ id, name, isReal }, times] of restarts)
    if (!isReal) against(name, times, [...(limits[id] ?? []), [before, 1.05]]);
  against('CommonJS, saves 300 ms apart', quick, [
    [cold, 0.5],
    [before, 1.05],
  ]);
  against('launch', launches, [[before, 1.05]]);
  // Relative to bare node at the same time: shared memory counts less while other Node processes run.
  const memory = new Map([...costs].map(([tool, { own, bare }]) => [tool, own.memory / bare.memory]));
  against('memory', memory, [[before, 1.05]]);
  const own = costs.get(devwatch);
  goals.push(
    {
      what: 'launch, against bare node',
      measured: (launches.get(devwatch) ?? Number.NaN) / (launches.get(cold) ?? Number.NaN),
      limit: 2.3,
    },
    {
      what: 'memory, against bare node',
      measured: (own?.own.memory ?? Number.NaN) / (own?.bare.memory ?? Number.NaN),
      limit: 1.2,
    },
    {
      what: 'wake-ups of devwatch and its standby process in 10 s',
      measured: (own?.own.wakeups ?? Number.NaN) + (own?.standby?.wakeups ?? 0),
      limit: 0,
    },
  );
  return goals.filter(({ measured }) => !Number.isNaN(measured));
}

function ms(time: number | undefined): string {
  if (time === undefined || Number.isNaN(time)) return '–';
  if (!Number.isFinite(time)) return 'misses saves';
  return time < 10 ? time.toFixed(1) : time.toFixed(0);
}

const size = (bytes = Number.NaN): string => (Number.isNaN(bytes) ? '–' : (bytes / 2 ** 20).toFixed(0));

/** Negative if a thread has ended in between: its count is lost. */
const wakeups = (count = Number.NaN): string => (count >= 0 ? String(count) : '–');
