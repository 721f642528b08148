import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../../../src/process/launch/command.ts';
import { planParking } from '../../../../src/process/standby/parking-plan.ts';
import { createProject } from '../../../support/project.ts';

function command(
  nodeArgs: readonly string[],
  script: string | undefined = '/project/server.js',
  isNode = true,
): Command {
  return { file: process.execPath, nodeArgs, args: ['server.js'], display: '', script, extensions: [], isNode };
}

/** The plan in short: where, and the flags with the names of our own files only. */
function plan(nodeArgs: readonly string[], env: NodeJS.ProcessEnv = {}, script?: string): unknown {
  const planned = planParking(command(nodeArgs, script), env);
  return planned === undefined
    ? undefined
    : [
        planned.where,
        ...(planned.samples.length > 0 ? ['typescript'] : []),
        ...planned.nodeArgs.map((word) => (/\/preload\/park\.[cm]js$/.test(word) ? path.basename(word) : word)),
      ];
}

const tsx = 'file:///project/node_modules/tsx/dist/loader.mjs';

describe('a process waits', () => {
  test.each([
    ['in the preload, where nothing else is loaded', [], ['here']],
    [
      'in the preload, other flags or not',
      ['--enable-source-maps', '-C', 'dev'],
      ['here', '--enable-source-maps', '-C', 'dev'],
    ],
    ['behind a loader that is imported', ['--import', 'tsx'], ['later', '--import', 'tsx', '--import', 'park.mjs']],
    ['behind a loader by its file', ['--import', tsx], ['later', '--import', tsx, '--import', 'park.mjs']],
    [
      'behind a loader that is required',
      ['-r', 'ts-node/register'],
      ['later', '-r', 'ts-node/register', '--require', 'park.cjs'],
    ],
    [
      'behind a flag with its value attached',
      ['--require=@swc-node/register'],
      ['later', '--require=@swc-node/register', '--require', 'park.cjs'],
    ],
    [
      'behind the last of several loaders',
      ['--import', 'tsx', '-r', 'tsconfig-paths/register'],
      ['later', '--import', 'tsx', '--import', 'park.mjs', '-r', 'tsconfig-paths/register'],
    ],
    ['before what the program itself preloads', ['--import', './own.mjs'], ['here', '--import', './own.mjs']],
    ['before a package that is no loader', ['-r', 'dotenv/config'], ['here', '-r', 'dotenv/config']],
    [
      'between a loader and the program’s own',
      ['--import', 'tsx', '--import', './own.ts'],
      ['later', '--import', 'tsx', '--import', 'park.mjs', '--import', './own.ts'],
    ],
    [
      'before an own file that is required, for that comes before imports',
      ['--import', 'tsx', '-r', './own.cjs'],
      ['here', '--import', 'tsx', '-r', './own.cjs'],
    ],
  ])('%s', (_, nodeArgs, wanted) => {
    expect(plan(nodeArgs)).toEqual(wanted);
  });

  test('as a module where the script is one', async () => {
    await using project = createProject({
      'package.json': '{"type": "module"}',
      'old/package.json': '{}',
      'broken/package.json': '{',
    });
    const asModule = ['later', '--import', 'park.mjs'];
    expect(plan([], {}, project.at('server.mjs'))).toEqual(asModule);
    expect(plan([], {}, project.at('server.js'))).toEqual(asModule);
    expect(plan([], {}, project.at('src/server.ts'))).toEqual(['later', 'typescript', '--import', 'park.mjs']);
    expect(plan([], {}, project.at('server.cjs'))).toEqual(['here']);
    expect(plan([], {}, project.at('old/server.js'))).toEqual(['here']);
    expect(plan([], {}, project.at('broken/server.js'))).toEqual(['here']);
  });
});

describe('no process is prepared', () => {
  test.each([
    ['--inspect'],
    ['--inspect-brk=0'],
    ['--cpu-prof'],
    ['--heap-prof'],
    ['--prof'],
    ['--test'],
    ['--watch'],
    ['--env-file=.env'],
    ['--trace-events-enabled'],
    ['--snapshot-blob', 'x'],
    ['-e', '1'],
  ])('with %s', (...nodeArgs) => {
    expect(plan(nodeArgs)).toBeUndefined();
  });

  test.each(['--inspect', '--max-old-space-size=100 --cpu-prof', '--require ./own.cjs', '--import=./own.mjs'])(
    'with NODE_OPTIONS=%j',
    (options) => {
      expect(plan([], { NODE_OPTIONS: options })).toBeUndefined();
    },
  );

  test('for what Node does not run itself', () => {
    expect(planParking(command([], '/project/run.py', false), {})).toBeUndefined();
  });
});

test('harmless NODE_OPTIONS keep no process from being prepared', () => {
  expect(plan([], { NODE_OPTIONS: '--max-old-space-size=100 --import tsx' })).toEqual(['here']);
});
