import { expect, test } from 'vitest';
import { startDevwatch } from '../support/devwatch.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

test('a save replaces the program, and the old one is dead before the new one runs', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome({ version: 1 }) });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });

  const first = await home.next();
  await devwatch.event('watching');
  project.write('server.js', dialHome({ version: 2 }));
  const second = await home.next();

  expect(first.isAlive()).toBe(false);
  expect(second.says.version).toBe(2);
  expect(home.mostAlive).toBe(1);
});

test('a change beside a script in a folder that is ignored by default counts', async () => {
  await using home = await openHome();
  await using project = createProject({
    'dist/server.js': `require('./lib');\n${dialHome()}`,
    'dist/lib.js': '',
    'build/other.js': '',
  });
  await using devwatch = startDevwatch(['dist/server.js'], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  project.write('build/other.js', '// still ignored');
  project.write('dist/lib.js', '// changed');
  await home.next();
  expect((await devwatch.event('change')).changes.map(({ path }) => path)).toEqual([project.at('dist/lib.js')]);
});

test('settings that change what is watched while a restart is under way do not lose it', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.watchrc': '{"script": "server.js", "delay": 300}',
    'server.js': dialHome({ version: 1 }),
    'data.txt': '',
  });
  await using devwatch = startDevwatch([], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  project.write('server.js', dialHome({ version: 2 }));
  await devwatch.event('stopping');
  project.write('.watchrc', '{"script": "server.js", "delay": 300, "watch": [".", "*.txt"]}');
  expect((await home.next()).says.version).toBe(2);
  await devwatch.event('settings');
  await devwatch.event('watching');
  project.write('data.txt', 'watched now');
  await home.next();
  expect(home.mostAlive).toBe(1);
});

test('settings that are changed several times at once leave one watcher, which follows the last of them', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.watchrc': '{"script": "server.js"}',
    'server.js': dialHome(),
    'a.txt': '',
    'b.txt': '',
  });
  await using devwatch = startDevwatch([], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  project.write('.watchrc', '{"script": "server.js", "ext": ["txt"]}');
  await devwatch.event('settings');
  project.write('.watchrc', '{"script": "server.js", "ext": ["txt"], "ignore": ["a.txt"]}');
  await devwatch.event('settings');
  await devwatch.event('watching');
  await devwatch.event('watching');
  project.write('a.txt', 'ignored now');
  project.write('b.txt', 'watched now');
  const start = await devwatch.event('start', ({ run }) => run === 2);
  expect(start.changes.map(({ path }) => path)).toEqual([project.at('b.txt')]);
});

test('a settings file that is deleted and made again is read again', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.watchrc': '{"env": {"GREETING": "one"}}',
    'server.js': `require(process.env.TEST_DIAL)({ greeting: process.env.GREETING });`,
  });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  expect((await home.next()).says.greeting).toBe('one');
  await devwatch.event('watching');
  project.remove('.watchrc');
  expect((await home.next()).says.greeting).toBeUndefined();
  project.write('.watchrc', '{"env": {"GREETING": "two"}}');
  expect((await home.next()).says.greeting).toBe('two');
});

test('a variable that is taken out of the environment file is gone at the next start', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.env': 'FIRST=1\nSECOND=2\n',
    'server.js': `require(process.env.TEST_DIAL)({ first: process.env.FIRST, second: process.env.SECOND });`,
  });
  await using devwatch = startDevwatch(['--env-file', '.env', 'server.js'], { cwd: project.path, env: home.env });
  expect((await home.next()).says).toMatchObject({ first: '1', second: '2' });
  await devwatch.event('watching');
  project.write('.env', 'FIRST=3\n');
  const { says } = await home.next();
  expect([says.first, says.second]).toEqual(['3', undefined]);
});

test('a folder to watch that is not there yet is told, and counts once it is', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome() });
  await using devwatch = startDevwatch(['-w', 'src', 'server.js'], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  expect((await devwatch.event('warning')).message).toBe('src: nothing is there to watch yet');
  project.write('src/a.js', '');
  await home.next();
});

test('a project whose .git is a file, as in a worktree, is restarted like any other', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome({ version: 1 }), '.git': 'gitdir: ../elsewhere' });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  project.write('server.js', dialHome({ version: 2 }));
  expect((await home.next()).says.version).toBe(2);
});
