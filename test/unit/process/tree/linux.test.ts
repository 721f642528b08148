/** Signals reach the process that was found, or none. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { Exemptions } from '../../../../src/process/tree/exemptions.ts';
import { MarkedTree } from '../../../../src/process/tree/linux.ts';
import { listPids, readStat } from '../../../../src/process/tree/proc.ts';
import { terminateTree } from '../../../../src/process/tree/terminate.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { isAlive, parentOf, stateOf, until } from '../../../support/facts.ts';
import { keepNothing } from '../../../support/launch.ts';

let child: ChildProcess | undefined;

async function start(file: string, ...args: string[]): Promise<number> {
  child = spawn(file, args, { stdio: 'ignore' });
  await once(child, 'spawn');
  return child.pid ?? 0;
}

afterEach(async () => {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
});

const openTree = (root: number) =>
  new MarkedTree({ root, variable: 'NOBODY_HAS_THIS=1\0', limit: '', exemptions: new Exemptions(keepNothing) });

test('a tree sends no signal to a process that has reused the pid of a member', async () => {
  const pid = await start('/bin/sleep', '500');
  const tree = openTree(pid);
  const startTime = readStat(pid)?.startTime ?? '';
  expect(tree.signal({ pid, startTime: String(Number(startTime) - 1), command: 'sleep' }, 'SIGKILL')).toBe('gone');
  expect(isAlive(pid)).toBe(true);
  expect(tree.signal({ pid, startTime, command: 'sleep' }, 'SIGKILL')).toBe('sent');
});

test('a tree does not count zombies', async () => {
  const pid = await start('/usr/bin/perl', '-e', '$| = 1; exit if !fork; sleep 500');
  const tree = openTree(pid);
  await until(() => listPids().some((other) => parentOf(other) === pid && stateOf(other) === 'Z'));
  expect(tree.scan()).toMatchObject({ members: [{ pid }], proven: true });
});

test('a tree proves nothing while files cannot be opened', async () => {
  const pid = await start('/bin/sleep', '500');
  const tree = openTree(pid);
  const openSync = vi.spyOn(fs, 'openSync').mockImplementation(() => {
    throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
  });
  expect(tree.scan()).toEqual({ members: [], proven: false });
  openSync.mockRestore();
  expect(tree.scan()).toMatchObject({ members: [{ pid }], proven: true });
});

test.runIf(process.getuid?.() === 0)(
  'a termination reports a process of another user and does not wait for it',
  async () => {
    const pid = await start('setpriv', '--reuid', '12345', '--clear-groups', '/bin/sleep', '500');
    await until(() => readStat(pid)?.command === 'sleep');
    const tree = openTree(pid);
    // Without the rights of root, like the devwatch of a user.
    process.seteuid?.(65534);
    try {
      const { gone } = terminateTree(tree, { signal: 'SIGTERM', graceMs: 1, clock: systemClock });
      expect(await gone).toEqual([{ pid, command: '/bin/sleep 500', reason: 'belongs to another user' }]);
    } finally {
      process.seteuid?.(0);
    }
  },
);
