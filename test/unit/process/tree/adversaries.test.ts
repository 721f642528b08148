import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { createContainment } from '../../../../src/process/tree/containment.ts';
import type { Survivor } from '../../../../src/shared/events.ts';
import { type Adversary, adversaries, commandFor, kill, processesIn, Register } from '../../../support/adversaries.ts';
import { isExhaustive } from '../../../support/exhaustive.ts';
import { isAlive, parentOf } from '../../../support/facts.ts';
import { keepNothing, launchTree } from '../../../support/launch.ts';
import { createProject } from '../../../support/project.ts';

const repeats = Number(process.env.STRESS_REPEATS ?? 1);

const sentinel = spawn('/bin/sleep', ['3600'], { stdio: 'ignore', detached: true });
afterAll(async () => {
  const exited = once(sentinel, 'exit');
  sentinel.kill('SIGKILL');
  await exited;
});

/** Runs an adversary until it is ready, terminates its tree, and returns the processes still alive then. */
async function terminateAdversary(
  adversary: Adversary,
  cgroup: boolean,
): Promise<{ alive: number[]; survivors: readonly Survivor[] }> {
  await using project = createProject();
  using register = new Register(project.path);
  const containment = createContainment(keepNothing, cgroup);
  const { file, args } = commandFor(adversary, register.file);
  const { program, gone } = launchTree({ containment, file, args, folder: project.path });
  await register.holds(adversary.ready);
  program.end('terminating');
  if (adversary.stubborn) program.end('killing');
  const survivors = await gone;
  const alive = processesIn(project.path);
  containment.release();
  return { alive, survivors };
}

const modes = [
  { mode: 'by its marks', cgroup: false },
  ...(createsCgroups() ? [{ mode: 'by its cgroup', cgroup: true }] : []),
];

function createsCgroups(): boolean {
  const containment = createContainment(keepNothing);
  containment.release();
  return containment.record.cgroup !== '';
}

describe.each(modes)('a tree that is recognised $mode is gone when its termination reports so:', ({ cgroup }) => {
  test.each(adversaries)('$name', async (adversary) => {
    for (let turn = 0; turn < repeats; turn += 1) {
      expect(await terminateAdversary(adversary, cgroup)).toEqual({ alive: [], survivors: [] });
      expect(isAlive(sentinel.pid ?? 0)).toBe(true);
    }
  });
});

// A test of the adversaries, not of devwatch.
describe.runIf(isExhaustive)('the adversaries escape simpler methods:', () => {
  test.each(adversaries.filter(({ escapesGroup }) => escapesGroup))(
    '$name escapes a signal to its group',
    async (adversary) => {
      expect(await escapes(adversary, (root) => kill(-root, 'SIGTERM'))).toBe(true);
    },
  );

  test.each(adversaries.filter(({ escapesWalk }) => escapesWalk))(
    '$name escapes one walk by parents',
    async (adversary) => {
      expect(await escapes(adversary, endWalk)).toBe(true);
    },
  );
});

/** Can it survive the simpler method? A hopper is sometimes caught in flight, so one escape in twenty counts. */
async function escapes(adversary: Adversary, simpler: (root: number) => void): Promise<boolean> {
  for (let turn = 0; turn < 20; turn += 1) {
    if ((await survivorsOf(adversary, simpler)).length > 0) return true;
  }
  return false;
}

/** Runs an adversary, ends it by the simpler method, waits until its root is dead, and returns the survivors. */
async function survivorsOf(adversary: Adversary, simpler: (root: number) => void): Promise<number[]> {
  await using project = createProject();
  using register = new Register(project.path);
  const { file, args } = commandFor(adversary, register.file);
  const child = spawn(file, args, { detached: true, stdio: 'ignore', cwd: project.path });
  const exited = once(child, 'exit');
  await register.holds(adversary.ready);
  simpler(child.pid ?? 0);
  if (!adversary.stubborn && !adversary.name.startsWith('a stopped')) await exited;
  await register.holds(adversary.afterwards ?? 0);
  const alive = await stillAlive(register, project.path);
  kill(child.pid ?? 0, 'SIGKILL');
  await exited;
  return alive;
}

/**
 * Returns the processes alive after the signal has had time to work (ten scans of all processes): by
 * their working folder, or, where each lives too briefly to be seen, by their further registrations.
 */
async function stillAlive(register: Register, folder: string): Promise<number[]> {
  const registered = register.pids().length;
  let alive: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    await nextTurn();
    alive = processesIn(folder);
  }
  const since = register.pids().slice(registered);
  return since.length > 2 ? since : alive;
}

function endWalk(root: number): void {
  for (const pid of descendants(root)) kill(pid, 'SIGTERM');
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (let index = 0; index < found.length; index += 1) found.push(...(children.get(found[index] ?? 0) ?? []));
  return found;
}
