import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { platform } from '../../../../src/process/platform.ts';
import { throughShell } from '../../../../src/process/through-shell.ts';
import { findCgroup, removeCgroups } from '../../../../src/process/tree/cgroup.ts';
import { createContainment, openOrphans } from '../../../../src/process/tree/containment.ts';
import { pidNamespace } from '../../../../src/process/tree/proc.ts';
import { until } from '../../../support/deadline.ts';
import { keepNothing } from '../../../support/launch.ts';
import { asPlatform } from '../../../support/platform.ts';

const invocation = { file: '/bin/echo', args: ['a'], env: { PATH: '/bin:/usr/bin', 'npm.x': '1' } };

test('on Windows containment leaves the invocation as it is, and no orphans can be found', () => {
  using _ = asPlatform('win32');
  const containment = createContainment(keepNothing);
  expect(containment.contain(1, invocation)).toMatchObject(invocation);
  expect(openOrphans({ variable: 'A', limit: '1', cgroup: '/' }, keepNothing)).toEqual([]);
});

test('on macOS containment adds a variable to the invocation, by which orphans are found', () => {
  using _ = asPlatform('darwin');
  const containment = createContainment(keepNothing);
  const { variable } = containment.record;
  const { file, args, env } = containment.contain(3, invocation);
  expect({ file, args, env }).toEqual({ ...invocation, env: { ...invocation.env, [variable]: '3' } });
  expect(openOrphans(containment.record, keepNothing)).toHaveLength(1);
  expect(openOrphans({ variable: '', limit: '', cgroup: '' }, keepNothing)).toEqual([]);
});

test.runIf(process.platform === 'linux')('containment marks each run with a variable of this devwatch', () => {
  const containment = createContainment(keepNothing, false);
  const { variable } = containment.record;
  expect([1, 2].map((run) => containment.contain(run, invocation).env[variable])).toEqual(['1', '2']);
  expect(createContainment(keepNothing, false).record.variable).not.toBe(variable);
});

describe('throughShell', () => {
  const odd = { 'npm.x': '1', 'db.password': ' S3"C$R\\E#T\n$PATH ', '-i': 'x', '--': 'y', ä: '', '1': 'one' };
  const program = { file: '/usr/bin/env', args: ['-0'], env: { PATH: '/bin', LISTEN_FDS: '1', ...odd } };

  /** Returns the variables that `env` prints, each followed by a NUL. */
  const parse = (output: string): Record<string, string> =>
    Object.fromEntries(
      output
        .split('\0')
        .slice(0, -1)
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );

  test('runs the command, and keeps variables with names that the shell does not accept', () => {
    const { file, args, env } = throughShell('echo "$0"', 'first', program) ?? expect.unreachable();
    const [, first, variables = ''] =
      /^(.*?)\n(.*)$/s.exec(spawnSync(file, args, { env, encoding: 'utf8' }).stdout) ?? [];
    expect(first).toBe('first');
    expect(parse(variables)).toMatchObject(program.env);
    expect(variables).not.toContain('DEVWATCH_VARIABLE');
  });

  test('also twice, as for a program with sockets in a cgroup', () => {
    const inner = throughShell('export LISTEN_PID=$$', '', program) ?? expect.unreachable();
    const { file, args, env } = throughShell('true', '', inner) ?? expect.unreachable();
    const child = spawnSync(file, args, { env, encoding: 'utf8' });
    expect(parse(child.stdout)).toMatchObject({ ...program.env, LISTEN_PID: String(child.pid) });
  });

  test('shows no value in the arguments, which every user can read', () => {
    const { args } = throughShell('echo "$0"', 'first', program) ?? expect.unreachable();
    for (const value of ['S3', 'one']) expect(args.join('\0')).not.toContain(value);
  });

  test('refuses to run what `env` would take for a variable', () => {
    expect(throughShell('true', '', { ...program, file: '/opt/a=b/program' })).toBeUndefined();
  });
});

test.runIf(process.platform === 'linux')('containment in any way shows no values of variables in the arguments', () => {
  for (const mayUseCgroup of [true, false]) {
    const containment = createContainment(keepNothing, mayUseCgroup);
    const program = { ...invocation, env: { 'db.password': 'S3CRET', '-i': 'S3CRET' } };
    const { args, file } = containment.contain(1, program);
    expect([file, ...args].join(' ')).not.toContain('S3CRET');
    containment.release();
  }
});

/** The cgroup in which devwatch may make others; undefined where it may not. */
const own = platform.name === 'linux' ? findCgroup() : undefined;

describe.runIf(own !== undefined)('where there are cgroups', () => {
  const folder = own ?? '';
  const invocation = { file: '/bin/true', args: [], env: {} };

  test('containment removes the cgroup of a process that could not be started', () => {
    const containment = createContainment(keepNothing, true);
    for (const run of [1, 2]) containment.contain(run, invocation);
    expect(fs.readdirSync(containment.record.cgroup).filter((name) => /^\d+$/.test(name))).toEqual(['2']);
    containment.release();
    expect(fs.existsSync(containment.record.cgroup)).toBe(false);
  });

  test('the next devwatch removes the empty cgroups of one that is dead, and leaves those of others', async () => {
    const namespace = Number(pidNamespace()).toString(36);
    const [dead, foreign, alive] = [
      `${(2 ** 22 + 1).toString(36)}_${namespace}`,
      `${(2 ** 22 + 1).toString(36)}_1`,
      `${process.pid.toString(36)}_${namespace}`,
    ].map((owner) => path.join(folder, `devwatch-${owner}_test_1`));
    for (const cgroup of [dead, foreign, alive]) fs.mkdirSync(path.join(cgroup ?? '', '1'), { recursive: true });
    createContainment(keepNothing, true).release();
    await until('the removal', () => !fs.existsSync(dead ?? ''));
    expect([foreign, alive].map((cgroup) => fs.existsSync(cgroup ?? ''))).toEqual([true, true]);
    for (const cgroup of [foreign, alive]) removeCgroups(cgroup ?? '');
  });
});
