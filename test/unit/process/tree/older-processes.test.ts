/** Which processes need not be read again, on a machine that gives out the pids that the test decides. */

import { expect, test } from 'vitest';
import { OlderProcesses } from '../../../../src/process/tree/older-processes.ts';

function open() {
  const world = { hasWrapped: false };
  const older = new OlderProcesses(() => {
    world.hasWrapped = false;
    return () => !world.hasWrapped;
  });
  older.addRoot(50);
  older.revise(1000);
  return { world, older };
}

test('a process that is older than all trees is known from then on', () => {
  const { older } = open();
  older.note(400, 49);
  older.note(20_000, 49);
  expect(older.includes(400)).toBe(true);
  older.revise(1500);
  expect([400, 20_000, 401].map((pid) => older.includes(pid))).toEqual([true, true, false]);
});

test('a process that is younger than the oldest tree is never known: it may belong to one', () => {
  const { older } = open();
  older.addRoot(70);
  older.note(400, 50);
  older.note(401, 60);
  expect([400, 401].map((pid) => older.includes(pid))).toEqual([false, false]);
});

test('an older process is read again when its pid may have been given to another one', () => {
  const { older } = open();
  older.note(1200, 49);
  older.revise(1199);
  expect(older.includes(1200)).toBe(true);
  older.revise(1200);
  expect(older.includes(1200)).toBe(false);
});

test('all older processes are read again when pids may have wrapped around', () => {
  const { world, older } = open();
  older.note(400, 49);
  world.hasWrapped = true;
  older.revise(1100);
  expect(older.includes(400)).toBe(false);
});
