/** Several programs in one settings file, and which of them a command line means. */

import { expect, test } from 'vitest';
import { selectApps } from '../../../src/cli/select-programs.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { type LoadedProject, loadProject } from '../../../src/config/load.ts';
import { createProject, type Project } from '../../support/project.ts';
import { refusal } from '../../support/refusal.ts';

const json = (value: unknown): string => JSON.stringify(value);

const load = (project: Project, ...words: readonly string[]): LoadedProject =>
  loadProject({ given: parseArgv(words).flags, folder: project.path });

test.each([
  ['by their names', { web: { script: 'src/web.js' }, worker: { script: 'worker.js', restart: 'always' } }],
  ['a script alone', { web: 'src/web.js', worker: { script: 'worker.js', restart: 'always' } }],
  ['in a list', ['src/web.js', { script: 'worker.js', restart: 'always' }]],
  ['in a list, with names', [{ script: 'src/web.js' }, { name: 'worker', script: 'worker.js', restart: 'always' }]],
])('programs are named %s', async (_, apps) => {
  await using project = createProject({ '.watchrc': json({ apps }) });
  const loaded = load(project).apps;
  expect(loaded.map(({ app }) => app)).toEqual(['web', 'worker']);
  expect(loaded.map(({ settings }) => [settings.script, settings.restart])).toEqual([
    ['src/web.js', 'on-crash'],
    ['worker.js', 'always'],
  ]);
});

test('programs may be in package.json', async () => {
  await using project = createProject({ 'package.json': json({ devwatch: { apps: { web: 'web.js' } } }) });
  expect(load(project).apps).toMatchObject([{ app: 'web', file: project.at('package.json') }]);
});

test('flags win over a program’s own keys, those over the common ones', async () => {
  const apps = { web: { delay: 200, ext: 'ts' }, worker: {} };
  await using project = createProject({ '.watchrc': json({ delay: 100, ext: 'js', script: 'x.js', apps }) });
  const values = (...words: string[]) =>
    load(project, ...words).apps.map((app) => [app.settings.delay, app.settings.ext]);
  expect(values()).toEqual([
    [200, ['ts']],
    [100, ['js']],
  ]);
  expect(values('--delay', '5')).toEqual([
    [5, ['ts']],
    [5, ['js']],
  ]);
});

test('variables, hooks and interpreters add to the common ones', async () => {
  const apps = { web: { env: { PORT: '1', MODE: 'own' }, on: { ready: 'b' } }, worker: {} };
  const common = { env: { MODE: 'all', LEVEL: '3' }, on: { crash: 'a' }, execMap: { rb: 'ruby' } };
  await using project = createProject({ '.watchrc': json({ ...common, apps }) });
  const [web, worker] = load(project).apps;
  expect(web?.settings).toMatchObject({ env: { PORT: '1', MODE: 'own', LEVEL: '3' }, on: { crash: 'a', ready: 'b' } });
  expect(worker?.settings).toMatchObject(common);
});

test('each program has its own folder; --cwd names the folder of the settings', async () => {
  const apps = { web: { cwd: 'packages/web', watch: ['lib'] }, worker: {} };
  await using project = createProject({ 'shop/.watchrc': json({ apps }), 'shop/packages/web/lib/a.js': '' });
  const [web, worker] = load(project, '--cwd', 'shop', '--env-file', 'given.env').apps;
  expect([web?.folder, worker?.folder]).toEqual([project.at('shop/packages/web'), project.at('shop')]);
  // Paths in the file are relative to the file; a default is relative to the program's folder.
  expect(web?.bases).toEqual({ watch: project.at('shop'), ignore: project.at('shop/packages/web') });
  // A path on the command line is relative to where that was typed.
  expect(web?.settings.envFile).toEqual([project.at('given.env')]);
});

test('loadSettings ignores `apps`', async () => {
  await using project = createProject({ '.watchrc': json({ delay: 100, apps: { web: { delay: 200 } } }) });
  expect(load(project).common.settings).toMatchObject({ delay: 100, script: undefined });
});

