import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createContainment } from '../../../../src/process/tree/containment.ts';
import { writtenByEndedChildren } from '../../../../src/process/tree/proc-usage.ts';
import type { ProcessTree } from '../../../../src/process/tree/tree.ts';
import { treeMemory } from '../../../../src/process/tree/usage.ts';
import { openHome } from '../../../support/home.ts';
import { keepNothing, launchTree } from '../../../support/launch.ts';
import { createProject } from '../../../support/project.ts';

const megabyte = 2 ** 20;

describe.runIf(process.platform === 'linux')('the memory of a tree', () => {
  test('is that of its root and a grandchild, each once', async () => {
    await using home = await openHome();
    const containment = createContainment(keepNothing);
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
    await home.caller(({ says }) => says.allocated === 100);
    if (tree === undefined) throw new Error('no tree was opened');
    const bytes = treeMemory(tree) ?? 0;
    program.end('killing');
    expect(await gone).toEqual([]);
    expect(treeMemory(tree)).toBe(0);
    containment.release();
    expect(bytes).toBeGreaterThan(300 * megabyte);
    expect(bytes).toBeLessThan(600 * megabyte);
  });

  test('is the resident memory of a process whose shared memory is unreadable, and 0 for an exited process', () => {
    const members = [{ pid: 2 ** 22 + 1, startTime: '1', command: 'gone' }];
    const tree = { scan: () => ({ members, proven: true }) } as unknown as ProcessTree;
    expect(treeMemory(tree)).toBe(0);
    members.push({ pid: process.pid, startTime: '1', command: 'node' });
    expect(treeMemory(tree)).toBeGreaterThan(20 * megabyte);
  });
});

test.runIf(process.platform === 'linux')('writes of devwatch itself are not those of its children', async () => {
  await using project = createProject();
  const content = 'x'.repeat(8 * megabyte);
  const written = (): number => writtenByEndedChildren();
  // Children and threads of earlier tests may end meanwhile, which have written less than half of this.
  const before = written();
  fs.writeFileSync(project.at('1.txt'), content);
  await fs.promises.writeFile(project.at('2.txt'), content);
  const between = written();
  expect(between - before).toBeLessThan(content.length / 2);
  execFileSync('/bin/sh', ['-c', 'cat 1.txt > 3.txt'], { cwd: project.path });
  // A file system in memory counts nothing.
  const isInMemory = fs.statfsSync(project.path).type === 0x0102_1994;
  expect(written() - between).toBeGreaterThanOrEqual(isInMemory ? 0 : content.length);
});

/** Returns a program that allocates memory, reports it, and then starts another. */
function allocate(megabytes: number, next?: string): string {
  const start =
    next === undefined
      ? ''
      : `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(next)}], { stdio: 'inherit' });`;
  return `globalThis.taken = Buffer.alloc(${megabytes} * 2 ** 20, 1);
    require(process.env.TEST_DIAL)({ allocated: ${megabytes} });
    ${start}`;
}
