/** The files of a program, with the real watcher of this system. */

import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { planRun, type RunPlan } from '../../../src/run/command-plan.ts';
import { ProgramWatcher } from '../../../src/run/program-watcher.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { DevwatchEvent } from '../../../src/shared/events.ts';
import { until } from '../../support/facts.ts';
import { createProject } from '../../support/project.ts';

function open(folder: string, watch: readonly string[]) {
  const planFor = (patterns: readonly string[]): RunPlan =>
    planRun({
      loaded: loadGiven({ exec: 'sleep 1', cwd: folder, watch: [...patterns], ext: ['js'] }, folder),
      program: [],
      nodeArgs: [],
    });
  let plan = planFor(watch);
  const events: DevwatchEvent[] = [];
  const changed: string[] = [];
  const watcher = new ProgramWatcher({
    clock: systemClock,
    plan: () => plan,
    emit: (event) => void events.push(event),
    onChange: ({ path }) => void changed.push(path),
  });
  return {
    watcher,
    events,
    changed,
    setPatterns(patterns: readonly string[]) {
      plan = planFor(patterns);
    },
  };
}

test('a program without patterns is not watched', async () => {
  const { watcher, events } = open('/', []);
  await watcher.start(Date.now());
  expect([events, watcher.session, watcher.explain('/a.js')]).toEqual([[], undefined, undefined]);
  await watcher.close();
});

test('a program is watched by its patterns, and missing folders are reported', async () => {
  await using project = createProject({ 'src/a.js': '' });
  const { watcher, events, changed } = open(project.path, ['src', 'late']);
  await watcher.start(Date.now());
  expect(events).toMatchObject([
    { type: 'watching', program: 'sleep 1', patterns: ['src', 'late'], extensions: ['js'] },
    { type: 'warning', message: 'late: nothing is there to watch yet' },
  ]);
  project.write('src/b.js', '');
  await until('a change of b.js', () => changed.includes(project.at('src/b.js')));
  expect(watcher.explain(project.at('src/b.css'))).toMatchObject({ watched: false, reason: 'extension' });
  await watcher.close();
});

test('changed patterns replace the watched files', async () => {
  await using project = createProject({ 'one/a.js': '', 'two/a.js': '' });
  const { watcher, events, changed, setPatterns } = open(project.path, ['one']);
  await watcher.start(Date.now());
  setPatterns(['two']);
  watcher.rewatch();
  await until('the second watcher', () => events.length === 2);
  project.write('two/a.js', '// watched');
  await until('a change of two/a.js', () => changed.includes(project.at('two/a.js')));
  expect(watcher.explain(project.at('one/a.js'))).toMatchObject({ watched: false });
  await watcher.close();
});