test.each([
  ['{"apps": "web.js"}', '1:10: "apps" takes an object of programs by their names, or a list of scripts, not "web.js"'],
  ['{"apps": {}}', '1:10: "apps" is empty · example: {"web": {"script": "server.js"}}'],
  ['{"apps": []}', '1:10: "apps" is empty'],
  ['{"apps": {"web": 5}}', '1:18: settings must be an object {…}, not 5'],
  ['{"apps": {"web": {"scirpt": "a.js"}}}', '1:19: unknown key "scirpt" · did you mean "script"?'],
  ['{"apps": {"web": {"delay": "soon"}}}', '1:28: "delay" takes a duration'],
  ['{"apps": {"web": {"apps": {}}}}', '1:19: unknown key "apps"'],
  [
    '{"apps": {"a b": "x.js"}}',
    '1:11: "a b" is not a valid program name: 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with .',
  ],
  ['{"apps": {"all": "x.js"}}', '1:11: "all" is not a valid program name: it means every program'],
  [
    '{"apps": {"web": "x.js", "web": "y.js"}}',
    '1:26: two programs are named "web" · set a different "name" for one of them',
  ],
  ['{"apps": ["a/x.js", "b/x.js"]}', '1:21: two programs are named "x" · set a different "name" for one of them'],
  ['{"apps": ["x.js", {"exec": "make"}]}', '1:19: a program in a list needs a "script" or a "name"'],
  ['{"apps": ["x.js", ""]}', '1:19: "script" takes a text, not ""'],
  [
    '{"apps": {"web": {"after": ["bd"]}, "db": "db.js"}}',
    '1:28: "after": no program is named "bd" · did you mean "db"?',
  ],
  ['{"apps": {"web": {"after": ["web"]}}}', '1:28: "after": these depend on each other: web, web'],
  [
    '{"apps": {"a": {"after": "b"}, "b": {"after": "c"}, "c": {"after": "b"}}}',
    '1:68: "after": these depend on each other: b, c, b',
  ],
  ['{"after": ["db"], "apps": {"db": "db.js"}}', '1:11: "after": can only be set for one of the programs in "apps"'],
  ['{"app": {}}', '1:2: unknown key "app" · did you mean "apps"?'],
])('refuses with line and column: %s', async (text, message) => {
  await using project = createProject({ '.watchrc': text });
  expect(refusal(() => load(project)).replaceAll(project.at('.watchrc'), '.watchrc')).toContain(`.watchrc:${message}`);
});

test('a program may depend on any number of earlier ones', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `app${index}`);
  const apps = Object.fromEntries(names.map((name, index) => [name, { after: names.slice(0, index) }]));
  await using project = createProject({ '.watchrc': json({ apps }) });
  // Their ways through each other are 2 to the power of 40.
  expect(load(project).apps.at(-1)?.settings.after).toHaveLength(39);
});

test('refuses a program whose folder does not exist', async () => {
  await using project = createProject({ '.watchrc': '{"apps": {"web": {"cwd": "gone"}}}' });
  expect(refusal(() => load(project))).toContain(`.watchrc:1:26: "cwd": there is no folder ${project.at('gone')}`);
});

const selected = (project: Project, ...words: readonly string[]): readonly string[] => {
  const line = parseArgv(words);
  return selectApps(line, load(project)).map(({ app }) => app);
};

test('selects all programs, or those of --only, in the order of the file', async () => {
  await using project = createProject({ '.watchrc': json({ apps: ['a.js', 'b.js', 'c.js'] }) });
  expect(selected(project)).toEqual(['a', 'b', 'c']);
  expect(selected(project, '--only', 'c,a')).toEqual(['a', 'c']);
  expect(selected(project, '--only', 'a', '--only=b')).toEqual(['b']);
});

test('a program on the command line is selected alone', async () => {
  await using project = createProject({ '.watchrc': json({ apps: ['a.js', 'b.js'] }) });
  expect(selected(project, 'x.js')).toEqual([]);
  expect(selected(project, '--exec', 'make')).toEqual([]);
});

test('refuses --only with an unknown name, without apps and with a script', async () => {
  await using project = createProject({ '.watchrc': json({ apps: { web: 'a.js', worker: 'b.js' } }) });
  await using single = createProject({ '.watchrc': '{}' });
  expect(refusal(() => selected(project, '--only', 'wrker'))).toBe('"apps" has no wrker · did you mean worker?');
  expect(refusal(() => selected(project, '--only', 'zzzzzzzz'))).toBe('"apps" has no zzzzzzzz · there are web, worker');
  expect(refusal(() => selected(project, '--only', 'web', 'x.js'))).toBe(
    '--only selects programs of "apps"; x.js is not one of them',
  );
  expect(refusal(() => selected(single, '--only', 'web'))).toBe(
    `--only selects programs of "apps", but ${single.at('.watchrc')} has none`,
  );
  expect(refusal(() => parseArgv(['--only', ',']))).toBe('--only takes names of programs, such as web,worker, not ","');
  expect(refusal(() => parseArgv(['--only']))).toBe('--only needs a value: --only <names>');
});
