/**
 * The same things happen to real folders under each backend. A change is awaited as a fact; that
 * nothing was reported is shown by a later change being the first one reported.
 */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../../src/shared/events.ts';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import { PollingWatcher } from '../../../src/watch/polling.ts';
import { openWatcher } from '../../../src/watch/watcher.ts';
import { isExhaustive } from '../../support/exhaustive.ts';
import { createProject, type Project } from '../../support/project.ts';
import { aged, append, deferred, type Observer, type Open, observe, type Settings } from './observe.ts';

const onExhausted = (error: unknown): never => expect.unreachable(String(error));

const backends = {
  inotify: (options) => new InotifyWatcher({ ...options, onExhausted }),
  // With the guard of the roots, because no event tells that a root has gone.
  'fs.watch': (options) => deferred(openWatcher(options, { watcher: 'native', poll: false, events: 'fs.watch' })),
  chokidar: (options) => deferred(openWatcher(options, { watcher: 'chokidar', poll: false, events: undefined })),
  polling: (options) => new PollingWatcher(options, 20),
} satisfies Readonly<Record<string, Open>>;

/** Opens a watcher for a program that was started after the project was written, and waits until it is armed. */
async function watching(backend: keyof typeof backends, project: Project, settings?: Settings): Promise<Observer> {
  await aged();
  const observer = observe(backends[backend], project, settings);
  await observer.armed;
  return observer;
}

const rename = (project: Project, from: string, to: string): void => fs.renameSync(project.at(from), project.at(to));

const numbered = (count: number, name: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => name(index));

/** A file in a root that the guard has found again may have been written before or after that. */
const kindOfReturned = (backend: string): unknown => (backend === 'inotify' ? 'add' : expect.any(String));

/** The rows that take long; comparing-watcher.test.ts has the same by random sequences. */
const isLeftOut = (backend: string): boolean => backend === 'fs.watch' && !isExhaustive;

const contents = (files: readonly string[]): Record<string, string> =>
  Object.fromEntries(files.map((file) => [file, '']));

