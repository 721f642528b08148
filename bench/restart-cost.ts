/** Measures the cost of an idle tool: memory and wake-ups of its own processes. Reads /proc. */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTimeOf } from '../src/process/tree/proc.ts';
import { type Place, Running } from './restart-running.ts';
import type { Tool, Workload } from './restart-tools.ts';
import { proportionalSize } from './support.ts';

const folders = 500;
const filesPerFolder = 20;
export const extraFiles: number = folders * filesPerFolder;
/** V8 collects garbage up to three times after the last work, 8 s apart; measurements start after that. */
const garbageCollectionMs = 30_000;
/** A process has settled when it has used no CPU time for this long. CPU time is counted in steps of 10 ms. */
const calmMs = 3000;
const settleTimeoutMs = 60_000;
const idlePeriodMs = 10_000;

/** The cost of one process: memory in bytes, wake-ups in 10 s. */
export interface Cost {
  readonly memory: number;
  readonly wakeups: number;
}

export interface ToolCost {
  readonly own: Cost;
  /** The standby process. */
  readonly standby?: Cost;
  /** A Node process that does nothing, measured at the same time, so that shared memory has as many owners. */
  readonly bare: Cost;
}

/** Measures the tool in a project with many further files, beside a bare Node process. */
export async function measureCost(
  tool: Tool,
  workload: Workload,
  place: Place,
  wants: { readonly memory: boolean; readonly idle: boolean },
): Promise<ToolCost> {
  const running = new Running(tool, workload, place);
  addFiles(running.project);
  try {
    // The first launch may write caches for later ones, such as the compiled code of the tool itself.
    await running.launch();
    await running.stop();
    await running.launch();
    // Not earlier: it has the tool's variables, and would be ended with the first launch.
    const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 2 ** 30)'], {
      stdio: 'ignore',
      env: running.env,
    });
    await running.settle();
    const pids = [running.pid, bare.pid ?? 0, ...(running.standbyPid === undefined ? [] : [running.standbyPid])];
    await settle(pids);
    const memory = pids.map((pid) => (wants.memory ? proportionalSize(pid) : Number.NaN));
    const before = pids.map(switches);
    if (wants.idle) await sleep(idlePeriodMs);
    const costs = pids.map((pid, index) => ({
      memory: memory[index] ?? Number.NaN,
      wakeups: wants.idle ? switches(pid) - (before[index] ?? 0) : Number.NaN,
    }));
    const [own = nothing, beside = nothing, standby] = costs;
    return { own, bare: beside, ...(standby !== undefined && { standby }) };
  } finally {
    await running.stop();
    fs.rmSync(place.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const nothing: Cost = { memory: Number.NaN, wakeups: Number.NaN };

function addFiles(project: string): void {
  for (let folder = 0; folder < folders; folder += 1) {
    const full = path.join(project, `part-${folder}`);
    fs.mkdirSync(full);
    for (let file = 0; file < filesPerFolder; file += 1) {
      const name = file < filesPerFolder / 10 ? `module-${file}.js` : `note-${file}.txt`;
      fs.writeFileSync(path.join(full, name), `exports.file = ${file};\n`);
    }
  }
}

/** Resolves when these processes have finished all their own work. */
export async function settle(pids: readonly number[]): Promise<void> {
  const cpu = (): number => pids.reduce((sum, pid) => sum + (cpuTimeOf(pid) ?? 0), 0);
  const deadline = performance.now() + settleTimeoutMs;
  await sleep(garbageCollectionMs);
  for (let before = -1, now = cpu(); now !== before && performance.now() < deadline; now = cpu()) {
    before = now;
    await sleep(calmMs);
  }
}

/** Returns the number of context switches of all threads, voluntary and not. */
function switches(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return fs.readdirSync(tasks).reduce((sum, task) => {
    const text = fs.readFileSync(path.join(tasks, task, 'status'), 'latin1');
    const counts = [...text.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm)];
    return counts.reduce((total, [, count]) => total + Number(count), sum);
  }, 0);
}
