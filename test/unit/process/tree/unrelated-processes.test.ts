/** Which processes need not be read again, on a machine that gives out the pids that the test decides. */

import { expect, test } from 'vitest';
import { UnrelatedProcesses } from '../../../../src/process/tree/unrelated-processes.ts';

function open() {
  const world = { hasWrapped: false };
  const unrelated = new UnrelatedProcesses(() => {
    world.hasWrapped = false;
    return () => !world.hasWrapped;
  });
  unrelated.addRoot(50);
  unrelated.revise(1000);
  return { world, unrelated };
}

test('a process that is older than all trees is known from then on', () => {
  const { unrelated } = open();
  unrelated.note({ pid: 400, startTime: '49', state: 'S' });
  unrelated.note({ pid: 20_000, startTime: '49', state: 'S' });
  expect(unrelated.includes(400)).toBe(true);
  unrelated.revise(1500);
  expect([400, 20_000, 401].map((pid) => unrelated.includes(pid))).toEqual([true, true, false]);
});

test('a process that is younger than the oldest tree is never known: it may belong to one', () => {
  const { unrelated } = open();
  unrelated.addRoot(70);
  unrelated.note({ pid: 400, startTime: '50', state: 'S' });
  unrelated.note({ pid: 401, startTime: '60', state: 'S' });
  expect([400, 401].map((pid) => unrelated.includes(pid))).toEqual([false, false]);
});

test('an older process is read again when its pid may have been given to another one', () => {
  const { unrelated } = open();
  unrelated.note({ pid: 1200, startTime: '49', state: 'S' });
  unrelated.revise(1199);
  expect(unrelated.includes(1200)).toBe(true);
  unrelated.revise(1200);
  expect(unrelated.includes(1200)).toBe(false);
});

test('all older processes are read again when pids may have wrapped around', () => {
  const { world, unrelated } = open();
  unrelated.note({ pid: 400, startTime: '49', state: 'S' });
  world.hasWrapped = true;
  unrelated.revise(1100);
  expect(unrelated.includes(400)).toBe(false);
});

test('a zombie is known whenever it was started, and its pid is read again when another process may have it', () => {
  const { unrelated } = open();
  unrelated.note({ pid: 1001, startTime: '99', state: 'Z' });
  expect(unrelated.includes(1001)).toBe(true);
  unrelated.revise(1100);
  expect(unrelated.includes(1001)).toBe(false);
});
