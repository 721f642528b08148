/** Renders the tables of restart.ts and the goals of devwatch. */

import type { ToolCost } from './restart-cost.ts';
import { extraFiles } from './restart-cost.ts';
import { type Tool, tools, type Workload } from './restart-tools.ts';
import { markdownTable } from './support.ts';

/** Medians in ms; only measured tools have entries. */
export interface Measured {
  readonly restarts: ReadonlyMap<Workload, ReadonlyMap<Tool, number>>;
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

export function report(measured: Measured, facts: string): string {
  const goals = goalsOf(measured).map(({ what, measured: value, limit }) => [
    what,
    value.toFixed(limit === 0 ? 0 : limit < 1 ? 3 : 2),
    limit === 0 ? '0' : `≤ ${limit}`,
    value <= limit ? '●' : 'missed',
  ]);
  const parts = [...restartTable(measured), ...costTable(measured)];
  if (goals.length > 0) parts.push(markdownTable([['goals of devwatch', 'measured', 'goal', 'met'], ...goals]));
  return [...parts, facts].join('\n\n');
}

function restartTable({ restarts, quick }: Measured): string[] {
  const columns = [...restarts].map(([{ name }, times]) => ({ name, times }));
  if (quick.size > 0) columns.push({ name: 'CommonJS, saves 300 ms apart', times: quick });
  if (columns.length === 0) return [];
  const rows = Object.values(tools).filter((tool) => columns.some(({ times }) => times.has(tool)));
  return [
    markdownTable([
      ['', ...columns.map(({ name }) => name)],
      ...rows.map((tool) => [tool.name, ...columns.map(({ times }) => ms(times.get(tool)))]),
    ]),
    'From the save to the first line of the restarted program in ms; cold start: from the launch of `node`. The programs with packages print it when they listen.',
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

function goalsOf({ restarts, quick, launches, costs }: Measured): Goal[] {
  const goals: Goal[] = [];
  const against = (
    what: string,
    times: ReadonlyMap<Tool, number>,
    limits: readonly (readonly [Tool, number])[],
  ): void => {
    for (const [tool, limit] of limits) {
      const measured = (times.get(devwatch) ?? Number.NaN) / (times.get(tool) ?? Number.NaN);
      goals.push({ what: `${what}, against ${tool === cold ? 'a cold start' : tool.name}`, measured, limit });
    }
  };
  const limits: Readonly<Record<string, readonly (readonly [Tool, number])[]>> = {
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
    app: [
      [bun, 0.2],
      [cold, 0.15],
    ],
    'express-heavy': [
      [bun, 0.15],
      [cold, 0.12],
    ],
    'koa-heavy': [[cold, 0.35]],
  };
  for (const [{ id, name }, times] of restarts) against(name, times, [...(limits[id] ?? []), [before, 1.05]]);
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
