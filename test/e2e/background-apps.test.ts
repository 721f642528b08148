/** Several programs in the background, each with a devwatch of its own. */

import { expect, test } from 'vitest';
import { isAlive } from '../support/facts.ts';
import { listens, Session } from '../support/session.ts';

const shop = {
  '.watchrc': JSON.stringify({
    apps: { web: { script: 'web.js', cwd: 'packages/web', after: ['api'] }, api: 'api.js' },
  }),
  'packages/web/web.js': listens({ app: 'web' }),
  'api.js': listens({ app: 'api' }),
};

test('start starts all programs in order, each in its own devwatch, and the folder selects all of them', async () => {
  await using session = await Session.open(shop);
  const started = await session.run('start');
  expect(started).toMatchObject({ code: 0, out: expect.stringMatching(/^api is up after .*\nweb is up after .*\n$/) });
  expect([(await session.home.caller()).says.app, (await session.home.caller()).says.app]).toEqual(['api', 'web']);
  const rows = await session.rows();
  expect(rows.map(({ name, state, folder }) => [name, state, folder])).toEqual([
    ['api', 'up', session.project.path],
    ['web', 'up', session.project.at('packages/web')],
  ]);
  expect(new Set(rows.map(({ owner }) => owner)).size).toBe(2);
  // When a devwatch is killed, the other continues.
  process.kill(session.record('api').pid, 'SIGKILL');
  await session.home.callers[0]?.gone;
  expect((await session.rows()).map(({ name, state }) => [name, state])).toEqual([
    ['api', 'dead'],
    ['web', 'up'],
  ]);
  expect((await session.run('stop', '.')).out.split('\n').sort()).toEqual([
    '',
    'api was not running',
    'web has been stopped',
  ]);
  expect(session.home.callers.filter((caller) => caller.isAlive())).toEqual([]);
  // In their order again, from any folder.
  expect(await session.runIn('/', {}, 'start', 'all')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^api is up after .*\nweb is up after .*\n$/),
  });
});

test('start fails for a name that is taken, and starts the others', async () => {
  await using session = await Session.open(shop);
  expect(await session.run('start', '--only', 'api')).toMatchObject({ code: 0 });
  const { code, out, err } = await session.run('start');
  expect([code, out]).toEqual([2, expect.stringMatching(/^web is up after/)]);
  expect(err).toMatch(/^devwatch: api is already running in /);
  expect((await session.rows()).map(({ name, state }) => [name, state])).toEqual([
    ['api', 'up'],
    ['web', 'up'],
  ]);
});

test('a program does not start after a program that has failed', async () => {
  await using session = await Session.open({ ...shop, 'api.js': 'throw new Error("on purpose")' });
  const { code, out } = await session.run('start');
  expect(code).toBe(1);
  expect(out).toMatch(/^api failed: exit 1[\s\S]*Error: on purpose[\s\S]*\nweb is not started: it depends on api\n$/);
  expect(session.home.callers).toEqual([]);
});

test('start refuses two programs with the same name, log or port', async () => {
  await using session = await Session.open({ 'a.js': '', 'b.js': '' });
  session.project.write('.watchrc', JSON.stringify({ apps: ['a.js', 'b.js'], liveReload: true }));
  expect((await session.run('start')).err).toMatch(/^devwatch: a and b would share port 35729 · set "liveReload" for /);
  session.project.write('.watchrc', JSON.stringify({ apps: ['a.js', 'b.js'], log: '1.log' }));
  expect((await session.run('start')).err).toBe(
    `devwatch: two programs would share the log ${session.project.at('1.log')} · remove "log", or set a different one for each\n`,
  );
  session.project.write('.watchrc', JSON.stringify({ apps: ['a.js', 'b.js'] }));
  expect(await session.run('start', '--name', 'web')).toMatchObject({
    code: 2,
    err: 'devwatch: two programs would be named web · set a different "name" for one of them\n',
  });
  expect(await session.rows()).toEqual([]);
});

test('each of several programs keeps its own settings', async () => {
  await using session = await Session.open(shop);
  await session.run('start');
  const [api, web] = [await session.home.caller(), await session.home.caller()];
  session.project.write(
    '.watchrc',
    JSON.stringify({
      apps: { api: { script: 'api.js', args: ['0', 'more'] }, web: { script: 'web.js', cwd: 'packages/web' } },
    }),
  );
  const next = await session.home.caller();
  expect(next.says).toMatchObject({ app: 'api', argv: ['0', 'more'] });
  expect([isAlive(api.pid), web.isAlive()]).toEqual([false, true]);
});
