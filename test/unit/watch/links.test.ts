/** Links to files and folders outside the watched folders, with the inotify backend. */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { ComparingWatcher } from '../../../src/watch/comparing-watcher.ts';
import { openFolderEvents } from '../../../src/watch/folder-events.ts';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import { LinkTargets } from '../../../src/watch/links.ts';
import type { Watcher, WatchOptions } from '../../../src/watch/watcher.ts';
import { createProject, type Project } from '../../support/project.ts';
import { aged, append, type Observer, observe, type Settings } from './observe.ts';

const backends = {
  inotify: (options: WatchOptions): Watcher => new InotifyWatcher(options),
  'fs.watch': (options: WatchOptions): Watcher => new ComparingWatcher(options, openFolderEvents('fs.watch')),
} as const;

type Backend = keyof typeof backends;

async function watching(project: Project, settings?: Settings, backend: Backend = 'inotify'): Promise<Observer> {
  await aged();
  const onExhausted = (error: unknown): never => expect.unreachable(String(error));
  const observer = observe((options) => backends[backend]({ ...options, onExhausted }), project, settings);
  await observer.armed;
  return observer;
}

const pathsOf = (observer: Observer): Set<string> => new Set(observer.changes.map((change) => change.path));

describe.each(['inotify', 'fs.watch'] as const)('the backend %s reports a linked file', (backend) => {
  test('whose target is written in place or renamed over', async () => {
    await using outside = createProject({ 'x/real.js': '' });
    await using project = createProject({ 'a.js': '' });
    fs.symlinkSync(outside.at('x/real.js'), project.at('linked.js'));
    await using observer = await watching(project, {}, backend);
    append(outside, 'x/real.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'linked.js' });
    outside.replace('x/real.js', 'new');
    expect(await observer.next('linked.js')).toEqual({ kind: 'change', path: 'linked.js' });
    append(outside, 'x/real.js');
    await observer.next('linked.js');
  });

  test('whose target appears later', async () => {
    await using outside = createProject({ 'real.js': '' });
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(project, {}, backend);
    fs.symlinkSync(outside.at('real.js'), project.at('linked.js'));
    expect(await observer.next()).toEqual({ kind: 'add', path: 'linked.js' });
    append(outside, 'real.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'linked.js' });
  });

  test('no longer for its old target once the link leads elsewhere', async () => {
    await using outside = createProject({ 'old.js': '', 'new.js': '' });
    await using project = createProject({ 'a.js': '' });
    fs.symlinkSync(outside.at('old.js'), project.at('linked.js'));
    await using observer = await watching(project, {}, backend);
    fs.symlinkSync(outside.at('new.js'), project.at('next.js'));
    fs.renameSync(project.at('next.js'), project.at('linked.js'));
    await observer.settle();
    append(outside, 'old.js');
    append(outside, 'new.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'linked.js' });
    await observer.settle();
    expect(observer.changes.filter(({ kind, path }) => kind === 'change' && path === 'linked.js')).toHaveLength(2);
  });

  test('whose target folder was removed and made again', async () => {
    await using outside = createProject({ 'x/real.js': '' });
    await using project = createProject({ 'a.js': '' });
    fs.symlinkSync(outside.at('x/real.js'), project.at('linked.js'));
    await using observer = await watching(project, {}, backend);
    outside.remove('x');
    outside.write('x/real.js', '1');
    await observer.next('linked.js');
    await observer.settle();
    append(outside, 'x/real.js');
    await observer.next('linked.js');
  });

  test('when a link on the way changes, as in a Kubernetes ConfigMap', async () => {
    await using project = createProject({ '..1/config.js': '1', '..2/config.js': '2', 'a.js': '' });
    fs.symlinkSync('..1', project.at('..data'));
    fs.symlinkSync('..data/config.js', project.at('config.js'));
    await using observer = await watching(project, {}, backend);
    for (const next of ['..2', '..1']) {
      fs.symlinkSync(next, project.at('..next'));
      fs.renameSync(project.at('..next'), project.at('..data'));
      expect((await observer.next()).path).toBe('config.js');
      await observer.settle();
    }
    // Not in one step.
    project.remove('..data');
    expect(await observer.next()).toEqual({ kind: 'unlink', path: 'config.js' });
    fs.symlinkSync('..1', project.at('..data'));
    expect(await observer.next()).toEqual({ kind: 'add', path: 'config.js' });
    await observer.settle();
    append(project, '..1/config.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'config.js' });
  });
});

describe('the inotify backend reports a linked file', () => {
  test('and leaves no watch behind when the link changes or is deleted', async () => {
    await using project = createProject({ '1/a.js': '', '2/a.js': '', '3/a.js': '' });
    const open = new Set<string>();
    const targets = new LinkTargets<string>({
      open(folder) {
        open.add(path.relative(project.path, folder));
        const watcher = fs.watch(folder);
        watcher.once('close', () => open.delete(path.relative(project.path, folder)));
        return watcher;
      },
      onTarget: () => {},
      onUncertain: () => {},
    });
    for (const folder of ['1', '2', '3']) {
      fs.symlinkSync(`${folder}/a.js`, project.at('next'));
      fs.renameSync(project.at('next'), project.at('link'));
      targets.add(project.at('link'), 'link');
      await vi.waitFor(() => expect([...open]).toEqual([folder]));
    }
    targets.remove(project.at('link'));
    await vi.waitFor(() => expect([...open]).toEqual([]));
  });

  test('once, under the name of its target, when the target is watched itself', async () => {
    await using project = createProject({ 'src/real.js': '' });
    fs.symlinkSync(project.at('src/real.js'), project.at('linked.js'));
    await using observer = await watching(project);
    append(project, 'src/real.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'src/real.js' });
    await observer.settle();
    expect(observer.changes.map(({ path }) => path)).not.toContain('linked.js');
  });
});

test('a second link to a folder takes over when the first one is deleted', async () => {
  await using outside = createProject({ 'a.js': '' });
  await using project = createProject({ 'b.js': '' });
  fs.symlinkSync(outside.path, project.at('first'));
  fs.symlinkSync(outside.path, project.at('second'));
  await using observer = await watching(project);
  append(outside, 'a.js');
  const first = (await observer.next()).path;
  const second = first === 'first/a.js' ? 'second' : 'first';
  fs.unlinkSync(project.at(first.replace('/a.js', '')));
  await observer.next(`${second}/a.js`);
  append(outside, 'a.js');
  expect(await observer.next(`${second}/a.js`)).toEqual({ kind: 'change', path: `${second}/a.js` });
});

test('without `follow`, neither linked folders nor the targets of linked files are watched', async () => {
  await using outside = createProject({ 'x/a.js': '', 'real.js': '' });
  await using project = createProject({ 'b.js': '' });
  fs.symlinkSync(outside.at('x'), project.at('folder'));
  fs.symlinkSync(outside.at('real.js'), project.at('linked.js'));
  await using observer = await watching(project, { follow: false });
  append(outside, 'x/a.js');
  append(outside, 'real.js');
  append(project, 'b.js');
  expect((await observer.next()).path).toBe('b.js');
  fs.unlinkSync(project.at('linked.js'));
  expect(await observer.next()).toEqual({ kind: 'unlink', path: 'linked.js' });
});

describe('the inotify backend', () => {
  test('ignores changed attributes of a file that was written long ago', async () => {
    await using project = createProject({ 'a.js': '', 'b.js': '' });
    fs.utimesSync(project.at('a.js'), 1, 1);
    await using observer = await watching(project);
    fs.chmodSync(project.at('a.js'), 0o600);
    append(project, 'b.js');
    expect((await observer.next()).path).toBe('b.js');
  });

  test('ignores changed attributes of a file that was just saved, and reports another write', async () => {
    await using project = createProject({ 'a.js': '', 'b.js': '' });
    await using observer = await watching(project);
    for (let round = 0; round < 20; round += 1) {
      project.replace('a.js', `save ${round}`);
      await observer.next('a.js');
      // Answering every event at once would keep the loop in one turn.
      await nextTurn();
      const before = observer.changes.length;
      fs.chmodSync(project.at('a.js'), round % 2 === 0 ? 0o600 : 0o644);
      append(project, 'b.js');
      expect((await observer.next()).path).toBe('b.js');
      expect(observer.changes.length).toBe(before + 1);
      // Same size, perhaps in the same tick of the kernel's clock.
      fs.writeFileSync(project.at('a.js'), `SAVE ${round}`, { flag: 'r+' });
      await observer.next('a.js');
    }
  });

  test('ignores an old time that a copy gets some time after it was written', async () => {
    await using project = createProject({ 'a.js': '', 'b.js': '' });
    await using observer = await watching(project);
    project.write('a.js', 'copy');
    await observer.settle();
    const before = observer.changes.length;
    fs.utimesSync(project.at('a.js'), 1, 1);
    append(project, 'b.js');
    await observer.next('b.js');
    expect(observer.changes.length).toBe(before + 1);
  });

  test('reports a touch', async () => {
    await using project = createProject({ 'a.js': '' });
    await using observer = await watching(project);
    fs.utimesSync(project.at('a.js'), 1, 1);
    await observer.next('a.js');
  });
});

test('the inotify backend warns once about folders that cannot be read', async () => {
  await using project = createProject({ 'a.js': '', 'secret/x/a.js': '', 'other/a.js': '' });
  const { watch } = fs;
  const denied = vi.spyOn(fs, 'watch').mockImplementation(((folder: string) => {
    if (folder === project.path) return watch(folder);
    throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  }) as typeof fs.watch);
  await using observer = await watching(project);
  denied.mockRestore();
  expect(observer.warnings).toEqual([
    expect.stringMatching(/(secret|other) cannot be read: changes in it are not seen$/),
  ]);
  append(project, 'a.js');
  expect((await observer.next()).path).toBe('a.js');
});

test('a link deleted before its folder is watched does not hide the next link', async () => {
  await using outside = createProject({ 'a.js': '' });
  await using project = createProject({ 'b.js': '' });
  await using observer = observe(
    (options) => new InotifyWatcher({ ...options, onExhausted: (error) => expect.unreachable(`${error}`) }),
    project,
  );
  await observer.armed;
  const watch = fs.watch;
  using spy = vi.spyOn(fs, 'watch').mockImplementation(((file: string) => {
    // The moment between reading the link and subscribing.
    if (file === project.at('one')) fs.renameSync(file, project.at('two'));
    return watch(file);
  }) as typeof fs.watch);
  fs.symlinkSync(outside.path, project.at('one'));
  await observer.settle();
  expect(spy).toHaveBeenCalledWith(project.at('one'), expect.anything());
  append(outside, 'a.js');
  await observer.settle();
  expect(observer.changes.map((change) => change.path)).toContain('two/a.js');
});

test.each(['inotify', 'fs.watch'] as const)(
  'with the backend %s a linked folder is still watched after its target was removed and made again at once',
  async (backend) => {
    await using outside = createProject({ 'lib/a.js': '' });
    await using project = createProject({ 'b.js': '' });
    fs.symlinkSync(outside.at('lib'), project.at('linked'));
    await using observer = await watching(project, {}, backend);
    outside.remove('lib');
    outside.write('lib/a.js', '1');
    // The reaction may be complete only after the next event.
    for (let turn = 0; turn < 3; turn += 1) await observer.settle();
    append(outside, 'lib/a.js');
    outside.write('lib/c.js', '');
    await observer.settle();
    expect(pathsOf(observer)).toContain('linked/c.js');
  },
);

test.each(['inotify', 'fs.watch'] as const)(
  'the backend %s reports a write in place that keeps size and modification time, as `cp -p` does',
  async (backend) => {
    await using project = createProject({ 'a.js': '1' });
    fs.utimesSync(project.at('a.js'), 1_000_000_000, 1_000_000_000);
    await using observer = await watching(project, {}, backend);
    project.write('a.js', '2');
    fs.utimesSync(project.at('a.js'), 1_000_000_000, 1_000_000_000);
    await observer.settle();
    expect(pathsOf(observer)).toContain('a.js');
  },
);

describe('the inotify backend, for a link to a folder inside of the watched one', () => {
  test.each([
    ['a default hides its target', 'src/gen', '../build/gen', ['.']],
    ['a pattern names the link', 'node_modules/client', '.store/client', ['.', 'node_modules/client']],
  ])('follows it where %s', async (_, link, target, watch) => {
    await using project = createProject();
    const folder = path.join(path.dirname(link), target);
    project.write(`${folder}/x/a.js`, '');
    project.write(`${path.dirname(link)}/other.js`, '');
    fs.symlinkSync(target, project.at(link));
    await using observer = await watching(project, { watch });
    append(project, `${folder}/x/a.js`);
    expect(await observer.next()).toEqual({ kind: 'change', path: `${link}/x/a.js` });
  });

  test('reports the link once it leads to another one of the watched folders', async () => {
    await using project = createProject({ 'releases/1/a.js': '', 'releases/2/a.js': '' });
    fs.symlinkSync('releases/1', project.at('current'));
    await using observer = await watching(project);
    fs.symlinkSync('releases/2', project.at('next'));
    fs.renameSync(project.at('next'), project.at('current'));
    expect(await observer.next('current')).toEqual({ kind: 'change', path: 'current' });
    await observer.settle();
    append(project, 'releases/2/a.js');
    expect((await observer.next()).path).toBe('releases/2/a.js');
  });

  test('walks it once where the watched folder is itself reached through a link', async () => {
    await using project = createProject({ 'real/lib/a.js': '' });
    fs.symlinkSync('lib', project.at('real/again'));
    fs.symlinkSync('..', project.at('real/lib/up'));
    fs.symlinkSync('real', project.at('root'));
    await using observer = await watching(project, { watch: ['root'] });
    expect(await observer.armed).toMatchObject({ directories: 2, files: 1 });
  });
});
