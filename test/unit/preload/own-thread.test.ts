/** The signal by which a drained program ends itself. It must end as by a signal from outside: without exit hooks. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { expect, test } from 'vitest';
import { createProject } from '../../support/project.ts';
import { loadPreload } from './load.ts';

interface OwnThread {
  findOwnThread(kill: typeof process.kill): number | undefined;
}

/** Loads the module with a fake /proc. */
const load = (self: string, threads: readonly string[]): OwnThread =>
  loadPreload('own-thread.cts', {
    'node:fs': { readlinkSync: () => self, readdirSync: () => threads },
  }) as OwnThread;

const own = String(process.pid);

test.runIf(fs.existsSync('/proc/self/task'))(
  'a program that sends itself a signal by one of its threads writes no coverage',
  async () => {
    await using project = createProject();
    const coverage = project.at('coverage');
    const { findOwnThread } = loadPreload('own-thread.cts') as OwnThread;
    const end = (target: string): [string | null, number] => {
      const code = `const { readdirSync, readlinkSync } = require('fs');
        ${findOwnThread}
        // The other thread may take a moment: this one must not come to its end before.
        setInterval(() => {}, 1e6);
        process.kill(${target}, 'SIGTERM');`;
      const { signal } = spawnSync(process.execPath, ['-e', code], { env: { NODE_V8_COVERAGE: coverage } });
      const written = fs.existsSync(coverage) ? fs.readdirSync(coverage).length : 0;
      fs.rmSync(coverage, { recursive: true, force: true });
      return [signal, written];
    };
    expect(end('findOwnThread(process.kill)')).toEqual(['SIGTERM', 0]);
    expect(end('process.pid')).toEqual(['SIGTERM', 1]);
  },
);

test('a program finds a thread of its own that can receive signals', () => {
  const asked: unknown[][] = [];
  const kill = (...args: unknown[]): true => {
    asked.push(args);
    return true;
  };
  expect(load(own, [own, '77', '78']).findOwnThread(kill)).toBe(77);
  expect(asked).toEqual([[77, 0]]);
});

test.each<[string, string, readonly string[], () => true]>([
  ['in the /proc of another pid namespace', '10001', ['10001', '10002'], () => true],
  ['where it has no other', own, [own], () => true],
  [
    'where the system does not deliver signals to threads',
    own,
    [own, '77'],
    () => {
      throw new Error('ESRCH');
    },
  ],
])('a program finds no thread of its own %s', (_, self, threads, kill) => {
  expect(load(self, threads).findOwnThread(kill)).toBeUndefined();
});
