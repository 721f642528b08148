/** The reports of the systems, as far as they can be played, and how the watcher of macOS and Windows takes them. */

import { EventEmitter } from 'node:events';
import type fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../../src/shared/events.ts';
import { onInterruption, watchFolder } from '../../../src/shared/watch-folder.ts';
import { ComparingWatcher } from '../../../src/watch/comparing-watcher.ts';
import { Filter } from '../../../src/watch/filter.ts';
import { type FolderEvents, openFolderEvents } from '../../../src/watch/folder-events.ts';
import { Looks } from '../../../src/watch/looks.ts';
import { createClock } from '../../support/clock.ts';
import { createProject, type Project } from '../../support/project.ts';
import { aged } from './observe.ts';

/** A subscription of `fs.watch` that reports what a test lets it report. */
class FakeSubscription extends EventEmitter {
  isClosed = false;

  close(): void {
    this.isClosed = true;
  }
}

function openFake(backend: Parameters<typeof openFolderEvents>[0]) {
  const opened: { folder: string; recursive: boolean | undefined; subscription: FakeSubscription }[] = [];
  const events = openFolderEvents(backend, (folder, options) => {
    const subscription = new FakeSubscription();
    opened.push({ folder, recursive: options?.recursive, subscription });
    return subscription as unknown as fs.FSWatcher;
  });
  return { events, opened };
}

/** Watches a project by events that a test makes. */
async function watchBy(project: Project, events: FolderEvents, watch: readonly string[] = ['.']) {
  await aged();
  const changes: Change[] = [];
  const failures: unknown[] = [];
  const clock = createClock();
  const base = project.path;
  const watcher = new ComparingWatcher(
    {
      filter: new Filter({ watch: { patterns: watch, base }, ignore: { patterns: [], base }, extensions: ['js'] }),
      since: Date.now(),
      follow: true,
      pollInterval: undefined,
      onChange: (change) => changes.push({ ...change, path: change.path.slice(base.length + 1) }),
      onWarning: (message) => expect.unreachable(message),
      onExhausted: (error) => failures.push(error),
    },
    events,
    clock,
  );
  await watcher.armed;
  return {
    clock,
    failures,
    /** Returns what has been reported since the last call, when all is quiet. */
    async reported(): Promise<readonly Change[]> {
      do await nextTurn();
      while (watcher.isResyncing());
      return changes.splice(0);
    },
    [Symbol.asyncDispose]: () => watcher.close(),
  };
}

describe('the events of', () => {
  test.each([
    ['FSEvents', 'a/b\\c.js', ['a', 'b\\c.js']],
    ['ReadDirectoryChangesW', 'a\\b\\c.js', ['a', 'b', 'c.js']],
    ['ReadDirectoryChangesW', null, undefined],
    ['fs.watch', 'c.js', ['c.js']],
  ] as const)('%s of %j', (backend, name, names) => {
    const { events, opened } = openFake(backend);
    const seen: unknown[] = [];
    const listener = {
      mayCount: () => true,
      onBegin() {},
      onError() {},
      onEvent: (...event: unknown[]) => seen.push(event),
    };
    const { coversBelow } = events.open('/x', true, listener);
    opened[0]?.subscription.emit('change', 'rename', name);
    expect(seen).toEqual([['rename', names]]);
    expect(opened[0]?.recursive).toBe(backend !== 'fs.watch');
    expect(coversBelow).toBe(backend !== 'fs.watch');
  });

  test.each(['FSEvents', 'ReadDirectoryChangesW'] as const)(
    '%s come by one subscription to each root, and to the folder of a file alone',
    async (backend) => {
      await using project = createProject({ 'src/x/y/a.js': '', 'lib/b.js': '', 'c.js': '' });
      const { events, opened } = openFake(backend);
      await using _ = await watchBy(project, events, ['src', 'c.js']);
      expect(opened.map(({ folder, recursive }) => [folder.slice(project.path.length), recursive])).toEqual([
        ['', false],
        ['/src', true],
      ]);
    },
  );
});

test('a subscription that is opened or closed interrupts all others', async () => {
  await using project = createProject({});
  let interruptions = 0;
  const end = onInterruption(() => {
    interruptions += 1;
  });
  const subscription = watchFolder(project.path);
  expect(interruptions).toBe(1);
  subscription.close();
  while (interruptions < 2) await nextTurn();
  end();
  watchFolder(project.path).close();
  expect(interruptions).toBe(2);
});

describe('a save of which macOS reports nothing is found', () => {
  test.each([300, 2000])('%i ms after the subscription', async (ms) => {
    await using project = createProject({ 'a.js': '' });
    await using watcher = await watchBy(project, openFake('FSEvents').events);
    watcher.clock.advance(ms - 1);
    expect(await watcher.reported()).toEqual([]);
    project.write('a.js', '1');
    watcher.clock.advance(1);
    expect(await watcher.reported()).toEqual([{ kind: 'change', path: 'a.js' }]);
  });

  test('after another subscription has replaced the stream of events', async () => {
    await using project = createProject({ 'a.js': '' });
    await using watcher = await watchBy(project, openFake('FSEvents').events);
    watcher.clock.advance(5000);
    expect(watcher.clock.pending).toBe(0);
    const other = watchFolder(project.path);
    project.write('a.js', '1');
    watcher.clock.advance(300);
    expect(await watcher.reported()).toEqual([{ kind: 'change', path: 'a.js' }]);
    other.close();
  });
});

