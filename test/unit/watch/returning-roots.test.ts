/** Watched roots that go away and come back, on a real disk, under each backend. */

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAnyOnMount } from '../../../src/watch/shared-mounts.ts';
import { type BackendPreference, openWatcher } from '../../../src/watch/watcher.ts';
import { createProject, type Project } from '../../support/project.ts';
import { aged, append, deferred, type Observer, observe } from './observe.ts';

const backends: Readonly<Record<string, BackendPreference>> = {
  inotify: { watcher: 'native', poll: false, events: 'inotify' },
  'fs.watch': { watcher: 'native', poll: false, events: 'fs.watch' },
  chokidar: { watcher: 'chokidar', poll: false, events: 'inotify' },
  polling: { watcher: 'auto', poll: true, events: 'inotify' },
};

/** Watches a folder in which a process works: as long as it does, the kernel does not report that the folder is removed. */
async function watchInUse(preference: BackendPreference, project: Project, root: string) {
  await aged();
  const descriptor = fs.openSync(project.at(root), 'r');
  const observer = observe((options) => deferred(openWatcher(options, preference)), project, { watch: [root] });
  await observer.armed;
  return {
    observer,
    async [Symbol.asyncDispose]() {
      fs.closeSync(descriptor);
      await observer.close();
    },
  };
}

const move = (project: Project, from: string, to: string): void => fs.renameSync(project.at(from), project.at(to));

/** Makes one more change, and waits for it alone. */
async function expectChange(observer: Observer, project: Project, file: string): Promise<void> {
  await aged();
  append(project, file);
  while ((await observer.next()).path !== file);
}

describe.each(Object.entries(backends))('%s', (_, preference) => {
  test('reports changes in a root that was removed while a process works in it, and made again', async () => {
    await using project = createProject({ 'packages/api/a.js': '' });
    await using watched = await watchInUse(preference, project, 'packages/api');
    const { observer } = watched;
    project.remove('packages');
    expect(await observer.next('packages/api/a.js')).toMatchObject({ kind: 'unlink' });
    project.write('packages/api/a.js', '');
    await observer.next('packages/api/a.js');
    await expectChange(observer, project, 'packages/api/a.js');
  });

  test('reports the files of another folder that takes the place of one above the root', async () => {
    await using project = createProject({ 'now/api/a.js': '', 'next/api/a.js': 'newer' });
    await using watched = await watchInUse(preference, project, 'now/api');
    move(project, 'now', 'before');
    move(project, 'next', 'now');
    await watched.observer.next('now/api/a.js');
    await expectChange(watched.observer, project, 'now/api/a.js');
  });

  test('reports the files of the folder to which a link on the way to the root leads now', async () => {
    await using project = createProject({ 'releases/1/api/a.js': '', 'releases/2/api/a.js': 'newer' });
    fs.symlinkSync('releases/1', project.at('current'));
    await using watched = await watchInUse(preference, project, 'current/api');
    fs.symlinkSync('releases/2', project.at('next'));
    move(project, 'next', 'current');
    await watched.observer.next('current/api/a.js');
    await expectChange(watched.observer, project, 'current/api/a.js');
  });
});

test('a root that is moved away and back reports its files, which may have changed elsewhere', async () => {
  await using project = createProject({ 'a/b/1.js': '', 'a/b/c/2.js': '' });
  await using watched = await watchInUse({ watcher: 'auto', poll: false, events: 'inotify' }, project, 'a/b');
  const { observer } = watched;
  move(project, 'a', 'x');
  await observer.all(['a/b/1.js', 'a/b/c/2.js']);
  expect(new Set(observer.changes.map(({ kind }) => kind))).toEqual(new Set(['unlink']));
  move(project, 'x', 'a');
  await observer.all(['a/b/1.js', 'a/b/c/2.js']);
  expect(observer.changes.at(-1)).toMatchObject({ kind: 'add' });
});

test('saves in the folders above a root are of no interest', async () => {
  await using project = createProject({ 'a/b/1.js': '', 'a/2.js': '', '3.js': '' });
  await using watched = await watchInUse({ watcher: 'auto', poll: false, events: 'inotify' }, project, 'a/b');
  for (const file of ['a/2.js', '3.js', 'a/new/4.js']) project.write(file, '1');
  fs.chmodSync(project.at('a'), 0o700);
  fs.utimesSync(path.dirname(project.at('a')), 1, 1);
  await expectChange(watched.observer, project, 'a/b/1.js');
  expect(watched.observer.changes.map((change) => change.path)).toEqual(['a/b/1.js']);
});

test.each([
  ['/', '/home/me/app', false],
  ['/mnt/disk', '/mnt/disk/app', true],
  ['/mnt/disk', '/mnt/disk', true],
  ['/mnt/disk', '/mnt/disk2', false],
])('with a mount at %s, the file system of %s may be unmounted: %s', (point, place, expected) => {
  expect(isAnyOnMount([place], [{ point, type: 'ext4' }])).toBe(expected);
});
