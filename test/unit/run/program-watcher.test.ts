/** The files of a program, with the real watcher of this system. */

import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { planRun } from '../../../src/run/command-plan.ts';
import { ProgramWatcher } from '../../../src/run/program-watcher.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { DevwatchEvent } from '../../../src/shared/events.ts';
import { until } from '../../support/facts.ts';
import { createProject } from '../../support/project.ts';

function open(folder: string) {
  const events: DevwatchEvent[] = [];
  const changed: string[] = [];
  const emit = (event: DevwatchEvent): void => void events.push(event);
  const watcher = new ProgramWatcher(systemClock, emit, ({ path }) => void changed.push(path), Date.now());
  const watch = (...patterns: string[]): Promise<void> => {
    const loaded = loadGiven({ exec: 'sleep 1', cwd: folder, watch: patterns, ext: ['js'] }, folder);
    return watcher.watch(planRun({ loaded, program: [], nodeArgs: [] }), Date.now(), systemClock.now());
  };
  return { watcher, watch, events, changed };
}

test('a program is watched by its patterns, and missing folders are reported', async () => {
  await using project = createProject({ 'src/a.js': '' });
  const { watcher, watch, events, changed } = open(project.path);
  expect(watcher.explain(project.at('src/b.js'))).toBeUndefined();
  await watch('src', 'late');
  expect(events).toMatchObject([
    { type: 'watching', program: 'sleep 1', patterns: ['src', 'late'], extensions: ['js'] },
    { type: 'warning', message: 'late: nothing is there to watch yet' },
  ]);
  project.write('src/b.js', '');
  await until('a change of b.js', () => changed.includes(project.at('src/b.js')));
  expect(watcher.explain(project.at('src/b.css'))).toMatchObject({ watched: false, reason: 'extension' });
  await watcher.session.close();
});

test('changed patterns replace the watched files', async () => {
  await using project = createProject({ 'one/a.js': '', 'two/a.js': '' });
  const { watcher, watch, events, changed } = open(project.path);
  await watch('one');
  await watch('two');
  expect(events).toHaveLength(2);
  project.write('two/a.js', '// watched');
  await until('a change of two/a.js', () => changed.includes(project.at('two/a.js')));
  expect(watcher.explain(project.at('one/a.js'))).toMatchObject({ watched: false });
  await watcher.session.close();
});
