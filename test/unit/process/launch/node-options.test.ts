import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { withPreloadsMoved } from '../../../../src/process/launch/node-options.ts';
import { preloadFile } from '../../../../src/process/launch/preload-files.ts';
import { childOptions } from '../../../support/fake-child.ts';
import { createProject } from '../../../support/project.ts';

const move = (NODE_OPTIONS: string | undefined, nodeArgs: readonly string[] = ['-r', './own.cjs']) =>
  withPreloadsMoved({
    ...childOptions,
    command: { ...childOptions.command, nodeArgs },
    env: { PATH: '/bin', ...(NODE_OPTIONS !== undefined && { NODE_OPTIONS }) },
  });

test.each<[options: string, moved: readonly string[], rest: string | undefined]>([
  ['--require ./a.cjs', ['--require', './a.cjs'], undefined],
  ['-r a --import=b --no-warnings', ['-r', 'a', '--import=b'], '--no-warnings'],
  [
    '--title="a b" --require "/a b/c.js" --inspect-port=0',
    ['--require', '/a b/c.js'],
    '--title="a b" --inspect-port=0',
  ],
])('the preloads in NODE_OPTIONS=%s stand before those of the command line', (options, moved, rest) => {
  const { command, env, nodeOptions } = move(options);
  expect(command.nodeArgs).toEqual([...moved, '-r', './own.cjs']);
  expect([env.NODE_OPTIONS, nodeOptions, env.PATH]).toEqual([rest, options, '/bin']);
  expect('NODE_OPTIONS' in env).toBe(rest !== undefined);
});

test.each([undefined, '', '--no-warnings', '--experimental-loader ./a.mjs'])(
  'NODE_OPTIONS=%s stays as it is',
  (options) => {
    const { command, env, nodeOptions } = move(options);
    expect([command.nodeArgs, env.NODE_OPTIONS, nodeOptions]).toEqual([['-r', './own.cjs'], options, undefined]);
  },
);

test('the program finds its own variable and flags, also in worker threads', async () => {
  await using project = createProject({
    'a b.cjs': 'console.log("loaded", process.env.NODE_OPTIONS);',
    'main.cjs': `
      const facts = 'console.log(JSON.stringify([process.env.NODE_OPTIONS, process.execArgv]))';
      eval(facts);
      new (require('worker_threads').Worker)(facts, { eval: true, execArgv: undefined });`,
  });
  const nodeOptions = '--require "./a b.cjs" --no-warnings';
  const { command, env } = move(nodeOptions, ['--no-deprecation', '--require', './a b.cjs']);
  const orders = JSON.stringify({ channel: 3, parent: process.pid, nodeOptions });
  const words = ['--require', preloadFile('preload.cjs'), ...command.nodeArgs, 'main.cjs'];
  const { stdout } = spawnSync(process.execPath, words, {
    cwd: project.path,
    encoding: 'utf8',
    env: { ...env, DEVWATCH_CHANNEL: orders },
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  const facts = JSON.stringify([nodeOptions, ['--no-deprecation', '--require', './a b.cjs']]);
  const loaded = `loaded ${nodeOptions}`;
  expect(stdout.trim().split('\n')).toEqual([loaded, facts, loaded, facts]);
});
