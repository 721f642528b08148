/** The files that settings select. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { planRun } from '../../../src/run/command-plan.ts';
import { planWatch, remarksOn } from '../../../src/run/watch-plan.ts';
import { createCommand } from '../../support/command.ts';
import { createProject, type Project } from '../../support/project.ts';

/** A package `web` that depends on a package beside it, linked as by npm. */
function workspace(): Project {
  const project = createProject({
    'web/package.json': '{"dependencies": {"lib": "*"}}',
    'web/server.js': '',
    'lib/package.json': '{}',
    'lib/index.js': '',
  });
  fs.mkdirSync(project.at('web/node_modules'));
  fs.symlinkSync(project.at('lib'), project.at('web/node_modules/lib'));
  return project;
}

test.each([
  [undefined, true],
  [['.'], true],
  [['./'], true],
  [['.', '*.graphql'], true],
  [['src'], false],
  [['src', '!.'], false],
  [[], false],
])('with "watch": %j linked packages are watched: %s', async (watch, expected) => {
  await using project = workspace();
  const loaded = loadGiven({ watch, cwd: project.at('web') }, project.path);
  const { filter } = await planWatch(
    loaded,
    createCommand({ script: project.at('web/server.js'), extensions: ['js'] }),
  );
  expect(filter.accepts(project.at('lib/index.js'))).toBe(expected);
});

test.each<[what: string, files: Readonly<Record<string, string>>, ext: string | undefined, remark: string | undefined]>(
  [
    [
      'most of the files are sources of another language',
      { 'a.py': '', 'b/c.py': '', 'b/d.html': '', 'package.json': '{}', 'node_modules/x/y.rb': '' },
      undefined,
      'no file here has a watched extension; there are 2 .py · for example --ext py',
    ],
    [
      'the extensions are those of the settings',
      { 'a.py': '', 'b.rb': '' },
      'rs',
      'no file here has a watched extension; there are 1 .py, 1 .rb · for example --ext py',
    ],
    [
      'all files are texts',
      { 'a.md': '' },
      undefined,
      'no file here has a watched extension; there are 1 .md · for example --ext md',
    ],
    ['a file has a watched extension', { 'a.py': '', 'b/c.js': '' }, undefined, undefined],
    ['the script alone has a watched extension', { 'tool.js': '', 'dev.log': '' }, undefined, undefined],
    ['there are no files', { 'package.json': '{}' }, undefined, undefined],
    ['all extensions are watched', { 'a.py': '' }, '*', undefined],
  ],
)('the remark on what is watched when %s', async (_, files, ext, remark) => {
  await using project = createProject(files);
  const loaded = loadGiven(
    { ...('tool.js' in files ? { script: 'tool.js' } : { exec: 'tool' }), ext, cwd: project.path },
    project.path,
  );
  const plan = planRun({ loaded, program: [], nodeArgs: [] });
  const { filter } = await planWatch(loaded, plan.command);
  const watched = Object.keys(files)
    .map(project.at)
    .filter((file) => filter.accepts(file));
  expect(remarksOn(filter, plan, watched)).toEqual(remark === undefined ? [] : [remark]);
});

test.each<[ext: readonly string[] | undefined, expected: readonly string[], reports: boolean]>([
  [undefined, ['js', 'json'], true],
  [['ts'], ['ts'], false],
  [['+graphql'], ['js', 'json', 'graphql'], true],
  [['sql', '+.js'], ['js', 'json', 'sql'], true],
])('with "ext": %j the extensions are %j, and saves of others are reported: %s', async (ext, expected, reports) => {
  await using project = createProject({ 'server.js': '' });
  const loaded = loadGiven({ ext: ext && [...ext], cwd: project.path }, project.path);
  const plan = await planWatch(loaded, createCommand({ extensions: ['js', 'json'] }));
  expect(plan.filter.extensions).toEqual(expected);
  expect(plan.reportExtensions).toBe(reports);
});

test.each([
  ['{"dependencies": {"dotenv": "*"}}', true],
  ['{"devDependencies": {"dotenv-flow": "*"}}', true],
  ['{"dependencies": {"@nestjs/config": "*"}}', true],
  ['{"dependencies": {"express": "*"}}', false],
])('beside the package.json %s, .env counts: %s', async (manifest, expected) => {
  await using project = createProject({ 'package.json': manifest });
  const { filter } = await planWatch(
    loadGiven({ cwd: project.path }, project.path),
    createCommand({ extensions: ['js'] }),
  );
  expect(filter.accepts(project.at('.env'))).toBe(expected);
  expect(filter.accepts(project.at('.env.local'))).toBe(expected);
  expect(filter.accepts(project.at('src/.env'))).toBe(false);
});

