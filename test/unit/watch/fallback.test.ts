/** The choice of a backend, and the fallback to polling when the kernel's watches run out. */

import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import {
  adaptiveInterval,
  type Backend,
  type BackendPreference,
  type Coverage,
  openWatcher,
  type Watcher,
  withPollingFallback,
} from '../../../src/watch/watcher.ts';
import { createProject, type Project } from '../../support/project.ts';
import { aged, append, deferred, observe } from './observe.ts';

const systemError = (code: string): Error => Object.assign(new Error(`${code}: watch`), { code });

const coverage: Coverage = { backend: 'inotify', directories: 1, files: 1 };

type Exhaust = (error: unknown, since: number) => void;

/** Opens a backend that reports nothing, and fails when the test makes it fail. */
function inject(project: Project, armed: (exhaust: Exhaust) => Promise<Coverage>) {
  const state = { exhaust: (() => {}) as Exhaust, closed: 0 };
  const observer = observe(
    (options) =>
      withPollingFallback(options, ({ onExhausted = () => {} }): Watcher => {
        state.exhaust = onExhausted;
        return {
          armed: armed(onExhausted),
          files: () => [],
          isResyncing: () => false,
          async close() {
            state.closed += 1;
          },
        };
      }),
    project,
  );
  return { observer, state };
}

describe('when watches run out while arming, the fallback', () => {
  async function runOut(project: Project, code: string) {
    const since = Date.now();
    return inject(project, async (exhaust) => {
      await nextTurn();
      exhaust(systemError(code), since);
      throw systemError(code);
    });
  }

  test.each([
    ['ENOSPC', /max_\w+_watches is \d+, this project needs 2\).* sudo sysctl [a-z._]+_watches=\d+$/],
    ['EMFILE', /max_\w+_instances is \d+\).* sudo sysctl [a-z._]+_instances=\d+$/],
  ])('warns once about %s, with the numbers and the command that raises the limit', async (code, message) => {
    await using project = createProject({ 'a.js': '', 'src/b.js': '' });
    const { observer } = await runOut(project, code);
    await using _ = observer;
    await observer.armed;
    expect(observer.warnings).toEqual([expect.stringMatching(message)]);
    expect(observer.warnings[0]).toContain('polling instead');
  });

  test('polls', async () => {
    await using project = createProject({ 'a.js': '', 'src/b.js': '' });
    await aged();
    const { observer } = await runOut(project, 'ENOSPC');
    await using _ = observer;
    expect(await observer.armed).toMatchObject({ backend: 'polling', files: 2 });
    append(project, 'src/b.js');
    expect(await observer.next()).toEqual({ kind: 'change', path: 'src/b.js' });
    project.write('src/c.js', '');
    expect(await observer.next()).toEqual({ kind: 'add', path: 'src/c.js' });
    expect(observer.warnings).toHaveLength(1);
  });

  test('reports files saved since the program was started', async () => {
    await using project = createProject({ 'a.js': '', 'src/b.js': '' });
    await aged();
    const { observer } = await runOut(project, 'ENOSPC');
    await using _ = observer;
    append(project, 'a.js');
    await observer.armed;
    expect(await observer.next()).toEqual({ kind: 'change', path: 'a.js' });
  });
});

describe('when watches run out later, the fallback', () => {
  test.each(['ENOSPC', 'EMFILE'])(
    'warns once about %s, and reports the changes that were not reported before',
    async (code) => {
      await using project = createProject({ 'a.js': '', 'b.js': '' });
      await aged();
      const { observer, state } = inject(project, async () => coverage);
      await using _ = observer;
      expect(await observer.armed).toBe(coverage);
      const since = Date.now();
      append(project, 'a.js');
      await aged();
      state.exhaust(systemError(code), since);
      expect(await observer.next()).toEqual({ kind: 'change', path: 'a.js' });
      append(project, 'b.js');
      expect(await observer.next()).toEqual({ kind: 'change', path: 'b.js' });
      expect(observer.warnings).toEqual([expect.stringContaining('sudo sysctl ')]);
    },
  );
});

