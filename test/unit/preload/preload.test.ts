/** The preload's work before the program begins. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import * as nodeModule from 'node:module';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ParkOrders } from '../../../src/preload/protocol.ts';
import { preloadFile } from '../../../src/process/launch/preload-files.ts';
import { findCgroup } from '../../../src/process/tree/cgroup.ts';
import { createProject } from '../../support/project.ts';

interface Start {
  readonly parent?: number;
  readonly isHeld?: boolean;
  readonly compileCache?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly flags?: readonly string[];
  readonly park?: ParkOrders;
}

function run(code: string, { parent = process.pid, isHeld, compileCache, env = {}, flags = [], park }: Start = {}) {
  const orders = JSON.stringify({ channel: 3, parent, isHeld, compileCache, park });
  const words = ['--require', preloadFile('preload.cjs'), ...flags, '-e', code];
  const { stdout, stderr, signal, status } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    env: { ...env, DEVWATCH_CHANNEL: orders },
    // A held process reads the end of the channel at once.
    stdio: ['ignore', 'pipe', 'pipe', isHeld === true ? 'ignore' : 'pipe'],
  });
  return { stdout, stderr, signal, status };
}

test('the preload kills the process if devwatch is gone before the program begins', () => {
  expect(run('console.log("begins")', { parent: 1 })).toMatchObject({ stdout: '', signal: 'SIGKILL' });
  expect(run('console.log("begins")', { isHeld: true })).toMatchObject({ stdout: '', signal: 'SIGKILL' });
  expect(run('console.log("begins")')).toMatchObject({ stdout: 'begins\n', signal: null, status: 0 });
});

test.each([
  ['--require', 'file.cjs', 'throw new Error("broken")'],
  ['--require', 'file.cjs', 'Promise.reject(new Error("broken"))'],
  ['--import', 'file.mjs', 'throw new Error("broken")'],
  ['--import', 'file.mjs', 'import "./missing.mjs"'],
])('a process that cannot boot before it waits prints nothing: %s %s: %s', async (flag, name, text) => {
  await using project = createProject({ [name]: text });
  const park = { where: 'later', samples: [], packages: [] } as const;
  const flags = [flag, project.at(name)];
  expect(run('', { flags, park })).toEqual({ stdout: '', stderr: '', signal: 'SIGKILL', status: null });
  expect(run('', { flags }).stderr).not.toBe('');
});

test('the preload turns on the compile cache of Node, where Node has one', async () => {
  await using project = createProject();
  const folder = project.at('compiled');
  const { stdout } = run('console.log(require("module").getCompileCacheDir?.())', { compileCache: folder });
  const hasCache = 'getCompileCacheDir' in nodeModule;
  expect(stdout.startsWith(hasCache ? `${folder}/` : 'undefined')).toBe(true);
});

const own = findCgroup();

describe.skipIf(own === undefined)('the preload', () => {
  const folder = path.join(own ?? '', `devwatch-test-${process.pid}`);
  const cgroupProcsFile = path.join(folder, 'cgroup.procs');

  beforeAll(() => fs.mkdirSync(folder));
  afterAll(() => fs.rmdirSync(folder));

  test('joins the cgroup before the program begins, if devwatch has not moved the process yet', () => {
    const code = 'console.log(require("fs").readFileSync("/proc/self/cgroup", "utf8"), process.env)';
    const { stdout } = run(code, { env: { DEVWATCH_CGROUP_PROCS: cgroupProcsFile } });
    expect(stdout).toContain(path.basename(folder));
    expect(stdout).not.toContain('DEVWATCH');
  });

  test('starts no program outside a cgroup that is gone', () => {
    const { stdout, status } = run('console.log("begins")', {
      env: { DEVWATCH_CGROUP_PROCS: `${folder}-gone/cgroup.procs` },
    });
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });
});
