/** The example of a settings file is one, and it is complete. */

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { defaultSettings } from '../../src/config/defaults.ts';
import { loadProject, loadSettings } from '../../src/config/load.ts';
import { optionKeys } from '../../src/config/options.ts';
import { createProject } from '../support/project.ts';

const file = path.resolve('.watchrc.example');
const text = fs.readFileSync(file, 'utf8');

test('the example is valid and sets the values that it shows', async () => {
  await using project = createProject();
  const { settings, notes } = loadSettings({ given: new Map(), folder: project.path, config: file });

  expect(notes).toEqual([]);
  expect(settings).toEqual({
    ...defaultSettings,
    script: 'server.js',
    args: ['--verbose'],
    nodeArgs: ['--enable-source-maps'],
    execMap: { rb: 'ruby -w' },
    env: { NODE_ENV: 'development' },
    envFile: [path.resolve('.env')],
    envFileIfExists: [path.resolve('.env.local')],
    watch: ['src', 'config/*.json', 'server.js'],
    ignore: ['*.test.js', 'src/generated'],
    ext: ['js', 'mjs', 'cjs', 'json'],
    prewarm: { except: ['config'] },
  });
});

test('a copy of the example named .watchrc is found and valid', async () => {
  await using project = createProject({ '.watchrc': text });
  expect(loadSettings({ given: new Map(), folder: project.path }).file).toBe(project.at('.watchrc'));
});

test('the lines in comments are valid', async () => {
  await using project = createProject({ '.watchrc': text.replaceAll(/^( *)\/\/ (".*,)$/gm, '$1$2') });
  fs.mkdirSync(project.at('packages/web'), { recursive: true });
  const { common, apps } = loadProject({ given: new Map(), folder: project.path });

  expect(apps.map(({ app, folder, settings }) => [app, folder, settings.script, settings.after])).toEqual([
    ['api', project.at('packages/web'), 'api.js', []],
    ['web', project.at('packages/web'), 'web.js', ['api']],
  ]);
  expect(common.settings).toMatchObject({
    exec: 'npm run build && node',
    cwd: project.at('packages/web'),
    delay: 250,
    pollInterval: 500,
    keep: ['chrome*', 'watchman'],
    health: { probe: 'event-loop', interval: 10_000, timeout: 5000, failures: 2, grace: 10_000 },
    ready: 'http://localhost:3000/',
    maxMemory: 500 * 2 ** 20,
    timeout: 60_000,
    on: { crash: 'notify-send crashed', ready: { shell: expect.any(String) } },
  });
});

test('the example shows every key', () => {
  const shown = [...text.matchAll(/^ {2}(?:\/\/ )?"(\w+)":/gm)].map(([, key]) => key);
  expect(text).toContain('"after": [');
  expect([...shown, 'after'].sort()).toEqual([...optionKeys, 'apps'].sort());
});