test('the fallback passes on any other error of the backend', async () => {
  await using project = createProject({ 'a.js': '' });
  const { observer } = inject(project, async () => {
    throw systemError('EIO');
  });
  await using _ = observer;
  await expect(observer.armed).rejects.toThrow('EIO');
  expect(observer.warnings).toEqual([]);
});

test('close closes both backends, even while the second is being opened', async () => {
  await using project = createProject({ 'a.js': '' });
  await aged();
  const { observer, state } = inject(project, async () => coverage);
  await observer.armed;
  state.exhaust(systemError('ENOSPC'), Date.now());
  await observer.close();
  expect(state.closed).toBe(1);
  await using other = observe(
    (options) => withPollingFallback(options, (native) => new InotifyWatcher(native)),
    project,
  );
  await other.armed;
  append(project, 'a.js');
  await other.next('a.js');
  expect(observer.changes).toEqual([]);
});

describe('with the real backend, the fallback', () => {
  /** Allows this number of watches, then no more. */
  function limitWatches(count: number): Disposable {
    const { watch } = fs;
    let left = count;
    const spy = vi.spyOn(fs, 'watch').mockImplementation(((folder: string) => {
      left -= 1;
      if (left < 0) throw systemError('ENOSPC');
      return watch(folder);
    }) as typeof fs.watch);
    return { [Symbol.dispose]: () => spy.mockRestore() };
  }

  test('polls a tree that is too large from the start', async () => {
    await using project = createProject({ 'a.js': '', 'src/b.js': '', 'src/x/c.js': '' });
    using _ = limitWatches(2);
    await aged();
    await using observer = observe(
      (options) => withPollingFallback(options, (native) => new InotifyWatcher(native)),
      project,
    );
    append(project, 'a.js');
    expect(await observer.armed).toMatchObject({ backend: 'polling', files: 3 });
    await observer.next('a.js');
    append(project, 'src/x/c.js');
    await observer.next('src/x/c.js');
    expect(observer.warnings).toHaveLength(1);
  });

  test('polls a tree that grows too large, and reports the files that it grew by', async () => {
    await using project = createProject({ 'a.js': '' });
    using _ = limitWatches(3);
    await aged();
    await using observer = observe(
      (options) => withPollingFallback(options, (native) => new InotifyWatcher(native)),
      project,
    );
    expect(await observer.armed).toMatchObject({ backend: 'inotify' });
    const files = Array.from({ length: 20 }, (_, index) => `new/f${index}/b.js`);
    for (const file of files) project.write(file, '');
    await observer.all(files);
    append(project, 'new/f19/b.js');
    await observer.next('new/f19/b.js');
    expect(observer.warnings).toHaveLength(1);
  });
});

test.each([
  [0, 100],
  [200, 100],
  [1000, 500],
  [4000, 2000],
  [200_000, 2000],
])('%i files are polled every %i ms', (files, interval) => {
  expect(adaptiveInterval(files)).toBe(interval);
});

describe('the backend is', () => {
  test.each([
    ['inotify', { watcher: 'native', poll: false }],
    ['chokidar', { watcher: 'chokidar', poll: false }],
    ['polling', { watcher: 'auto', poll: true }],
    ['polling', { watcher: 'native', poll: true }],
    ['polling', { watcher: 'chokidar', poll: true }],
    ['inotify', { watcher: 'auto', poll: false }],
    ['fs.watch', { watcher: 'auto', poll: false, events: 'fs.watch' }],
    ['chokidar', { watcher: 'auto', poll: false, events: undefined }],
    ['chokidar', { watcher: 'native', poll: false, events: undefined }],
  ] satisfies [Backend, Omit<BackendPreference, 'events'> & Partial<BackendPreference>][])(
    '%s for %j',
    async (backend, choice) => {
      await using project = createProject({ 'a.js': '' });
      await aged();
      await using observer = observe(
        (options) => deferred(openWatcher(options, { events: 'inotify', ...choice })),
        project,
      );
      expect(await observer.armed).toMatchObject({ backend, files: 1 });
      append(project, 'a.js');
      expect(await observer.next()).toEqual({ kind: 'change', path: 'a.js' });
    },
  );
});
