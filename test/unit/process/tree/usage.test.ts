import { describe, expect, test } from 'vitest';
import { createContainment } from '../../../../src/process/tree/containment.ts';
import type { ProcessTree } from '../../../../src/process/tree/tree.ts';
import { createMemoryWatch, treeMemory } from '../../../../src/process/tree/usage.ts';
import { createClock } from '../../../support/clock.ts';
import { openHome } from '../../../support/home.ts';
import { launchTree } from '../../../support/launch.ts';

const megabyte = 2 ** 20;

/** Begins to watch a program of which each sample is the next of these, then the last again. */
function watch(
  samples: readonly (number | undefined)[],
  further: { limit?: number | undefined; samples?: number } = {},
) {
  const clock = createClock();
  const exceeded: number[] = [];
  let taken = 0;
  const memory = createMemoryWatch({
    clock,
    limit: 100,
    ...further,
    measure() {
      taken += 1;
      return samples[Math.min(taken, samples.length) - 1];
    },
    onExceeded: (bytes) => exceeded.push(bytes),
  });
  memory.begin();
  return { clock, memory, exceeded, taken: () => taken };
}

describe('a limit of memory is exceeded', () => {
  test('when two samples in a row are above it, and that is told once', () => {
    const { clock, exceeded, taken } = watch([101, 102]);
    clock.advance(3999);
    expect(exceeded).toEqual([]);
    clock.advance(1);
    expect(exceeded).toEqual([102]);
    clock.advance(60_000);
    expect(exceeded).toEqual([102]);
    expect({ taken: taken(), pending: clock.pending }).toEqual({ taken: 2, pending: 0 });
  });

  test('not when it is only reached, nor by single peaks, nor when nothing is known', () => {
    for (const samples of [[100], [101, 100, 101, 100, 101, 99], [undefined], [101, undefined, 101, 100]]) {
      const { clock, exceeded, taken } = watch(samples);
      clock.advance(12_000);
      expect({ exceeded, taken: taken() }).toEqual({ exceeded: [], taken: 6 });
    }
  });

  test('by as many samples as are asked for', () => {
    const { clock, exceeded } = watch([101, 102, 103], { samples: 3 });
    clock.advance(60_000);
    expect(exceeded).toEqual([103]);
  });

  test('again in the next run, which begins anew', () => {
    const { clock, memory, exceeded } = watch([101, 102, 103, 104]);
    clock.advance(2000);
    memory.begin();
    clock.advance(2000);
    expect(exceeded).toEqual([]);
    clock.advance(2000);
    expect(exceeded).toEqual([103]);
    memory.begin();
    clock.advance(4000);
    expect(exceeded).toEqual([103, 104]);
  });

  test('not after the end of the run', () => {
    const { clock, memory, exceeded } = watch([101]);
    clock.advance(2000);
    memory.end();
    memory.end();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(exceeded).toEqual([]);
  });

  test('never without one, and no timer waits', () => {
    const { clock, taken } = watch([101], { limit: undefined });
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(taken()).toBe(0);
  });
});

describe.runIf(process.platform === 'linux')('the memory of a tree', () => {
  test('holds what its root and a grandchild have taken, each once', async () => {
    await using home = await openHome();
    const containment = createContainment({ keep: [] });
    let tree: ProcessTree | undefined;
    const { program, gone } = launchTree({
      containment: {
        ...containment,
        // The launcher keeps the tree to itself.
        contain(...parameters) {
          const contained = containment.contain(...parameters);
          return {
            ...contained,
            open(pid) {
              tree = contained.open(pid);
              return tree;
            },
          };
        },
      },
      file: process.execPath,
      args: ['-e', allocate(200, allocate(100))],
      env: { ...process.env, ...home.env },
    });
    await home.until(({ says }) => says.allocated === 100);
    if (tree === undefined) throw new Error('no tree was opened');
    const bytes = treeMemory(tree) ?? 0;
    program.end('killing');
    expect(await gone).toEqual([]);
    expect(treeMemory(tree)).toBe(0);
    containment.release();
    expect(bytes).toBeGreaterThan(300 * megabyte);
    expect(bytes).toBeLessThan(600 * megabyte);
  });

  test('is what a process has when what it shares is not told, and nothing of one that has ended', () => {
    const members = [{ pid: 2 ** 22 + 1, startTime: '1', command: 'gone' }];
    const tree = { scan: () => ({ members, proven: true }) } as unknown as ProcessTree;
    expect(treeMemory(tree)).toBe(0);
    members.push({ pid: process.pid, startTime: '1', command: 'node' });
    expect(treeMemory(tree)).toBeGreaterThan(20 * megabyte);
  });
});

/** A program that takes memory, says so, and starts another when it has. */
function allocate(megabytes: number, next?: string): string {
  const start =
    next === undefined
      ? ''
      : `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(next)}], { stdio: 'inherit' });`;
  return `globalThis.taken = Buffer.alloc(${megabytes} * 2 ** 20, 1);
    require(process.env.TEST_DIAL)({ allocated: ${megabytes} });
    ${start}`;
}