test.each([
  ['src', 'src: nothing is there to watch yet'],
  ['.', ': nothing is there to watch yet'],
])('a remark names the folder %s that is not there yet', async (watched, end) => {
  await using project = createProject({ 'below/src/a.js': '' });
  const loaded = loadGiven({ exec: 'tool', watch: [watched], cwd: project.at('below') }, project.path);
  const plan = planRun({ loaded, program: [], nodeArgs: [] });
  const { filter } = await planWatch(loaded, plan.command);
  fs.rmSync(project.at('below'), { recursive: true });
  expect(remarksOn(filter, plan, [])).toEqual([watched === '.' ? project.at('below') + end : end]);
});

test('linked packages are those of the package of the script, wherever devwatch is started', async () => {
  await using project = workspace();
  project.write('lib/package.json', '{"main": "dist/index.js"}');
  for (const folder of ['', 'web', 'elsewhere']) {
    fs.mkdirSync(project.at(folder), { recursive: true });
    const command = createCommand({ script: project.at('web/server.js'), extensions: ['js'] });
    const { filter, linkedPackages } = await planWatch(loadGiven({ cwd: project.at(folder) }, project.path), command);
    expect([filter.accepts(project.at('lib/dist/index.js')), linkedPackages]).toEqual([true, 1]);
  }
});

const base = '{"compilerOptions": {"baseUrl": ".", "paths": {"@org/*": ["libs/*/src"], "@/*": ["api/src/*"]}}}';

test.each<[what: string, settings: object, files: Readonly<Record<string, string>>, expected: string | undefined]>([
  ['by paths of a file that it extends', {}, { 'tsconfig.json': base }, '../libs'],
  [
    'to several folders',
    {},
    { 'api/tsconfig.json': '{"references": [{"path": "../libs/a"}, {"path": "../libs/b"}]}' },
    '../libs/a, ../libs/b',
  ],
  ['to folders that are watched', { watch: ['.', '../libs'] }, { 'tsconfig.json': base }, undefined],
  [
    'to folders that are ignored on purpose',
    { ignore: ['libs'], watch: ['.', '..'] },
    { 'tsconfig.json': base },
    undefined,
  ],
  ['and what the program loads is watched', { deps: true }, { 'tsconfig.json': base }, undefined],
])('a line tells where a tsconfig leads imports %s', async (_, settings, files, expected) => {
  await using project = createProject({
    'api/tsconfig.json': '{"extends": "../tsconfig.json"}',
    'api/src/main.ts': '',
    'libs/a/src/index.ts': '',
    'libs/b/src/index.ts': '',
    ...files,
  });
  const loaded = loadGiven({ script: 'src/main.ts', cwd: project.at('api'), ...settings }, project.path);
  const command = createCommand({ script: project.at('api/src/main.ts'), extensions: ['ts'] });
  const { filter } = await planWatch(loaded, command);
  const plan = {
    ...planRun({ loaded: loadGiven({ exec: 'x' }, project.path), program: [], nodeArgs: [] }),
    loaded,
    command,
  };
  const remedy = '--deps watches what the program loads';
  expect(remarksOn(filter, plan, [project.at('api/src/main.ts')])).toEqual(
    expected === undefined ? [] : [`tsconfig.json leads imports to ${expected}, where no file is watched · ${remedy}`],
  );
});

test('a remark names each of few other checkouts, and counts many', async () => {
  const names = ['a', 'b', 'c', 'd'];
  await using project = createProject({ '.git/HEAD': '' });
  const plan = planRun({ loaded: loadGiven({ exec: 'make', cwd: project.path }, '/'), program: [], nodeArgs: [] });
  const { filter } = await planWatch(plan.loaded, plan.command);
  const remarks = (): string[] => {
    for (const name of names) filter.accepts(project.at(`${name}/x.js`));
    return remarksOn(filter, plan, []).filter((remark) => remark.includes('checkout'));
  };
  project.write('a/.git/HEAD', '');
  expect(remarks()).toEqual(['a is another checkout of git and is not watched · --watch . --watch a adds it']);
  for (const name of names) project.write(`${name}/.git/HEAD`, '');
  filter.otherCheckouts?.forget();
  expect(remarks()).toEqual([
    'a and 3 more are other checkouts of git and are not watched · --watch . --watch a adds the first one',
  ]);
});
