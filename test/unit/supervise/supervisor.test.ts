/** The supervisor with fake programs on a virtual clock. */

import { expect, test } from 'vitest';
import type { DevwatchEvent, EventOf, EventType, StopReason, StopStage } from '../../../src/shared/events.ts';
import type { Policy } from '../../../src/supervise/policy.ts';
import { type Stoppable, Supervisor } from '../../../src/supervise/supervisor.ts';
import { createClock } from '../../support/clock.ts';
import { defaultPolicy } from './explorer.ts';

interface Run extends Stoppable {
  readonly stages: StopStage[];
}

function supervise(policy: Partial<Policy> = {}) {
  const world = { canStart: true, awaited: [] as string[] };
  const clock = createClock();
  const runs: Run[] = [];
  const events: DevwatchEvent[] = [];
  const endings: StopReason[] = [];
  const supervisor = new Supervisor<Run>({
    policy: { ...defaultPolicy, ...policy },
    clock,
    canStart: () => world.canStart,
    awaitFiles: (which) => void world.awaited.push(which),
    stopAwaiting: () => void world.awaited.push('stop'),
    launch(run) {
      const stages: StopStage[] = [];
      const program = { stages, end: (stage: StopStage) => void stages.push(stage) };
      runs[run] = program;
      return program;
    },
    emit: (event) => void events.push(event),
    onEnd: (reason) => void endings.push(reason),
  });
  const of = <Type extends EventType>(type: Type) =>
    events.filter((event): event is EventOf<Type> => event.type === type);
  return { clock, supervisor, runs, events, of, endings, world };
}

const crashed = { code: 1, signal: null } as const;

test('the supervisor restarts a crashed program after the backoff, and not before', () => {
  const { clock, supervisor, runs, of } = supervise();
  supervisor.dispatch({ type: 'start' });
  clock.advance(400);
  supervisor.reportExit(1, crashed);
  supervisor.reportGone(1, []);
  clock.advance(249);
  expect(runs[2]).toBeUndefined();
  clock.advance(1);
  expect(runs[2]).toBeDefined();
  expect(of('crash')).toMatchObject([
    { run: 1, uptime: 400, next: { kind: 'restart', delay: 250, attempt: 1, limit: 5 } },
  ]);
});

test('the supervisor starts no run that lacks a file, and waits for it', () => {
  const { supervisor, runs, world, of } = supervise();
  world.canStart = false;
  supervisor.dispatch({ type: 'start' });
  expect([runs, world.awaited, supervisor.run]).toEqual([[], ['needed'], 0]);
  supervisor.dispatch({ type: 'changed' });
  supervisor.dispatch({ type: 'quiet' });
  expect([runs, world.awaited]).toEqual([[], ['needed', 'stop', 'needed']]);
  world.canStart = true;
  supervisor.dispatch({ type: 'restart', cause: 'manual', escalates: false });
  expect([supervisor.run, runs[1]?.stages, of('crash')]).toEqual([1, [], []]);
});

test('the supervisor waits for a repair when it gives up, and not during a pause', () => {
  const { clock, supervisor, world } = supervise({ maxRestarts: 1 });
  supervisor.dispatch({ type: 'start' });
  for (const run of [1, 2]) {
    expect(world.awaited).toEqual([]);
    supervisor.reportExit(run, crashed);
    supervisor.reportGone(run, []);
    clock.advance(250);
  }
  expect(world.awaited).toEqual(['repairing']);
  supervisor.dispatch({ type: 'stop', reason: { kind: 'requested' }, delivered: false });
  expect(world.awaited).toEqual(['repairing', 'stop']);
});

test('the supervisor kills a tree after the grace period, and starts the next run when the tree is gone', () => {
  const { clock, supervisor, runs, of } = supervise({ killTimeout: 1000 });
  supervisor.dispatch({ type: 'start' });
  supervisor.dispatch({ type: 'changed' });
  supervisor.dispatch({ type: 'quiet' });
  clock.advance(999);
  expect(runs[1]?.stages).toEqual(['terminating']);
  clock.advance(1);
  expect(runs[1]?.stages).toEqual(['terminating', 'killing']);
  expect(of('stopping').at(-1)).toMatchObject({ run: 1, stage: 'killing', grace: 1000 });
  clock.advance(60_000);
  expect(runs[2]).toBeUndefined();
  supervisor.reportExit(1, { code: null, signal: 'SIGKILL' });
  supervisor.reportGone(1, []);
  expect(runs[2]).toBeDefined();
  expect(of('crash')).toEqual([]);
});

test('the supervisor reports survivors and starts the next run nevertheless', () => {
  const { supervisor, runs, of } = supervise();
  supervisor.dispatch({ type: 'start' });
  supervisor.dispatch({ type: 'restart', cause: 'manual', escalates: true });
  supervisor.reportGone(1, [{ pid: 7, command: 'su', reason: 'belongs to another user' }]);
  expect(of('gone')).toMatchObject([{ run: 1, survivors: [{ pid: 7 }] }]);
  expect(runs[2]).toBeDefined();
});

test('the supervisor handles an event that comes during another one after it', () => {
  const { supervisor, runs, endings } = supervise();
  supervisor.dispatch({ type: 'start' });
  supervisor.dispatch({ type: 'restart', cause: 'manual', escalates: true });
  supervisor.dispatch({ type: 'stop', reason: { kind: 'requested' }, delivered: false });
  supervisor.reportGone(1, []);
  expect(runs[2]).toBeUndefined();
  expect(endings).toEqual([{ kind: 'requested' }]);
});

test('the supervisor starts nothing after its end', () => {
  const { clock, supervisor, runs, endings } = supervise();
  supervisor.dispatch({ type: 'start' });
  supervisor.reportExit(1, crashed);
  supervisor.reportGone(1, []);
  supervisor.dispatch({ type: 'stop', reason: { kind: 'requested' }, delivered: false });
  expect(endings).toHaveLength(1);
  clock.advance(100_000);
  expect(runs[2]).toBeUndefined();
});

test('the supervisor gives access to the program while processes of it may be alive', () => {
  const { supervisor, runs } = supervise();
  expect(supervisor.program).toBeUndefined();
  supervisor.dispatch({ type: 'start' });
  expect(supervisor.program).toBe(runs[1]);
  supervisor.reportExit(1, crashed);
  expect(supervisor.program).toBe(runs[1]);
  supervisor.reportGone(1, []);
  expect(supervisor.program).toBeUndefined();
});

test.each([
  [false, { kind: 'restart', delay: 250 }],
  [true, { kind: 'wait', for: 'change', gaveUp: false }],
])('the supervisor treats an unhealthy program like a crashed one (permanent: %s)', (permanent, next) => {
  const { clock, supervisor, runs, events } = supervise();
  supervisor.dispatch({ type: 'start' });
  clock.advance(700);
  supervisor.reportUnhealthy('no answer', permanent);
  expect(events).toMatchObject([
    { type: 'crash', run: 1, uptime: 700, outcome: { code: null, reason: 'no answer' }, next },
    { type: 'stopping', run: 1, stage: 'terminating' },
  ]);
  expect(runs[1]?.stages).toEqual(['terminating']);
});

test('the supervisor reports that the first run waits for a change', () => {
  const { supervisor, runs, events } = supervise({ onChangeOnly: true });
  supervisor.dispatch({ type: 'start' });
  expect(events).toEqual([{ type: 'wait', reason: 'on-change-only' }]);
  supervisor.dispatch({ type: 'changed' });
  supervisor.dispatch({ type: 'quiet' });
  expect(runs[1]).toBeDefined();
});
