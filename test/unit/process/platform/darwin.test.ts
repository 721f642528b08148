/** The facts of macOS that `ps` gives, with the `ps` of this system where its output has the same form. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { darwin, unixNamed } from '../../../../src/process/platform/darwin.ts';
import { until } from '../../../support/deadline.ts';

describe.runIf(process.platform !== 'win32')('on macOS', () => {
  const { processes, usage, terminal, sockets, trees } = darwin;

  test('a process is known by its start time, as long as it lives', async () => {
    const child = spawn('sleep', ['600']);
    const pid = child.pid ?? 0;
    const started = Number(processes.startTimeOf(pid));
    expect(Math.abs(started - Date.now() / 1000)).toBeLessThan(600);
    expect(processes.startTimeOf(process.pid)).toBe(processes.startTimeOf(process.pid));
    expect([...processes.groupsOf([pid])]).toEqual([[pid, processes.groupsOf([process.pid]).get(process.pid)]]);
    expect(processes.isStopped(pid)).toBe(false);
    child.kill('SIGSTOP');
    await until('the process to stop', () => processes.isStopped(pid));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect([processes.startTimeOf(pid), processes.isStopped(pid), processes.groupsOf([pid]).size]).toEqual([
      undefined,
      false,
      0,
    ]);
  });

  test('memory and CPU time are those of the processes that live', () => {
    expect(usage.memoryOf([process.pid, 2 ** 22 + 1])).toBeGreaterThan(20 * 2 ** 20);
    expect(usage.cpuTimeOf([process.pid])).toBeGreaterThanOrEqual(0);
    expect([usage.memoryOf([]), usage.cpuTimeOf([]), usage.hasMemoryFor(1)]).toEqual([0, 0, true]);
  });

  test('unknown facts are undefined or empty, and nothing is made up', () => {
    expect([usage.writtenBy([1]), usage.writtenByEndedChildren(), processes.initialVariables()]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([...processes.gitCommands()]).toEqual([]);
    expect([processes.gitCommandOf(1), processes.obstacle(), darwin.output.unreadStream()]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(processes.inheritableDescriptors()).toEqual([]);
    expect(processes.openFileLimit()).toBe(Number.POSITIVE_INFINITY);
    expect(processes.isInSession(1, 2)).toBe(true);
    expect(darwin.watching.inotifyUse()).toEqual({ watches: 0, instances: 0 });
    expect(trees.openOrphans({ variable: '', limit: '', cgroup: '' }, { globs: [], program: [] })).toEqual([]);
  });

  test('the groups of the terminal are asked for once in a while', () => {
    const groups = terminal.groups();
    expect(groups?.own).toBe(processes.groupsOf([process.pid]).get(process.pid));
    expect(terminal.groups()).toBe(groups);
  });

  test('a server exists for a moment in a folder of its own', () => {
    const { name, token, remove } = sockets.momentaryAddress();
    expect([path.basename(name), token]).toEqual(['s', '']);
    remove();
    expect(fs.existsSync(path.dirname(name))).toBe(false);
  });
});

test('other systems of the Unix family have no launchd, and no id of a boot', () => {
  const { title, service, processes } = unixNamed('freebsd');
  expect([title, service.manager, processes.bootId()]).toEqual(['freebsd', undefined, '']);
});
