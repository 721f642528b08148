import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { platform, platformNamed } from '../../../../src/process/platform.ts';
import { createContainment, openOrphans, throughShell } from '../../../../src/process/tree/containment.ts';

const invocation = { file: '/bin/echo', args: ['a'], env: { PATH: '/bin:/usr/bin', 'npm.x': '1' } };

afterEach(() => void Object.assign(platform, platformNamed(process.platform)));

describe.each(['darwin', 'win32'] as const)('on %s', (name) => {
  test('containment leaves the invocation as it is, and no orphans can be found', () => {
    Object.assign(platform, platformNamed(name));
    const containment = createContainment([]);
    expect(containment.contain(1, invocation, false)).toMatchObject(invocation);
    expect(openOrphans({ variable: 'A', limit: '1', cgroup: '/' }, [])).toEqual([]);
  });
});

test.runIf(process.platform === 'linux')('containment marks each run with a variable of this devwatch', () => {
  const containment = createContainment([], false);
  const { variable } = containment.record;
  expect([1, 2].map((run) => containment.contain(run, invocation, false).env[variable])).toEqual(['1', '2']);
  expect(createContainment([], false).record.variable).not.toBe(variable);
});

test('throughShell runs the command, and keeps variables with names that the shell does not accept', () => {
  const program = { file: process.execPath, args: ['-p', 'process.env["npm.x"]'], env: invocation.env };
  const { file, args, env } = throughShell('echo "$0"', 'first', program);
  expect(spawnSync(file, args, { env, encoding: 'utf8' }).stdout).toBe('first\n1\n');
});
