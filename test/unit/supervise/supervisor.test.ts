/** The supervisor on programs that are told what to do, and on a clock that is told what time it is. */

import { expect, test } from 'vitest';
import type { RunningProgram } from '../../../src/process/launch/running-program.ts';
import type { DevwatchEvent, EventOf, EventType, StopStage } from '../../../src/shared/events.ts';
import { defaultPolicy, type Policy } from '../../../src/supervise/machine.ts';
import { type RunListener, Supervisor } from '../../../src/supervise/supervisor.ts';
import { createClock } from '../../support/clock.ts';

interface Run {
  readonly listener: RunListener;
  readonly stages: StopStage[];
}

function supervise(policy: Partial<Policy> = {}) {
  const clock = createClock();
  const runs: Run[] = [];
  const events: DevwatchEvent[] = [];
  const endings: unknown[] = [];
  const supervisor = new Supervisor({
    policy: { ...defaultPolicy, ...policy },
    clock,
    launch(run, _cause, listener): RunningProgram {
      const stages: StopStage[] = [];
      runs[run] = { listener, stages };
      return {
        pid: 1000 + run,
        fromStandby: false,
        end: (stage) => void stages.push(stage),
        signal: () => {},
        ping: () => false,
        memory: () => undefined,
        cpu: () => undefined,
        write: () => {},
      };
    },
    emit: (event) => void events.push(event),
    onEnd: (ending) => void endings.push(ending),
  });
  const of = <Type extends EventType>(type: Type) =>
    events.filter((event): event is EventOf<Type> => event.type === type);
  return { clock, supervisor, runs, of, endings };
}

const crashed = { code: 1, signal: null } as const;

test('a crash is answered after its pause, and not before', () => {
  const { clock, supervisor, runs, of } = supervise();
  supervisor.dispatch({ type: 'start' });
  clock.advance(400);
  runs[1]?.listener.onExit(crashed);
  runs[1]?.listener.onGone([]);
  clock.advance(249);
  expect(runs[2]).toBeUndefined();
  clock.advance(1);
  expect(runs[2]).toBeDefined();
  expect(of('crash')).toMatchObject([
    { run: 1, uptime: 400, next: { kind: 'restart', delay: 250, attempt: 1, limit: 5 } },
  ]);
});

test('a tree that does not end is killed after the grace, and the next run waits for it', () => {
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
  runs[1]?.listener.onExit({ code: null, signal: 'SIGKILL' });
  runs[1]?.listener.onGone([]);
  expect(runs[2]).toBeDefined();
  expect(of('crash')).toEqual([]);
});

test('what could not be ended is handed on, and the next run starts all the same', () => {
  const { supervisor, runs, of } = supervise();
  supervisor.dispatch({ type: 'start' });
  supervisor.dispatch({ type: 'restart', cause: 'manual' });
  runs[1]?.listener.onGone([{ pid: 7, command: 'su', reason: 'belongs to another user' }]);
  expect(of('gone')).toMatchObject([{ run: 1, survivors: [{ pid: 7 }] }]);
  expect(runs[2]).toBeDefined();
});

test('a listener that dispatches during an event is served after it, in order', () => {
  const { supervisor, runs, endings } = supervise();
  supervisor.dispatch({ type: 'start' });
  supervisor.dispatch({ type: 'restart', cause: 'manual' });
  supervisor.dispatch({ type: 'stop', ending: { kind: 'requested' }, told: false });
  runs[1]?.listener.onGone([]);
  expect(runs[2]).toBeUndefined();
  expect(endings).toEqual([{ kind: 'requested' }]);
});

test('no timer fires after the end', () => {
  const { clock, supervisor, runs, endings } = supervise();
  supervisor.dispatch({ type: 'start' });
  runs[1]?.listener.onExit(crashed);
  runs[1]?.listener.onGone([]);
  supervisor.dispatch({ type: 'stop', ending: { kind: 'requested' }, told: false });
  expect(endings).toHaveLength(1);
  clock.advance(100_000);
  expect(runs[2]).toBeUndefined();
});

test('the program can be reached while anything of it may live', () => {
  const { supervisor, runs } = supervise();
  expect(supervisor.program).toBeUndefined();
  supervisor.dispatch({ type: 'start' });
  expect(supervisor.program?.pid).toBe(1001);
  runs[1]?.listener.onExit(crashed);
  runs[1]?.listener.onGone([]);
  expect(supervisor.program).toBeUndefined();
});
