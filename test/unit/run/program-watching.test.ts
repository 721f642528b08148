/** The files of a program, with the real watcher of this system; no process is started. */

import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { planRun, type RunRequest } from '../../../src/run/command-plan.ts';
import { Program } from '../../../src/run/program.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { createDeferred } from '../../../src/shared/deferred.ts';
import type { DevwatchEvent } from '../../../src/shared/events.ts';
import { until } from '../../support/facts.ts';
import { idleLauncher } from '../../support/launcher.ts';
import { createProject } from '../../support/project.ts';

function open(folder: string, ...patterns: string[]) {
  const requestFor = (watch: readonly string[]): RunRequest => ({
    loaded: loadGiven({ exec: 'sleep 1', cwd: folder, watch: [...watch], ext: ['js'], verbose: true }, folder),
    program: [],
    nodeArgs: [],
  });
  const events: DevwatchEvent[] = [];
  const ended = createDeferred();
  const program = new Program({
    request: requestFor(patterns),
    clock: systemClock,
    emit: (event) => void events.push(event),
    onSettingsChange() {},
    onEnd: () => ended.resolve(),
  });
  return {
    start: () => program.start(idleLauncher),
    watch: (...watch: string[]) => program.update(planRun(requestFor(watch))),
    events,
    /** The paths of all events of this type so far. */
    pathsOf: (type: 'change' | 'ignored') =>
      events.flatMap((event) => {
        if (event.type !== type) return [];
        return event.type === 'change' ? event.changes.map(({ path }) => path) : [event.path];
      }),
    async [Symbol.asyncDispose]() {
      program.stop({ kind: 'requested' });
      await ended.promise;
    },
  };
}

test('a program is watched by its patterns, and missing folders are reported', async () => {
  await using project = createProject({ 'src/a.js': '' });
  await using program = open(project.path, 'src', 'late');
  const { start, events, pathsOf } = program;
  await start();
  expect(events.filter(({ type }) => type === 'watching' || type === 'warning')).toMatchObject([
    { program: 'sleep 1', patterns: ['src', 'late'], extensions: ['js'] },
    { message: 'late: nothing is there to watch yet' },
  ]);
  project.write('src/b.js', '1');
  project.write('src/b.css', '');
  await until('a change of b.js', () => pathsOf('change').includes(project.at('src/b.js')));
  await until('b.css to be ignored', () => pathsOf('ignored').includes(project.at('src/b.css')));
});

test('changed patterns replace the watched files', async () => {
  await using project = createProject({ 'one/a.js': '', 'two/a.js': '' });
  await using program = open(project.path, 'one');
  const { start, watch, events, pathsOf } = program;
  await start();
  watch('two');
  await until('the second watcher', () => events.filter(({ type }) => type === 'watching').length === 2);
  project.write('one/b.js', '// no longer watched');
  project.write('two/a.js', '// watched');
  await until('a change of two/a.js', () => pathsOf('change').includes(project.at('two/a.js')));
  expect(pathsOf('change')).not.toContain(project.at('one/b.js'));
});
