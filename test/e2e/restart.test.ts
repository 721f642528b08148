import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { dialHome } from '../support/home.ts';

test('a save replaces the program, and the old one has ended before the new one runs', async () => {
  await using app = await start({ files: { 'server.js': dialHome({ version: 1 }) }, args: ['server.js'] });

  const first = await app.caller();
  await app.event('watching');
  app.write('server.js', dialHome({ version: 2 }));
  const second = await app.caller();

  expect(first.isAlive()).toBe(false);
  expect(second.says.version).toBe(2);
  expect(app.mostAlive).toBe(1);
});

test('a change beside a script counts, although its folder is ignored by default', async () => {
  await using app = await start({
    files: {
      'dist/server.js': `require('./lib');\n${dialHome()}`,
      'dist/lib.js': '',
      'build/other.js': '',
    },
    args: ['dist/server.js'],
  });
  await app.caller();
  await app.event('watching');
  app.write('build/other.js', '// still ignored');
  app.write('dist/lib.js', '// changed');
  await app.caller();
  expect((await app.event('change')).changes.map(({ path }) => path)).toEqual([app.at('dist/lib.js')]);
});

test('a restart that is under way is not lost when the settings change the watched files', async () => {
  await using app = await start({
    files: {
      '.watchrc': '{"script": "server.js", "delay": 300}',
      'server.js': dialHome({ version: 1 }),
      'data.txt': '',
    },
  });
  await app.caller();
  await app.event('watching');
  app.write('server.js', dialHome({ version: 2 }));
  await app.event('stopping');
  app.write('.watchrc', '{"script": "server.js", "delay": 300, "watch": [".", "*.txt"]}');
  expect((await app.caller()).says.version).toBe(2);
  await app.event('settings');
  await app.event('watching');
  app.write('data.txt', 'watched now');
  await app.caller();
  expect(app.mostAlive).toBe(1);
});

test('settings that change several times at once leave one watcher, for the last of them', async () => {
  await using app = await start({
    files: {
      '.watchrc': '{"script": "server.js"}',
      'server.js': dialHome(),
      'a.txt': '',
      'b.txt': '',
    },
  });
  await app.caller();
  await app.event('watching');
  app.write('.watchrc', '{"script": "server.js", "ext": ["txt"]}');
  await app.event('settings');
  app.write('.watchrc', '{"script": "server.js", "ext": ["txt"], "ignore": ["a.txt"]}');
  await app.event('settings');
  await app.event('watching');
  await app.event('watching');
  app.write('a.txt', 'ignored now');
  app.write('b.txt', 'watched now');
  const second = await app.event('start', ({ run }) => run === 2);
  expect(second.changes.map(({ path }) => path)).toEqual([app.at('b.txt')]);
});

test('a settings file that is deleted and created again is read again', async () => {
  await using app = await start({
    files: {
      '.watchrc': '{"env": {"GREETING": "one"}}',
      'server.js': `require(process.env.TEST_DIAL)({ greeting: process.env.GREETING });`,
    },
    args: ['server.js'],
  });
  expect((await app.caller()).says.greeting).toBe('one');
  await app.event('watching');
  app.remove('.watchrc');
  expect((await app.caller()).says.greeting).toBeUndefined();
  app.write('.watchrc', '{"env": {"GREETING": "two"}}');
  expect((await app.caller()).says.greeting).toBe('two');
});

test('a variable that is removed from the environment file is unset at the next start', async () => {
  await using app = await start({
    files: {
      '.env': 'FIRST=1\nSECOND=2\n',
      'server.js': `require(process.env.TEST_DIAL)({ first: process.env.FIRST, second: process.env.SECOND });`,
    },
    args: ['--env-file', '.env', 'server.js'],
  });
  expect((await app.caller()).says).toMatchObject({ first: '1', second: '2' });
  await app.event('watching');
  app.write('.env', 'FIRST=3\n');
  const { says } = await app.caller();
  expect([says.first, says.second]).toEqual(['3', undefined]);
});

test('a watched folder that does not exist yet is reported, and watched once it exists', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['-w', 'src', 'server.js'] });
  await app.caller();
  await app.event('watching');
  expect((await app.event('warning')).message).toBe('src: nothing is there to watch yet');
  app.write('src/a.js', '');
  await app.caller();
});

test('a program restarts in a project whose .git is a file, as in a worktree', async () => {
  await using app = await start({
    files: { 'server.js': dialHome({ version: 1 }), '.git': 'gitdir: ../elsewhere' },
    args: ['server.js'],
  });
  await app.caller();
  await app.event('watching');
  app.write('server.js', dialHome({ version: 2 }));
  expect((await app.caller()).says.version).toBe(2);
});
