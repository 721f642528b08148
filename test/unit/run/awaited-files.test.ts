/** Files that a program waits for, on a real disk; the program itself is not started. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import type { SettingsInput } from '../../../src/config/settings-types.ts';
import type { Command } from '../../../src/process/launch/command.ts';
import { AwaitedFiles } from '../../../src/run/awaited-files.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { Change, DevwatchEvent } from '../../../src/shared/events.ts';
import { createCommand } from '../../support/command.ts';
import { until } from '../../support/facts.ts';
import { createProject, type Project } from '../../support/project.ts';

function open(project: Project, command: Partial<Command> = {}, settings: SettingsInput = {}) {
  const events: DevwatchEvent[] = [];
  const appeared: Change[] = [];
  const loaded = loadGiven({ exec: 'x', ...settings }, project.path);
  const files = new AwaitedFiles({
    clock: systemClock,
    plan: () => ({ loaded, program: [], nodeArgs: [], env: {}, command: createCommand(command) }),
    emit: (event) => void events.push(event),
    onAppear: (change) => void appeared.push(change),
  });
  const appears = (name: string) =>
    until(() => appeared.some(({ path, kind }) => path === project.at(name) && kind === 'add'));
  return { files, events, appeared, appears, [Symbol.dispose]: () => files.stop() };
}

describe('a run lacks', () => {
  test.each<[what: string, command: (project: Project) => Partial<Command>, settings: SettingsInput, missing: string]>([
    ['nothing that exists', (project) => ({ needs: [project.at('a.js')] }), {}, ''],
    ['nothing if one of several files exists', (project) => ({ needs: [project.at('x'), project.at('a.js')] }), {}, ''],
    ['its script', (project) => ({ needs: [project.at('dist/b.js')] }), {}, 'dist/b.js'],
    ['its interpreter', (project) => ({ file: project.at('bin/x'), isNode: false }), {}, 'bin/x'],
    ['nothing if its end is to be reported', (project) => ({ needs: [project.at('b.js')] }), { exitOnCrash: true }, ''],
  ])('%s', async (_, command, settings, missing) => {
    await using project = createProject({ 'a.js': '' });
    using awaited = open(project, command(project), settings);
    expect(awaited.files.isComplete()).toBe(missing === '');
    awaited.files.awaitNeeded();
    expect(awaited.events).toEqual(
      missing === '' ? [] : [{ type: 'wait', reason: 'missing', paths: [project.at(missing)] }],
    );
  });

  test('its folder', async () => {
    await using project = createProject({ 'sub/a.js': '' });
    using awaited = open(project, { needs: [project.at('sub/a.js')] }, { cwd: 'sub' });
    fs.rmSync(project.at('sub'), { recursive: true });
    expect(awaited.files.isComplete()).toBe(false);
    awaited.files.awaitNeeded();
    expect(awaited.events).toMatchObject([{ type: 'wait', paths: [project.at('sub')] }]);
  });
});

test('a file that a run needs is reported once, until a run starts or is requested', async () => {
  await using project = createProject();
  using awaited = open(project, { needs: [project.at('a.js')] });
  const wait = (): number => {
    awaited.files.isComplete();
    awaited.files.awaitNeeded();
    return awaited.events.length;
  };
  expect([wait(), wait(), awaited.files.hasLacked]).toEqual([1, 1, true]);
  awaited.files.runRequested();
  expect(wait()).toBe(2);
  project.write('a.js', '');
  await awaited.appears('a.js');
  awaited.files.runStarted();
  expect(awaited.files.hasLacked).toBe(false);
  fs.rmSync(project.at('a.js'));
  expect(wait()).toBe(3);
});

describe('a crashed program may be repaired by', () => {
  const manifest = { 'package.json': '{}', 'packages/api/server.js': '' };

  test.each([
    ['npm', 'node_modules/.package-lock.json'],
    ['npm in the root of a monorepo', '../../node_modules/.package-lock.json'],
    ['pnpm', 'node_modules/.modules.yaml'],
    ['Yarn', 'node_modules/.yarn-state.yml'],
    ['Yarn 1', 'node_modules/.yarn-integrity'],
    ["Plug'n'Play", '.pnp.cjs'],
  ])('%s', async (_, mark) => {
    await using project = createProject(manifest);
    const folder = 'packages/api';
    using awaited = open(project, { script: project.at(`${folder}/server.js`) }, { cwd: folder });
    awaited.files.runStarted();
    awaited.files.awaitRepair();
    project.write(`${folder}/${mark}`, '{}');
    await awaited.appears(`${folder}/${mark}`.replace('packages/api/../../', ''));
  });

  test.each([
    [
      'a module that it names by a path',
      { request: '../build/client', from: 'packages/api/server.js' },
      'packages/build/client.js',
    ],
    [
      'a folder that it names by a path',
      { request: './gen', from: 'packages/api/server.js' },
      'packages/api/gen/index.js',
    ],
    [
      'a package that no package manager marks',
      { request: '@a/b/c.js', from: 'packages/api/server.js' },
      'node_modules/@a/b',
    ],
  ])('%s', async (_, { request, from }, name) => {
    await using project = createProject(manifest);
    using awaited = open(project);
    awaited.files.runStarted();
    awaited.files.lacksModule({ request, from: project.at(from) });
    awaited.files.awaitRepair();
    if (name.endsWith('.js')) project.write(name, '');
    else project.write(`${name}/package.json`, '{}');
    await awaited.appears(name);
  });

  test('an installation that ended while the program was starting', async () => {
    await using project = createProject(manifest);
    using awaited = open(project);
    awaited.files.runStarted();
    project.write('node_modules/.package-lock.json', '{}');
    awaited.files.awaitRepair();
    await awaited.appears('node_modules/.package-lock.json');
  });

  test('a loader that is being installed, once the installation has ended', async () => {
    await using project = createProject(manifest);
    using awaited = open(project);
    awaited.files.runStarted();
    awaited.files.lacksModule({ request: project.at('node_modules/tsx/dist/loader.mjs') });
    awaited.files.awaitRepair();
    project.write('node_modules/tsx/dist/loader.mjs', '');
    project.write('node_modules/.package-lock.json', '{}');
    await awaited.appears('node_modules/.package-lock.json');
    expect(awaited.appeared).toHaveLength(1);
  });

  test('an earlier installation does not count, and nothing does where no file is watched', async () => {
    await using project = createProject({ ...manifest, 'node_modules/.package-lock.json': '{}' });
    fs.utimesSync(project.at('node_modules/.package-lock.json'), 1, 1);
    using awaited = open(project);
    using unwatched = open(project, {}, { watch: [] });
    for (const { files } of [awaited, unwatched]) {
      files.runStarted();
      files.awaitRepair();
    }
    project.write('node_modules/.modules.yaml', '');
    await awaited.appears('node_modules/.modules.yaml');
    expect(awaited.appeared).toHaveLength(1);
    expect(unwatched.appeared).toEqual([]);
  });
});
