/** Programs, folders and packages that are not there yet. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { dialHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';
import { Session } from '../support/session.ts';

test('a script that does not exist is waited for, alone and beside the program that builds it', async () => {
  const build = `require('node:fs').mkdirSync('dist'); require('node:fs').writeFileSync('dist/web.js', ${JSON.stringify(dialHome({ name: 'web' }))});`;
  const apps = {
    builder: { script: 'build.js', ready: '/Found 0 errors/', watch: [] },
    web: { script: 'dist/web.js', after: ['builder'] },
    early: { script: 'dist/web' },
  };
  const files = {
    '.watchrc': JSON.stringify({ apps }),
    'build.js': `require(process.env.TEST_DIAL)({ name: 'builder' }).on('data', () => { ${build} console.log('Found 0 errors'); });`,
  };
  await using app = await start({ files });
  expect(await app.event('wait', ({ app: name, reason }) => name === 'early' && reason === 'missing')).toMatchObject({
    paths: [app.at('dist/web')],
  });
  await app.watches('early');
  (await app.caller()).send('build');
  const callers = [await app.caller(), await app.caller()];
  expect(callers.map(({ says }) => says.name)).toEqual(['web', 'web']);
  expect(app.events.filter(({ event }) => event === 'crash')).toEqual([]);
});

test('a build that empties its folder keeps the port, and causes neither a useless start nor a trace', async () => {
  const port = await freePort();
  const server = (version: number): string =>
    `require('./z.js'); require('node:http').createServer((q, r) => r.end('${version}')).listen(${port});`;
  await using app = await start({ files: { 'dist/a.js': server(1), 'dist/z.js': '' }, args: ['dist/a.js'] });
  await app.event('ready');
  await app.event('watching');

  fs.rmSync(app.at('dist'), { recursive: true });
  expect(await app.event('wait')).toMatchObject({ reason: 'missing', paths: [app.at('dist/a.js')] });
  const answer = fetch(`http://127.0.0.1:${port}/`);
  app.write('dist/a.js', server(2));
  app.write('dist/z.js', '');
  expect(await (await answer).text()).toBe('2');
  // The answer may come before the line about the start.
  await app.event('ready', ({ run }) => run === 2);
  expect(app.events.filter(({ event }) => event === 'start' || event === 'crash')).toHaveLength(2);
});

test.each([
  ['watches', []],
  ['polls', ['--poll', '--poll-interval', '20']],
])(
  'devwatch %s its own working folder, waits for it when it is removed, and sees the saves in the next one',
  async (_, flags) => {
    await using app = await start({ files: { 'a.js': dialHome({ version: 1 }) }, args: [...flags, 'a.js'] });
    await app.caller();
    await app.event('watching');

    fs.rmSync(app.path, { recursive: true });
    expect(await app.event('wait')).toMatchObject({ reason: 'missing', paths: [app.path] });
    app.write('a.js', dialHome({ version: 2 }));
    expect((await app.caller()).says.version).toBe(2);
    app.write('a.js', dialHome({ version: 3 }));
    let version: unknown;
    while (version !== 3) version = (await app.caller()).says.version;
  },
);

test('settings may name a script before it exists', async () => {
  await using app = await start({ files: { '.watchrc': '{"script": "a.js"}', 'a.js': dialHome({ name: 'a' }) } });
  await app.caller();
  await app.event('watching');
  app.write('.watchrc', '{"script": "b.js"}');
  await app.event('wait', ({ reason }) => reason === 'missing');
  app.write('b.js', dialHome({ name: 'b' }));
  expect((await app.caller()).says.name).toBe('b');
});

test('a program that lacks a package starts when the package has been installed', async () => {
  const files = { 'package.json': '{}', 'server.js': `require('some-package'); ${dialHome()}` };
  await using app = await start({ files, args: ['server.js'] });
  expect((await app.event('crash')).next).toMatchObject({ kind: 'wait' });
  await app.event('watching');
  app.write('node_modules/some-package/index.js', '');
  app.write('node_modules/.package-lock.json', '{}');
  const { pid } = await app.caller();
  expect(await app.event('start', ({ run }) => run === 2)).toMatchObject({ pid });
});

test('in the background a script that does not exist is waited for, and list shows it', async () => {
  await using session = await Session.open({});
  expect(await session.run('start', '--name', 'web', '--no-watch', 'dist/index.js')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^web is waiting for dist\/index\.js · logs: /),
  });
  expect((await session.run('list')).out).toMatch(/^web +waiting for dist\/index\.js +– /m);
  session.project.write('dist/index.js', dialHome());
  await session.home.caller();
});

test('a package whose absence has crashed the program is watched once it is linked', async () => {
  await using app = await start({
    files: {
      'app/package.json': '{"name": "app"}',
      'app/server.js': `require(process.env.TEST_DIAL)({ version: require('lib') });`,
      'lib/package.json': '{"name": "lib"}',
      'lib/index.js': 'module.exports = 1;',
    },
    folder: 'app',
    args: ['server.js'],
  });
  await app.event('crash');
  await app.event('watching');
  fs.mkdirSync(app.at('app/node_modules'));
  fs.symlinkSync(app.at('lib'), app.at('app/node_modules/lib'));
  app.write('app/node_modules/.package-lock.json', '{}');
  expect((await app.caller()).says.version).toBe(1);
  await app.event('watching', ({ linkedPackages }) => linkedPackages === 1);
  app.write('lib/index.js', 'module.exports = 2;');
  expect((await app.caller()).says.version).toBe(2);
});
