import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../../../src/process/launch/command.ts';
import { flagBeforeScript, flagOfEnvironment, planParking } from '../../../../src/process/standby/parking-plan.ts';
import { createCommand } from '../../../support/command.ts';
import { createProject } from '../../../support/project.ts';

const command = (nodeArgs: readonly string[], script = '/project/server.js', isNode = true): Command =>
  createCommand({ nodeArgs, args: ['server.js'], script, isNode });

/** The plan in short: where it waits, and the flags with the base names of devwatch's files. */
function plan(nodeArgs: readonly string[], env: NodeJS.ProcessEnv = {}, script?: string): unknown {
  const planned = planParking(command(nodeArgs, script), env);
  return planned === undefined
    ? undefined
    : [
        planned.where,
        ...(planned.samples.length > 0 ? ['typescript'] : []),
        ...planned.nodeArgs.map((word) => (/\/preload[^/]*\/park\.[cm]js$/.test(word) ? path.basename(word) : word)),
      ];
}

const tsx = 'file:///project/node_modules/tsx/dist/loader.mjs';

describe('a standby waits', () => {
  test.each([
    ['in the preload if there are no other modules', [], ['here']],
    [
      'in the preload with flags that load no module',
      ['--enable-source-maps', '-C', 'dev'],
      ['here', '--enable-source-maps', '-C', 'dev'],
    ],
    ['after an imported loader', ['--import', 'tsx'], ['later', '--import', 'tsx', '--import', 'park.mjs']],
    ['after a loader that is named by its file', ['--import', tsx], ['later', '--import', tsx, '--import', 'park.mjs']],
    [
      'after a required loader',
      ['-r', 'ts-node/register'],
      ['later', '-r', 'ts-node/register', '--require', 'park.cjs'],
    ],
    [
      'after a flag with its value attached',
      ['--require=@swc-node/register'],
      ['later', '--require=@swc-node/register', '--require', 'park.cjs'],
    ],
    [
      'after the last of several loaders',
      ['--import', 'tsx', '-r', 'tsconfig-paths/register'],
      ['later', '--import', 'tsx', '--import', 'park.mjs', '-r', 'tsconfig-paths/register'],
    ],
    [
      "after Yarn's Plug'n'Play",
      ['--require', '/p/.pnp.cjs', '--require', 'own'],
      ['later', '--require', '/p/.pnp.cjs', '--require', 'park.cjs', '--require', 'own'],
    ],
    ['before a module of the program', ['--import', './own.mjs'], ['here', '--import', './own.mjs']],
    ['before a package that is not a loader', ['-r', 'dotenv/config'], ['here', '-r', 'dotenv/config']],
    [
      'between a loader and a module of the program',
      ['--import', 'tsx', '--import', './own.ts'],
      ['later', '--import', 'tsx', '--import', 'park.mjs', '--import', './own.ts'],
    ],
    [
      'before a required module of the program, because Node loads it before imports',
      ['--import', 'tsx', '-r', './own.cjs'],
      ['here', '--import', 'tsx', '-r', './own.cjs'],
    ],
  ])('%s', (_, nodeArgs, wanted) => {
    expect(plan(nodeArgs)).toEqual(wanted);
  });

  test('in a module if the script is one', async () => {
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

describe('no standby is possible', () => {
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

  test.each([
    ['--inspect', '--inspect'],
    ['--max-old-space-size=100 --cpu-prof', '--cpu-prof'],
    ['--loader ./own.mjs', '--loader'],
  ])('with NODE_OPTIONS=%j, which is said', (options, flag) => {
    const env = { NODE_OPTIONS: options };
    expect([plan([], env), flagOfEnvironment(env)]).toEqual([undefined, flag]);
  });

  test('with a loader of ES modules, which is said', () => {
    const nodeArgs = ['--experimental-loader=./own.mjs'];
    expect([plan(nodeArgs), flagBeforeScript(nodeArgs)]).toEqual([undefined, '--experimental-loader']);
    expect(flagBeforeScript(['--enable-source-maps'])).toBeUndefined();
  });

  test('for a script that Node does not run directly', () => {
    expect(planParking(command([], '/project/run.py', false), {})).toBeUndefined();
  });
});

test('a standby is possible with harmless NODE_OPTIONS', () => {
  const loader = '--experimental-loader file:///p/.pnp.loader.mjs';
  const env = { NODE_OPTIONS: `--max-old-space-size=100 --inspect-publish-uid=http ${loader}` };
  expect([plan([], env), flagOfEnvironment(env)]).toEqual([['here'], undefined]);
});