test('Windows reports nothing late, so no timer waits', async () => {
  await using project = createProject({ 'a.js': '' });
  await using watcher = await watchBy(project, openFake('ReadDirectoryChangesW').events);
  expect(watcher.clock.pending).toBe(0);
});

describe('a subscription that fails', () => {
  const failure = (code: string): Error => Object.assign(new Error(code), { code });

  test('because no more can be had ends the watcher', async () => {
    await using project = createProject({ 'a.js': '' });
    const { events, opened } = openFake('FSEvents');
    await using watcher = await watchBy(project, events);
    opened[0]?.subscription.emit('error', failure('EMFILE'));
    expect(watcher.failures).toEqual([failure('EMFILE')]);
    expect(opened[0]?.subscription.isClosed).toBe(true);
  });

  test('later is opened once more, and the saves in between are found', async () => {
    await using project = createProject({ 'a.js': '' });
    const { events, opened } = openFake('ReadDirectoryChangesW');
    await using watcher = await watchBy(project, events);
    watcher.clock.advance(1000);
    project.write('a.js', '1');
    opened[0]?.subscription.emit('error', failure('EPERM'));
    expect(await watcher.reported()).toEqual([{ kind: 'change', path: 'a.js' }]);
    expect(opened).toHaveLength(2);
    opened[1]?.subscription.emit('error', failure('EPERM'));
    expect(watcher.failures).toEqual([failure('EPERM')]);
  });

  test('because the root has gone is left to the guard of the roots', async () => {
    await using project = createProject({ 'src/a.js': '' });
    const { events, opened } = openFake('ReadDirectoryChangesW');
    await using watcher = await watchBy(project, events, ['src']);
    project.remove('src');
    opened[0]?.subscription.emit('error', failure('EPERM'));
    expect(watcher.failures).toEqual([]);
    expect(opened).toHaveLength(1);
  });
});

test('very many events, of which some may be lost without notice, are followed by a comparison once they are over', () => {
  const clock = createClock();
  let looks = 0;
  const onLook = (): void => {
    looks += 1;
  };
  const options = { clock, beginsAfterMs: [], onLook };
  const own = new Looks(options);
  for (let event = 0; event < 1000; event += 1) own.count();
  expect(clock.pending).toBe(0);
  own.count();
  clock.advance(200);
  own.count();
  clock.advance(399);
  expect(looks).toBe(0);
  clock.advance(1);
  expect(looks).toBe(1);
  for (let burst = 0; burst < 35; burst += 1) {
    for (let event = 0; event < 100; event += 1) own.count();
    clock.advance(100);
  }
  expect(looks).toBe(2);
  own.close();
  expect(clock.pending).toBe(0);
});

describe('a name that is spelled otherwise than in its folder stands for', () => {
  test.each([
    ['a file that is saved', 'SRC/A.js', (project: Project) => project.write('src/a.js', '1'), 'change src/a.js'],
    ['a file that has gone', 'SRC/A.js', (project: Project) => project.remove('src/a.js'), 'unlink src/a.js'],
    [
      'a file that has gone, in its short form',
      'src/LONGNA~1.JS',
      (project: Project) => project.remove('src/long name.js'),
      'unlink src/long name.js',
    ],
    [
      'a decomposed one',
      'src/a\u0308.js',
      (project: Project) => project.write('src/\u00e4.js', '1'),
      'change src/\u00e4.js',
    ],
    ['a folder that has gone', 'SRC', (project: Project) => project.remove('src'), 'unlink src/a.js'],
  ] as const)('%s', async (_, reported, act, change) => {
    await using project = createProject({ 'src/a.js': '', 'src/long name.js': '', 'src/\u00e4.js': '' });
    const { events, opened } = openFake('ReadDirectoryChangesW');
    await using watcher = await watchBy(project, events);
    act(project);
    opened[0]?.subscription.emit('change', 'rename', reported);
    const changes = (await watcher.reported()).map(({ kind, path: file }) => `${kind} ${file}`);
    expect(changes).toContain(change);
    expect(changes.every((one) => one === change || reported === 'SRC')).toBe(true);
  });
});

test('the subscription to a folder that has gone is closed, without which Windows does not remove it', async () => {
  await using project = createProject({ 'src/a.js': '' });
  const { events, opened } = openFake('fs.watch');
  await using watcher = await watchBy(project, events);
  project.remove('src');
  opened[1]?.subscription.emit('change', 'rename', project.at('src'));
  expect(await watcher.reported()).toEqual([{ kind: 'unlink', path: 'src/a.js' }]);
  expect(opened.map(({ subscription }) => subscription.isClosed)).toEqual([false, true]);
  project.write('src/a.js', '');
  opened[0]?.subscription.emit('change', 'rename', 'src');
  expect(await watcher.reported()).toEqual([{ kind: 'add', path: 'src/a.js' }]);
  expect(opened).toHaveLength(3);
});
