/** Paths that do not exist yet, on a real disk and with the clock of the system unless a test says otherwise. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/shared/clock.ts';
import type { Change } from '../../../src/shared/events.ts';
import { PathWatcher, type PathWatcherOptions } from '../../../src/watch/path-watcher.ts';
import { createClock } from '../../support/clock.ts';
import { until } from '../../support/facts.ts';
import { createProject, type Project } from '../../support/project.ts';

function watch(project: Project, names: readonly string[], options: Partial<PathWatcherOptions> = {}) {
  const changes: Change[] = [];
  const watcher = new PathWatcher({
    clock: systemClock,
    paths: names.map((name) => project.at(name)),
    since: Date.now() + 60_000,
    polls: false,
    onChange: (change) => void changes.push(change),
    ...options,
  });
  const seen = (): string[] => changes.map(({ kind, path }) => `${kind} ${path.slice(project.path.length + 1)}`);
  return { changes, seen, [Symbol.dispose]: () => watcher.close() };
}

test('a file is reported when it appears, in folders that appear with it, and when it changes', async () => {
  await using project = createProject();
  using watched = watch(project, ['a/b/c.js']);
  project.write('a/other.js', '');
  project.write('a/b/c.js', '1');
  await until(() => watched.changes.length === 1);
  project.write('a/b/c.js', '22');
  await until(() => watched.changes.length > 1);
  expect([...new Set(watched.seen())]).toEqual(['add a/b/c.js', 'change a/b/c.js']);
});

test('a file is reported when its folder is removed and made again', async () => {
  await using project = createProject({ 'a/b.js': '' });
  using watched = watch(project, ['a/b.js']);
  fs.rmSync(project.at('a'), { recursive: true });
  project.write('a/b.js', '1');
  await until(() => watched.changes.length > 0);
  fs.rmSync(project.at('a'), { recursive: true });
  project.write('c.js', '');
  const before = watched.changes.length;
  project.write('a/b.js', '22');
  await until(() => watched.changes.length > before);
  expect([...new Set(watched.seen().map((text) => text.split(' ')[1]))]).toEqual(['a/b.js']);
});

describe('a file that exists', () => {
  test.each([
    ['counts if it was saved after the time that is given', 0, ['add a.js']],
    ['does not count if it is older', 60_000, []],
  ])('%s', async (_, age, seen) => {
    await using project = createProject({ 'a.js': '' });
    using watched = watch(project, ['a.js', 'b.js'], { since: Date.now() + age });
    project.write('b.js', '');
    await until(() => watched.seen().includes('add b.js'));
    expect(watched.seen().filter((text) => text !== 'add b.js')).toEqual(seen);
  });
});

test('with a quiet time a file is reported when no event has come for so long', async () => {
  await using project = createProject({ 'a.js': '' });
  const clock = createClock();
  using watched = watch(project, ['a.js'], { clock, since: 0, quietMs: 500 });
  clock.advance(499);
  expect(watched.changes).toEqual([]);
  clock.advance(1);
  expect(watched.seen()).toEqual(['add a.js']);
});

test('paths are polled where there are no events', async () => {
  await using project = createProject();
  const clock = createClock();
  using watched = watch(project, ['a.js'], { clock, polls: true });
  project.write('a.js', '');
  clock.advance(999);
  expect(watched.changes).toEqual([]);
  clock.advance(2);
  expect(watched.seen()).toEqual(['add a.js']);
});

test('a closed watcher has no timer', async () => {
  await using project = createProject({ 'a.js': '' });
  const clock = createClock();
  {
    using _ = watch(project, ['a.js'], { clock, since: 0, quietMs: 500, polls: true });
  }
  expect(clock.pending).toBe(0);
});
