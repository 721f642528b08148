/** Programs that wait for others, with a clock that stands still for those that wait. */

import { expect, test } from 'vitest';
import { loadProject } from '../../../src/config/load.ts';
import { ProgramSet } from '../../../src/run/program-set.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import type { DevwatchEvent, EventOf, EventType } from '../../../src/shared/events.ts';
import { createClock, type VirtualClock } from '../../support/clock.ts';
import { until } from '../../support/facts.ts';
import { dialHome, type Home, openHome } from '../../support/home.ts';
import { createProject, type Project } from '../../support/project.ts';

interface Stated {
  readonly app: string | undefined;
  readonly event: DevwatchEvent;
}

interface Fixture extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly events: readonly Stated[];
  /** Errors in settings that concern no single program. */
  readonly problems: readonly string[];
  /** All of these events of a program so far. */
  of<Type extends EventType>(app: string, type: Type): readonly EventOf<Type>[];
}

/**
 * Runs what `apps` of the project's settings names.
 *
 * @param beforeRead happens whenever the settings are read again
 */
function startGroup(home: Home, project: Project, beforeRead = (): void => {}): Fixture {
  const clock = createClock();
  const events: Stated[] = [];
  const problems: string[] = [];
  const members = loadProject({ given: new Map(), folder: project.path }).apps.map(({ app, ...loaded }) => ({
    app,
    loaded: { ...loaded, settings: { ...loaded.settings, env: { ...home.env } } },
    program: [],
    nodeArgs: [],
  }));
  let finish: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const group = new ProgramSet({
    members,
    observe:
      ({ app }) =>
      (event) =>
        void events.push({ app, event }),
    reread() {
      beforeRead();
      return members;
    },
    onProblem: (message) => void problems.push(message),
    onEnd: () => finish(),
    clock,
  });
  group.start();
  return {
    clock,
    events,
    problems,
    of: <Type extends EventType>(app: string, type: Type) =>
      events.flatMap((stated) =>
        stated.app === app && stated.event.type === type ? [stated.event as EventOf<Type>] : [],
      ),
    async [Symbol.asyncDispose]() {
      group.stop();
      await ended;
    },
  };
}

const settings = (worker: object): string =>
  JSON.stringify({
    apps: {
      web: { script: 'web.js', after: ['worker'] },
      worker: { script: 'worker.js', watch: [], ...worker },
    },
  });

test('a program set warns once when a program has waited 10 s for another one to be ready', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.watchrc': settings({ ready: '/never/' }),
    'web.js': '',
    'worker.js': dialHome(),
  });
  await using group = startGroup(home, project);
  await home.caller();
  await until(() => group.of('worker', 'start').length > 0);
  group.clock.advance(9_999);
  expect(group.of('web', 'warning')).toEqual([]);
  group.clock.advance(1);
  group.clock.advance(100_000);
  expect(group.of('web', 'warning')).toEqual([
    { type: 'warning', message: 'waits for worker, which has not been up yet · its "ready" is "/never/"' },
  ]);
});

test('the 10 s before that warning start again with each run', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.watchrc': settings({ ready: '/never/' }),
    'web.js': '',
    'worker.js': dialHome(),
  });
  await using group = startGroup(home, project);
  const worker = await home.caller();
  group.clock.advance(9_000);
  worker.send('exit 3');
  await until(() => group.of('worker', 'crash').length > 0);
  group.clock.advance(5_000);
  await until(() => group.of('worker', 'start').length > 1);
  group.clock.advance(9_000);
  expect(group.of('web', 'warning')).toEqual([]);
  group.clock.advance(1_000);
  expect(group.of('web', 'warning')).toHaveLength(1);
});

test('a program set does not warn about a job, nor once the wait is over', async () => {
  await using home = await openHome();
  await using project = createProject({
    '.watchrc': settings({ ready: 'exit' }),
    'web.js': dialHome({ app: 'web' }),
    'worker.js': dialHome(),
  });
  await using group = startGroup(home, project);
  const worker = await home.caller();
  group.clock.advance(20_000);
  worker.send('exit 0');
  expect((await home.caller()).says.app).toBe('web');
  expect(group.events.filter(({ event }) => event.type === 'warning')).toEqual([]);
  expect(group.clock.pending).toBe(0);
  group.clock.advance(20_000);
  expect(group.events.filter(({ event }) => event.type === 'warning')).toEqual([]);
});

test('settings that are saved while they are read are not a mistake', async () => {
  await using home = await openHome();
  await using project = createProject({ '.watchrc': '{"apps": {"web": "web.js"}}', 'web.js': dialHome() });
  let reads = 0;
  await using group = startGroup(home, project, () => {
    reads += 1;
    if (reads > 1) return;
    project.write('.watchrc', '{"apps": {"web": "web.js"}} // the next save');
    throw new UsageError('.watchrc: is empty');
  });
  await until(() => group.of('web', 'watching').length > 0);
  project.write('.watchrc', '{"apps": {"web": "web.js"}} // a save');
  await until(() => {
    group.clock.advance(1_000);
    return reads > 1;
  });
  expect([...group.problems, ...group.of('web', 'problem')]).toEqual([]);
});