describe.each(['inotify', 'fs.watch', 'chokidar', 'polling'] as const)('%s', (backend) => {
  test.each<[string, (project: Project) => void, Partial<Change>]>([
    ['a write in place', (project) => project.write('src/a.js', '1'), { kind: 'change', path: 'src/a.js' }],
    ['a file that is renamed over another', (project) => project.replace('src/a.js', '1'), { path: 'src/a.js' }],
    ['a new file', (project) => project.write('src/c.js', ''), { kind: 'add', path: 'src/c.js' }],
    ['a deleted file', (project) => project.remove('src/a.js'), { kind: 'unlink', path: 'src/a.js' }],
  ])('reports %s', async (_, act, change) => {
    await using project = createProject({ 'src/a.js': '', 'src/b.js': '' });
    await using observer = await watching(backend, project);
    act(project);
    expect(await observer.next()).toMatchObject(change);
  });

  test('reports every file of a deleted folder', async () => {
    const files = numbered(20, (index) => `src/${index % 4}/${index}.js`);
    await using project = createProject({ ...contents(files), 'a.js': '' });
    await using observer = await watching(backend, project);
    project.remove('src');
    await observer.all(files);
    expect(new Set(observer.changes.map((change) => change.kind))).toEqual(new Set(['unlink']));
  });

  test('does not report files that do not count', async () => {
    await using project = createProject({ 'a.js': '', 'a.txt': '', 'node_modules/pkg/a.js': '', 'gen/a.js': '' });
    await using observer = await watching(backend, project, { ignore: ['gen'] });
    for (const file of ['a.txt', 'node_modules/pkg/a.js', 'node_modules/pkg/b.js', 'gen/a.js', 'gen/b.js', 'b.txt']) {
      project.write(file, '1');
    }
    project.remove('gen');
    project.write('a.js', '1');
    expect((await observer.next()).path).toBe('a.js');
  });

  test('does not report files that are as old as the program', async () => {
    await using project = createProject({ 'src/a.js': '', 'src/b.js': '' });
    await using observer = await watching(backend, project);
    append(project, 'src/b.js');
    expect((await observer.next()).path).toBe('src/b.js');
  });

  test('reports files saved after the program was started and before the watcher is armed', async () => {
    await using project = createProject({ 'src/a.js': '', 'src/b.js': '' });
    const since = Date.now();
    project.write('src/a.js', '1');
    project.replace('src/b.js', '1');
    await using observer = await watching(backend, project, { since });
    await observer.all(['src/a.js', 'src/b.js']);
  });

  test('returns the number of files and folders', async () => {
    await using project = createProject({ 'a.js': '', 'src/a.js': '', 'src/x/b.js': '', 'a.txt': '', 'dist/a.js': '' });
    await using observer = observe(backends[backend], project);
    const coverage = await observer.armed;
    expect(coverage).toMatchObject({ backend, files: 3 });
    expect(coverage.directories).toBeGreaterThanOrEqual(3);
  });

  test('watches a single file, and no other in its folder', async () => {
    await using project = createProject({ 'src/a.js': '', 'src/b.js': '', 'src/x/a.js': '' });
    await using observer = await watching(backend, project, { watch: ['src/a.js'] });
    append(project, 'src/b.js');
    append(project, 'src/x/a.js');
    append(project, 'src/a.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'src/a.js' });
  });

  test('reports no change once it is closed', async () => {
    await using project = createProject({ 'a.js': '' });
    const closed = await watching(backend, project);
    await closed.close();
    await using observer = await watching(backend, project);
    append(project, 'a.js');
    await observer.next();
    expect(closed.changes).toEqual([]);
  });
});

describe.each(['inotify', 'fs.watch', 'chokidar'] as const)('%s', (backend) => {
  test('reports a file that is created together with its nested folders, twenty times', async () => {
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(backend, project);
    for (const file of numbered(20, (index) => `new-${index}/x/y/a.js`)) {
      project.write(file, '');
      expect(await observer.next(file)).toEqual({ kind: 'add', path: file });
    }
  });

  test('reports an edit below a folder that was renamed', async () => {
    await using project = createProject({ 'old/x/a.js': '', 'b.js': '' });
    await using observer = await watching(backend, project);
    rename(project, 'old', 'new');
    await observer.all(['old/x/a.js', 'new/x/a.js']);
    project.write('new/x/b.js', '');
    await observer.next('new/x/b.js');
  });

  test('reports an edit in a linked folder that lies outside, under the name of the link', async () => {
    await using outside = createProject({ 'x/a.js': '' });
    await using project = createProject({ 'b.js': '' });
    fs.symlinkSync(outside.path, project.at('linked'));
    await using observer = await watching(backend, project);
    append(outside, 'x/a.js');
    expect((await observer.next()).path).toBe('linked/x/a.js');
  });

  test('reports a folder that becomes a file', async () => {
    await using project = createProject({ 'a.js/b.js': '', 'c.js': '' });
    await using observer = await watching(backend, project);
    project.remove('a.js');
    await observer.next('a.js/b.js');
    project.write('a.js', '');
    await observer.next('a.js');
  });

  test('reports every edit that is made while it is being armed', async () => {
    const files = numbered(isExhaustive ? 2000 : 300, (index) => `f${index % 60}/${index}.js`);
    await using project = createProject(contents(files));
    const since = Date.now();
    await using observer = observe(backends[backend], project, { since });
    let armed = false;
    void observer.armed.then(() => {
      armed = true;
    });
    const edited = new Set<string>();
    for (const file of files.filter((_, index) => index % 7 === 0)) {
      append(project, file);
      edited.add(file);
      await nextTurn();
      if (armed && edited.size >= 20) break;
    }
    await observer.all(edited);
  });

  test.skipIf(isLeftOut(backend))(
    'reports an edit in any folder of a checkout of many files in 100 folders',
    async () => {
      const files = numbered(isExhaustive ? 3000 : 500, (index) => `src/${index % 10}/${index % 100}/${index}.js`);
      await using project = createProject({ 'a.js': '' });
      await using observer = await watching(backend, project);
      for (const file of files) project.write(file, '');
      await observer.all(files);
      for (const file of numbered(
        20,
        (index) => `src/${index % 10}/${index * 5 + (index % 10) - ((index * 5) % 10)}/new.js`,
      )) {
        project.write(file, '');
        await observer.next(file);
      }
    },
  );

  test.each<[string, (project: Project, file: string, content: string) => void]>([
    [
      'vim with backupcopy=yes',
      (project, file, content) => {
        project.write('4913', '');
        project.remove('4913');
        fs.copyFileSync(project.at(file), project.at(`${file}~`));
        project.write(file, content);
        project.remove(`${file}~`);
      },
    ],
    [
      'vim with backupcopy=no',
      (project, file, content) => {
        rename(project, file, `${file}~`);
        project.write(file, content);
        project.remove(`${file}~`);
      },
    ],
    [
      'JetBrains with safe write',
      (project, file, content) => {
        project.write(`${file}___jb_tmp___`, content);
        rename(project, file, `${file}___jb_old___`);
        rename(project, `${file}___jb_tmp___`, file);
        project.remove(`${file}___jb_old___`);
      },
    ],
    ['a temporary file', (project, file, content) => project.replace(file, content)],
  ])('reports a save through %s, and no other file', async (_, save) => {
    await using project = createProject({ 'src/a.js': '', 'b.js': '' });
    await using observer = await watching(backend, project);
    // Chokidar loses some of several saves in quick succession.
    for (let round = 0; round < (backend === 'chokidar' ? 1 : 6); round += 1) {
      save(project, 'src/a.js', String(round));
      await observer.next('src/a.js');
      await observer.settle();
    }
    const others = observer.changes.filter(({ path }) => path !== 'src/a.js' && !path.startsWith('fence-'));
    expect(others).toEqual([]);
  });

  test('reports a file in a root that was missing', async () => {
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(backend, project, { watch: ['src', '*.js'] });
    project.write('src/b.js', '');
    await observer.next('src/b.js');
  });

  test.each(['ünïcödé', '日本語', '🎉 party', "quo'te", '[id]', '(group)', 'a#b%20c', '-dash', ' space '])(
    'reports files and folders called %j',
    async (name) => {
      await using project = createProject({ [`${name}/${name}.js`]: '', 'b.js': '' });
      await using observer = await watching(backend, project);
      append(project, `${name}/${name}.js`);
      expect((await observer.next()).path).toBe(`${name}/${name}.js`);
      project.write(`${name}/new/${name}.js`, '');
      await observer.next(`${name}/new/${name}.js`);
    },
  );
});

describe.each(['inotify', 'fs.watch'] as const)('%s', (backend) => {
  test('takes one watch per relevant folder, and none per file', async () => {
    await using project = createProject({ 'a.js': '', 'src/x/a.js': '', 'node_modules/p/a.js': '', 'gen/a.js': '' });
    await using observer = observe(backends[backend], project, { ignore: ['gen'] });
    expect(await observer.armed).toEqual({ backend, directories: 3, files: 2 });
  });

  test('watches only the folder of a single file', async () => {
    await using project = createProject({ 'src/a.js': '', 'src/x/a.js': '' });
    await using observer = observe(backends[backend], project, { watch: ['src/a.js'] });
    expect(await observer.armed).toEqual({ backend, directories: 1, files: 1 });
  });

  test('watches a folder once when a root file beside it comes first', async () => {
    await using project = createProject({ 'a/a.js': '', 'b.js': '' });
    await using observer = await watching(backend, project, { watch: ['a', 'b.js'] });
    expect(await observer.armed).toEqual({ backend, directories: 2, files: 2 });
    append(project, 'a/a.js');
    append(project, 'b.js');
    await observer.next('b.js');
    expect(observer.changes.map((change) => change.path)).toEqual(['a/a.js', 'b.js']);
  });

  test('reports both of two writes, however close', async () => {
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(backend, project);
    for (let write = 0; write < 20; write += 1) {
      append(project, 'a.js');
      await observer.next('a.js');
    }
    expect(observer.changes).toHaveLength(20);
  });

  test('reports a file every time another is renamed over it', async () => {
    await using project = createProject({ 'src/a.js': '' });
    await using observer = await watching(backend, project);
    for (let save = 0; save < 20; save += 1) {
      project.replace('src/a.js', String(save));
      await observer.next('src/a.js');
    }
    expect(observer.changes).toEqual(Array(20).fill({ kind: 'change', path: 'src/a.js' }));
  });

  test('does not report a temporary file that is deleted at once', async () => {
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(backend, project);
    for (let index = 0; index < 20; index += 1) {
      project.write(`temporary-${index}.js`, '');
      project.remove(`temporary-${index}.js`);
    }
    append(project, 'a.js');
    expect((await observer.next()).path).toBe('a.js');
  });

  test('does not report changed attributes of a folder', async () => {
    await using project = createProject({ 'src/x/a.js': '', 'b.js': '' });
    await using observer = await watching(backend, project);
    for (const folder of ['src/x', 'src', '.']) {
      fs.chmodSync(project.at(folder), 0o700);
      fs.utimesSync(project.at(folder), 1, 1);
    }
    append(project, 'b.js');
    expect((await observer.next()).path).toBe('b.js');
    append(project, 'src/x/a.js');
    await observer.next('src/x/a.js');
    expect(observer.changes).toHaveLength(2);
  });

  test('reports an edit in a folder that was removed and made again at once', async () => {
    await using project = createProject({ 'src/x/a.js': '' });
    await using observer = await watching(backend, project);
    for (let round = 0; round < 20; round += 1) {
      project.remove('src');
      project.write('src/x/a.js', '');
      await observer.settle();
      append(project, 'src/x/a.js');
      await observer.next('src/x/a.js');
    }
  });

  test('reports an edit in each of many folders that a checkout has removed and made again', async () => {
    const folders = numbered(isExhaustive ? 100 : 40, (index) => `src/${index % 10}/${index}`);
    await using project = createProject(contents(folders.map((folder) => `${folder}/old.js`)));
    await using observer = await watching(backend, project);
    for (const folder of folders) {
      // As git does: it removes a folder with its last file, and makes it with its first.
      project.remove(folder);
      project.write(`${folder}/new.js`, '');
    }
    await observer.all(folders.flatMap((folder) => [`${folder}/old.js`, `${folder}/new.js`]));
    await observer.settle();
    for (const folder of folders) append(project, `${folder}/new.js`);
    await observer.all(folders.map((folder) => `${folder}/new.js`));
  });

  test('reports an edit in a root that was removed and made again at once', async () => {
    await using project = createProject({ 'src/x/a.js': '', 'lib/b.js': '' });
    await using observer = await watching(backend, project, { watch: ['src', 'lib', 'fence-*.js'] });
    for (let round = 0; round < 20; round += 1) {
      project.remove('src');
      project.write('src/x/a.js', '');
      await observer.next('src/x/a.js');
      await observer.settle();
      append(project, 'src/x/a.js');
      await observer.next('src/x/a.js');
    }
  });

  test.each(['src', 'src/x', '.'])('reports a file in the root %j, which was removed some time ago', async (root) => {
    await using parent = createProject({ 'app/src/x/a.js': '', 'b.js': '' });
    await using observer = await watching(backend, parent, { watch: [path.join('app', root)] });
    parent.remove('app');
    expect(await observer.next()).toEqual({ kind: 'unlink', path: 'app/src/x/a.js' });
    parent.write('app/src/x/a.js', '');
    expect(await observer.next()).toEqual({ kind: kindOfReturned(backend), path: 'app/src/x/a.js' });
    append(parent, 'app/src/x/a.js');
    await observer.next('app/src/x/a.js');
  });

  test('reports an edit in a root made again at once with a folder of its own name in it', async () => {
    await using project = createProject({ 'src/src/a.js': '' });
    await using observer = await watching(backend, project, { watch: ['src'] });
    project.remove('src');
    project.write('src/src/a.js', '');
    project.write('src/b.js', '');
    await observer.next('src/b.js');
    project.write('src/c.js', '');
    await observer.next('src/c.js');
  });

  test('reports an edit below a missing root whose parent becomes a file and then a folder', async () => {
    await using project = createProject({ 'src/lib/a.js': '' });
    await using observer = await watching(backend, project, { watch: ['src/lib'] });
    project.remove('src');
    project.write('src', '');
    expect(await observer.next()).toEqual({ kind: 'unlink', path: 'src/lib/a.js' });
    project.remove('src');
    project.write('src/lib/a.js', '');
    expect(await observer.next()).toEqual({ kind: kindOfReturned(backend), path: 'src/lib/a.js' });
  });

  test('reports no file of a root when a neighbouring root is removed', async () => {
    await using project = createProject({ 'lib/a.js': '', 'src/b.js': '' });
    await using observer = await watching(backend, project, { watch: ['lib', 'src'] });
    project.remove('src');
    expect(await observer.next()).toEqual({ kind: 'unlink', path: 'src/b.js' });
    append(project, 'lib/a.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'lib/a.js' });
    append(project, 'lib/a.js');
    await observer.next('lib/a.js');
    expect(observer.changes).toHaveLength(3);
  });

  test('reports an edit in a root that was renamed away and replaced', async () => {
    await using project = createProject({ 'src/a.js': '', 'next/a.js': '' });
    await using observer = await watching(backend, project, { watch: ['src'] });
    rename(project, 'src', 'old');
    rename(project, 'next', 'src');
    project.write('src/b.js', '');
    await observer.next('src/b.js');
    project.write('src/c.js', '');
    await observer.next('src/c.js');
    expect(observer.changes.some((change) => change.path.startsWith('old'))).toBe(false);
  });

  test('reports an edit below a file that became a folder', async () => {
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(backend, project);
    project.remove('a.js');
    project.write('a.js/b.js', '');
    await observer.next('a.js/b.js');
    await observer.settle();
    append(project, 'a.js/b.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'a.js/b.js' });
  });

  test('reports the same edits before and after two folders change places', async () => {
    await using project = createProject({ 'one/a.js': '', 'two/b.js': '' });
    await using observer = await watching(backend, project);
    rename(project, 'one', 'three');
    rename(project, 'two', 'one');
    rename(project, 'three', 'two');
    await observer.settle();
    append(project, 'one/b.js');
    expect((await observer.next()).path).toBe('one/b.js');
    append(project, 'two/a.js');
    expect((await observer.next()).path).toBe('two/a.js');
  });

  test('reports the files of a folder that is moved in', async () => {
    await using outside = createProject({ 'x/y/a.js': '', 'x/b.js': '' });
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(backend, project);
    fs.renameSync(outside.at('x'), project.at('x'));
    await observer.all(['x/y/a.js', 'x/b.js']);
    append(project, 'x/y/a.js');
    await observer.next('x/y/a.js');
  });

  test('reports an edit in a linked folder once, however many links lead to it', async () => {
    await using outside = createProject({ 'a.js': '' });
    await using project = createProject({ 'b.js': '' });
    for (const link of ['one', 'two', 'three']) fs.symlinkSync(outside.path, project.at(link));
    await using observer = await watching(backend, project);
    append(outside, 'a.js');
    await observer.settle();
    const edits = observer.changes.filter((change) => path.basename(change.path) === 'a.js');
    expect(edits).toHaveLength(1);
  });

  test('follows a link under its new name', async () => {
    await using outside = createProject({ 'a.js': '' });
    await using project = createProject({ 'b.js': '' });
    fs.symlinkSync(outside.path, project.at('one'));
    await using observer = await watching(backend, project);
    rename(project, 'one', 'two');
    await observer.all(['one/a.js', 'two/a.js']);
    await observer.settle();
    append(outside, 'a.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'two/a.js' });
  });

  test('follows a link to a folder to which an ignored link leads as well', async () => {
    await using outside = createProject({ 'a.js': '' });
    await using project = createProject({ 'b.js': '' });
    for (const link of ['a-ignored', 'linked', 'z-ignored']) fs.symlinkSync(outside.path, project.at(link));
    await using observer = await watching(backend, project, { ignore: ['*-ignored'] });
    append(outside, 'a.js');
    expect((await observer.next()).path).toBe('linked/a.js');
  });

  test('follows a link that is changed to lead to another folder', async () => {
    await using first = createProject({ 'a.js': '' });
    await using second = createProject({ 'b.js': '' });
    await using project = createProject({ 'c.js': '' });
    fs.symlinkSync(first.path, project.at('current'));
    await using observer = await watching(backend, project);
    fs.symlinkSync(second.path, project.at('current.new'));
    rename(project, 'current.new', 'current');
    await observer.next('current/b.js');
    await observer.settle();
    append(first, 'a.js');
    append(second, 'b.js');
    expect((await observer.next()).path).toBe('current/b.js');
  });

  test('follows no link in a circle', async () => {
    await using project = createProject({ 'src/a.js': '' });
    fs.symlinkSync('..', project.at('src/up'));
    fs.symlinkSync('.', project.at('src/self'));
    await using observer = observe(backends[backend], project);
    expect(await observer.armed).toEqual({ backend, directories: 2, files: 1 });
  });

  test('watches a root once when it lies below the folder watched for a missing root', async () => {
    await using project = createProject({ 'lib/a.js': '' });
    await using observer = observe(backends[backend], project, { watch: ['lib', 'src/missing'] });
    expect(await observer.armed).toEqual({ backend, directories: 2, files: 1 });
  });

  test.skipIf(isLeftOut(backend))(
    'reports the changes whose events were lost in an overflow of the queue',
    async () => {
      await using project = createProject({ 'a.js': '', 'b.js': '', 'noise/0.txt': '', 'noise/1.txt': '' });
      await using observer = await watching(backend, project);
      // The kernel queues 16,384 events; those of the following changes are lost.
      for (let index = 0; index < 20_000; index += 1) fs.chmodSync(project.at(`noise/${index % 2}.txt`), 0o644);
      project.write('new/x/c.js', '');
      append(project, 'a.js');
      project.remove('b.js');
      await observer.all(['new/x/c.js', 'a.js', 'b.js']);
      await observer.settle();
      append(project, 'new/x/c.js');
      expect(await observer.next()).toEqual({ kind: 'change', path: 'new/x/c.js' });
    },
  );

  test.skipIf(isLeftOut(backend))(
    'reports each edit once after folders were replaced while it was being armed',
    async () => {
      const folders = numbered(isExhaustive ? 300 : 120, (index) => `f${index}`);
      await using project = createProject(
        contents(folders.flatMap((folder) => [`${folder}/x/a.js`, `${folder}/b.js`])),
      );
      await using observer = observe(backends[backend], project);
      // Let the walk begin, and interrupt it in the middle.
      let armed = false;
      void observer.armed.then(() => {
        armed = true;
      });
      for (const folder of folders) {
        project.remove(folder);
        project.write(`${folder}/x/a.js`, '');
        project.write(`${folder}/b.js`, '');
        await nextTurn();
        if (armed) break;
      }
      const coverage = await observer.armed;
      await observer.settle();
      expect(coverage.directories).toBe(1 + 2 * folders.length);
      const before = observer.changes.length;
      for (const folder of folders) append(project, `${folder}/x/a.js`);
      await observer.settle();
      const edits = observer.changes.slice(before).filter((change) => change.path.endsWith('/x/a.js'));
      expect(edits.map((change) => change.path)).toEqual(folders.map((folder) => `${folder}/x/a.js`));
    },
  );
});

describe('with the events of chokidar 5, which alone loses them, the watcher', () => {
  test('reports second writes of ten files, made as soon as the first write is reported', async () => {
    const files = numbered(10, (index) => `src/${index}.js`);
    await using project = createProject(contents(files));
    await aged();
    const again = new Set<string>();
    await using observer = observe(backends.chokidar, project, {
      onChange({ path: full }) {
        if (again.has(full)) return;
        again.add(full);
        fs.appendFileSync(full, '// again\n');
      },
    });
    await observer.armed;
    for (const file of files) append(project, file);
    for (const file of files) expect(await observer.next(file)).toMatchObject({ kind: 'change' });
    const seen = (): number => observer.changes.filter(({ path: file }) => file.startsWith('src')).length;
    while (seen() < 2 * files.length) await observer.next();
  });

  test('reports a new file in a root that was removed and made again', async () => {
    await using project = createProject({ 'src/a.js': '', 'other/a.js': '' });
    await using observer = await watching('chokidar', project, { watch: ['src', 'other'] });
    project.remove('src');
    await observer.next('src/a.js');
    project.write('src/b.js', '');
    await observer.next('src/b.js');
  });

  test('reports edits in ten folders that were removed and made again at once', async () => {
    const folders = numbered(10, (index) => `src/${index}`);
    await using project = createProject(contents(folders.map((folder) => `${folder}/a.js`)));
    await using observer = await watching('chokidar', project);
    for (const folder of folders) {
      project.remove(folder);
      project.write(`${folder}/a.js`, '');
    }
    await observer.settle();
    for (const folder of folders) project.write(`${folder}/later.js`, '');
    await observer.all(folders.map((folder) => `${folder}/later.js`));
  });

  test('reports an edit below a file that became a folder at once', async () => {
    await using project = createProject({ 'src/x.js': '' });
    await using observer = await watching('chokidar', project);
    project.remove('src/x.js');
    project.write('src/x.js/b.js', '');
    await observer.settle();
    append(project, 'src/x.js/b.js');
    await observer.next('src/x.js/b.js');
  });
});
