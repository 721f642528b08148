/** Tests of the inotify backend from inside the process: the watches that it holds, and their exhaustion. */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/shared/clock.ts';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import type { Watcher, WatchOptions } from '../../../src/watch/watcher.ts';
import { createProject, type Project } from '../../support/project.ts';
import { aged, append, observe, type Settings } from './observe.ts';

describe('the inotify backend leaves no watch behind', () => {
  /** Watches that this process has had before a test. */
  let earlier = 0;
  beforeEach(() => {
    earlier = 0;
    earlier = watches();
  });

  /** Counts the kernel's watches of a test: each is a line about the descriptor. */
  function watches(): number {
    const descriptors = fs.readdirSync('/proc/self/fdinfo').flatMap((name) => {
      try {
        return fs.readFileSync(`/proc/self/fdinfo/${name}`, 'latin1').split('\n');
      } catch {
        return []; // that of the listing itself
      }
    });
    return descriptors.filter((line) => line.startsWith('inotify wd:')).length - earlier;
  }

  const exhausted = (code: string) => Object.assign(new Error(`${code}: no more watches`), { code });

  /** Allows this number of watches, then no more. */
  function limitWatches(count: number, code: string): Disposable {
    const { watch } = fs;
    let left = count;
    const spy = vi.spyOn(fs, 'watch').mockImplementation(((folder: string) => {
      left -= 1;
      if (left < 0 && left > -3) throw exhausted(code);
      return watch(folder);
    }) as typeof fs.watch);
    return { [Symbol.dispose]: () => spy.mockRestore() };
  }

  /** Makes walks yield after every folder. */
  function shortSlices(): Disposable {
    let now = 0;
    const spy = vi.spyOn(systemClock, 'now').mockImplementation(() => {
      now += 1000;
      return now;
    });
    return { [Symbol.dispose]: () => spy.mockRestore() };
  }

  function open(project: Project, settings: Settings = {}) {
    const failures: { error: unknown; since: number }[] = [];
    const since = Date.now();
    const watcher = observe(
      (options) => new InotifyWatcher({ ...options, onExhausted: (error, since) => failures.push({ error, since }) }),
      project,
      { since, ...settings },
    );
    return { watcher, failures, since };
  }

  const folders = 25;
  const tree = Object.fromEntries(
    Array.from({ length: 2 * folders }, (_, index) => [`f${index % folders}/x/${index}.js`, '']),
  );
  /** Watches of the tree: each folder, the one in it, and the project. */
  const armed = 2 * folders + 1;

  test('when it is closed', async () => {
    await using project = createProject(tree);
    const { watcher } = open(project);
    await watcher.armed;
    expect(watches()).toBe(armed);
    await watcher.close();
    expect(watches()).toBe(0);
  });

  test.each([[['.']], [['f0', 'f1', 'f2']]])('when it is closed while it is being armed on %j', async (watch) => {
    await using project = createProject(tree);
    using _ = shortSlices();
    const { watcher } = open(project, { watch });
    while (watches() === 0) await nextTurn();
    await watcher.close();
    await watcher.armed;
    expect(watches()).toBe(0);
  });

  test('and reports nothing when it is closed during a resync', async () => {
    await using project = createProject({ ...tree, '0.txt': '', '1.txt': '' });
    await aged();
    const { watcher } = open(project);
    await watcher.armed;
    using _ = shortSlices();
    // More events in one turn than it trusts to be complete.
    for (let index = 0; index < 5000; index += 1) fs.chmodSync(project.at(`${index % 2}.txt`), 0o644);
    while (watches() === armed) await nextTurn();
    await watcher.close();
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
    expect(watches()).toBe(0);
    expect(watcher.changes).toEqual([]);
  });

  test('and reports all files of a new folder that takes long to read', async () => {
    await using project = createProject({ 'a.js': '' });
    await aged();
    const { watcher } = open(project);
    await watcher.armed;
    let now = Date.now();
    using _ = vi.spyOn(Date, 'now').mockImplementation(() => {
      now += 1000;
      return now;
    });
    fs.mkdirSync(project.at('elsewhere.txt/new'), { recursive: true });
    for (const file of Object.keys(tree)) project.write(path.join('elsewhere.txt/new', file), '');
    fs.renameSync(project.at('elsewhere.txt/new'), project.at('new'));
    await watcher.all(Object.keys(tree).map((file) => path.join('new', file)));
    await watcher.close();
    // The kernel releases the folder of the last event when its listeners have returned.
    await nextTurn();
    expect(watches()).toBe(0);
  });

  test('when it is closed by the first change of a new folder', async () => {
    await using project = createProject({ 'a.js': '' });
    await aged();
    const { watcher } = open(project, { onChange: () => void watcher.close() });
    await watcher.armed;
    for (const file of Object.keys(tree)) project.write(path.join('new', file), '');
    await watcher.next();
    // The kernel releases the folder of this event when its listeners have returned.
    await nextTurn();
    expect(watches()).toBe(0);
  });

  test.each(['ENOSPC', 'EMFILE'])('when arming fails with %s', async (code) => {
    await using project = createProject(tree);
    using _ = limitWatches(folders, code);
    const { watcher, failures, since } = open(project);
    await expect(watcher.armed).rejects.toThrow(code);
    expect(failures).toEqual([{ error: expect.objectContaining({ code }), since }]);
    expect(watches()).toBe(0);
  });

  test('when watches run out later', async () => {
    await using project = createProject({ 'a.js': '' });
    await aged();
    const { watcher, failures } = open(project);
    await watcher.armed;
    const before = Date.now();
    project.write('a.js', '1');
    await watcher.next('a.js');
    await nextTurn();
    using _ = limitWatches(2, 'ENOSPC');
    for (const file of Object.keys(tree)) project.write(path.join('new', file), '');
    const after = Date.now();
    while (failures.length === 0) await nextTurn();
    expect(watches()).toBe(0);
    expect(failures).toEqual([{ error: expect.objectContaining({ code: 'ENOSPC' }), since: expect.any(Number) }]);
    // The edit has been reported; the files of the new folder have not.
    expect(failures[0]?.since).toBeGreaterThanOrEqual(before);
    expect(failures[0]?.since).toBeLessThanOrEqual(after);
  });
});

