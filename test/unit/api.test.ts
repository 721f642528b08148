import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { defineConfig, UsageError, type Watcher, watch } from '../../src/index.ts';
import { timestampSlackMs } from '../../src/watch/disk.ts';
import { isAlive } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';
import { createProject, type Project } from '../support/project.ts';

/**
 * Creates a project whose files cannot pass for saves after the start: a program is restarted when a file is as young as it,
 * within the resolution of the file system.
 */
async function createOldProject(files?: Readonly<Record<string, string>>): Promise<Project> {
  const project = createProject(files);
  const createdAt = Date.now();
  while (Date.now() <= createdAt + timestampSlackMs) await nextTurn();
  return project;
}

/** Appends the names of these events to `seen`. */
function recordEvents(watcher: Watcher, seen: string[]): void {
  for (const type of ['start', 'watching', 'stopping', 'gone', 'crash', 'problem', 'liveReload', 'end'] as const) {
    watcher.on(type, () => void seen.push(type));
  }
}

test('a watcher starts, restarts at a save and by hand, and stops, with an event for each', async () => {
  await using home = await openHome();
  await using project = await createOldProject({ 'server.js': dialHome({ version: 1 }) });
  const watcher = watch({ script: 'server.js', cwd: project.path, env: { ...home.env } });
  const seen: string[] = [];
  recordEvents(watcher, seen);
  await home.caller();
  await watcher.ready();
  // The file is so young that the kernel's clock may put it after the start: that is one more restart.
  project.write('server.js', dialHome({ version: 2 }));
  const second = await home.caller((caller) => caller.says.version === 2);

  project.write('server.js', dialHome({ version: 3 }));
  const [restart] = await once(watcher, 'start');
  const third = await home.caller((caller) => caller.says.version === 3);
  expect(restart).toMatchObject({ pid: third.pid, cause: 'change', changes: [{ path: project.at('server.js') }] });
  expect(isAlive(second.pid)).toBe(false);

  watcher.restart();
  const fourth = await home.caller();
  expect([isAlive(third.pid), watcher.pid]).toEqual([false, fourth.pid]);

  watcher.pause();
  const waits = new Promise((resolve) => watcher.on('pause', ({ changes }) => resolve(changes)));
  project.write('server.js', dialHome({ version: 4 }));
  expect(await waits).toMatchObject([{ path: project.at('server.js') }]);
  expect(watcher.pid).toBe(fourth.pid);
  watcher.resume();
  const fifth = await home.caller((caller) => caller.says.version === 4);

  expect(await watcher.stop()).toEqual({ kind: 'requested' });
  expect([isAlive(fifth.pid), watcher.pid]).toEqual([false, undefined]);
  expect([seen[0], seen.at(-1)]).toEqual(['start', 'end']);
});

test('listeners that are added after the call receive the first start', async () => {
  await using home = await openHome();
  await using project = await createOldProject({ 'server.js': dialHome() });
  await using watcher = watch({ script: 'server.js', cwd: project.path, env: { ...home.env } });
  const [start] = await once(watcher, 'start');
  expect(start).toMatchObject({ run: 1, cause: 'start' });
});

test('disposing a watcher ends its program', async () => {
  await using home = await openHome();
  await using project = await createOldProject({ 'server.js': dialHome() });
  let program: Awaited<ReturnType<typeof home.caller>>;
  {
    await using _ = watch({ script: 'server.js', cwd: project.path, env: { ...home.env } });
    program = await home.caller();
  }
  expect(isAlive(program.pid)).toBe(false);
});

test.each([
  ['a port that is held', (port: number) => ({ exec: 'sleep 500', hold: port })],
  ['live reload', (port: number) => ({ script: 'server.js', liveReload: port })],
])(
  'a watcher that is stopped at any time leaves no process of %s, and emits no event after the end',
  async (_, settings) => {
    await using project = await createOldProject({ 'server.js': 'setInterval(() => {}, 1000)' });
    for (let turns = 0; turns < 12; turns += 1) {
      const port = await freePort();
      const watcher = watch({ cwd: project.path, watch: [], standby: false, ...settings(port) });
      const seen: string[] = [];
      recordEvents(watcher, seen);
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      await watcher.stop();
      // Ports that were still being opened are open by then.
      const server = net.createServer();
      await once(server.listen(port, '127.0.0.1'), 'listening');
      server.close();
      await once(server, 'close');
      expect(seen.at(-1)).toBe('end');
    }
  },
);

test('a crash and a clean exit are different events', async () => {
  await using home = await openHome();
  await using project = await createOldProject({ 'server.js': dialHome() });
  await using watcher = watch({ script: 'server.js', cwd: project.path, env: { ...home.env } });
  const crashed = once(watcher, 'crash');
  (await home.caller()).send('exit 3');
  expect((await crashed)[0]).toMatchObject({ outcome: { code: 3 }, next: { kind: 'restart', attempt: 1 } });
  const exited = once(watcher, 'exit');
  (await home.caller()).send('exit');
  expect((await exited)[0]).toMatchObject({ outcome: { code: 0 }, next: { kind: 'wait' } });
});

test('a watcher that is stopped in the tick of its creation leaves no handle open', async () => {
  await using project = await createOldProject({
    'server.js': dialHome(),
    'api.mjs': `import { watch } from ${JSON.stringify(pathToFileURL(path.resolve('dist/index.js')).href)};
const watcher = watch({ script: 'server.js' });
await watcher.stop();
console.log('stopped');`,
  });
  // The process ends by itself: nothing keeps its event loop alive.
  const { stdout } = await promisify(execFile)(process.execPath, ['api.mjs'], { cwd: project.path });
  expect(stdout).toBe('stopped\n');
});

test('two watchers in one process are independent', async () => {
  await using home = await openHome();
  await using project = await createOldProject({
    'a/server.js': dialHome({ who: 'a' }),
    'b/server.js': dialHome({ who: 'b' }),
  });
  const start = (folder: string): Watcher =>
    watch({ script: 'server.js', cwd: project.at(folder), env: { ...home.env } });
  await using a = start('a');
  const first = await home.caller();
  await using b = start('b');
  const second = await home.caller();
  await Promise.all([a.ready(), b.ready()]);
  await b.stop();
  expect([isAlive(first.pid), isAlive(second.pid)]).toEqual([true, false]);
  project.write('a/server.js', dialHome({ who: 'a', version: 2 }));
  expect((await home.caller()).says).toMatchObject({ who: 'a', version: 2 });
});

test.each([
  [{}, /nothing to run/],
  [{ script: '' }, /script takes a text/],
  [{ script: 'missing' }, /missing: no such file or command/],
  [{ script: 'x', killTimeout: 'soon' }, /killTimeout .*takes a duration/],
  [{ script: 'x', wacth: ['src'] }, /unknown option "wacth" · did you mean "watch"\?/],
])('watch() throws for the mistake in %j at once', async (options, message) => {
  await using project = await createOldProject();
  expect(() => watch({ ...options, cwd: project.path } as Parameters<typeof watch>[0])).toThrow(UsageError);
  expect(() => watch({ ...options, cwd: project.path } as Parameters<typeof watch>[0])).toThrow(message);
});

test('defineConfig returns its argument', () => {
  const settings = { script: 'server.js', killTimeout: '2s' } as const;
  expect(defineConfig(settings)).toBe(settings);
});