test('the inotify backend is resyncing until it has reported the changes whose events were lost', async () => {
  await using project = createProject({ 'a.js': '', '0.txt': '', '1.txt': '' });
  await aged();
  let watcher: Watcher | undefined;
  const open = (options: WatchOptions): Watcher => {
    watcher = new InotifyWatcher(options);
    return watcher;
  };
  const states: unknown[] = [];
  await using observer = observe(open, project, { onChange: () => states.push(watcher?.isResyncing()) });
  await observer.armed;
  expect(watcher?.isResyncing()).toBe(false);
  // The kernel queues 16,384 events; that of the write is lost.
  for (let index = 0; index < 20_000; index += 1) fs.chmodSync(project.at(`${index % 2}.txt`), 0o644);
  append(project, 'a.js');
  expect(await observer.next()).toEqual({ kind: 'change', path: 'a.js' });
  await nextTurn();
  expect([...states, watcher?.isResyncing()]).toEqual([true, false]);
});

test('the inotify backend reports a save once that was made just before all folders are read again', async () => {
  await using project = createProject({ 'sub/a.js': '' });
  await aged();
  let watcher: Watcher | undefined;
  const open = (options: WatchOptions): Watcher => {
    watcher = new InotifyWatcher(options);
    return watcher;
  };
  await using observer = observe(open, project);
  await observer.armed;
  append(project, 'sub/a.js');
  await observer.next('sub/a.js');
  // The folder may have become another checkout, so that everything is read again.
  fs.mkdirSync(project.at('sub/.git'));
  project.write('sub/later.js', '');
  await observer.next('sub/later.js');
  while (watcher?.isResyncing() === true) await nextTurn();
  append(project, 'sub/later.js');
  await observer.next('sub/later.js');
  expect(observer.changes).toEqual([
    { kind: 'change', path: 'sub/a.js' },
    { kind: 'add', path: 'sub/later.js' },
    { kind: 'change', path: 'sub/later.js' },
  ]);
});
