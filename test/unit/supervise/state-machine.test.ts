import { describe, expect, test } from 'vitest';
import type { Policy } from '../../../src/supervise/policy.ts';
import {
  type Effect,
  initialWorld,
  type MachineEvent,
  step,
  type World,
} from '../../../src/supervise/state-machine.ts';
import { defaultPolicy, explore } from './explorer.ts';

const policies: Readonly<Record<string, Partial<Policy>>> = {
  'the default': {},
  'restart always': { restart: 'always' },
  'restart never': { restart: 'never' },
  'exit on crash': { exitOnCrash: true },
  'on change only': { onChangeOnly: true },
  'no restart at all': { maxRestarts: 0 },
  'a readiness check': { assumedUpAfterMs: null },
  'nothing to wait for': { maxRestarts: null, waitsFor: null },
  'nothing to wait for and a limit': { waitsFor: null },
  'nothing to wait for and no restart': { restart: 'never', waitsFor: null },
  'nothing to wait for but a change': { onChangeOnly: true, maxRestarts: null, waitsFor: null },
  'requests alone to wait for': { maxRestarts: null, waitsFor: 'request' },
};

describe('every reachable world keeps the rules', () => {
  test.each(Object.entries(policies))('with %s', (name, policy) => {
    const { worlds, transitions } = explore(step, { ...defaultPolicy, maxRestarts: 2, ...policy });
    console.log(`explorer: ${name}: ${worlds} worlds, ${transitions} transitions`);
    expect(worlds).toBeGreaterThan(20);
    expect(transitions).toBeGreaterThan(worlds);
  });
});

describe('the explorer catches a machine that', () => {
  type Broken = typeof step;
  const without =
    (matches: (effect: Effect) => boolean): Broken =>
    (world, event, policy) => {
      const [next, effects] = step(world, event, policy);
      return [next, effects.filter((effect) => !matches(effect))];
    };
  const ignoring =
    (matches: (world: World, event: MachineEvent) => boolean): Broken =>
    (world, event, policy) =>
      matches(world, event) ? [world, []] : step(world, event, policy);

  const mutants: Readonly<Record<string, { broken: Broken; violation: RegExp }>> = {
    'accepts events of an earlier run': {
      broken: (world, event, policy) => step(world, 'run' in event ? { ...event, run: world.run } : event, policy),
      violation: /two trees alive|a stop of a tree that does not exist|forgotten|tree is alive/,
    },
    'sets no timer of the grace period': {
      broken: without((effect) => effect.type === 'set-timer' && effect.name === 'terminating'),
      violation: /a stop that cannot escalate/,
    },
    'sets no timer after a delivered signal': {
      broken: without((effect) => effect.type === 'set-timer' && effect.name === 'delivered'),
      violation: /a stop that cannot escalate/,
    },
    'leaves the backoff timer running': {
      broken: without((effect) => effect.type === 'clear-timer' && effect.name === 'backoff'),
      violation: /a timer at rest|set twice|while a timer runs/,
    },
    'ignores a stop during a restart': {
      broken: ignoring(
        (world, event) => event.type === 'stop' && world.phase.kind === 'stopping' && world.phase.goal.kind === 'start',
      ),
      violation: /a stop that does not stop/,
    },
    'forgets a change while it waits': {
      broken: ignoring((world, event) => event.type === 'changed' && world.phase.kind === 'waiting'),
      violation: /a save that no run follows|does not come to rest/,
    },
    'starts the next run at the exit of the root': {
      broken: (world, event, policy) =>
        event.type === 'exited' && world.phase.kind === 'stopping' && event.run === world.run
          ? step(world, { type: 'gone', run: world.run }, policy)
          : step(world, event, policy),
      violation: /two trees alive|finished while a tree is alive|forgotten/,
    },
    'ignores the end of the debounce': {
      broken: ignoring((_world, event) => event.type === 'quiet'),
      violation: /a save that no run follows/,
    },
    'tries again what ends alike': {
      broken: (world, event, policy) =>
        step(world, event.type === 'exited' ? { ...event, fault: undefined } : event, policy),
      violation: /a retry that is pointless/,
    },
    'counts no failed start': {
      broken: (world, event, policy) => step(world, event, { ...policy, maxRestarts: 99 }),
      violation: /more retries than allowed/,
    },
    'starts a run that lacks a file': {
      broken: (world, event, policy) =>
        step(world, event.type === 'prepared' ? { ...event, canStart: true } : event, policy),
      violation: /a run that lacks a file/,
    },
    'goes on waiting for a file that it no longer needs': {
      broken: without((effect) => effect.type === 'stop-awaiting'),
      violation: /awaits files/,
    },
    'does not stop the tree after a crash': {
      broken: without((effect) => effect.type === 'stop-tree'),
      violation: /an earlier stage|a stop that does not stop/,
    },
  };
  for (const [name, { broken, violation }] of Object.entries(mutants)) {
    test(name, () => {
      expect(() => explore(broken)).toThrow(violation);
    });
  }
});

/** Feeds events into the initial world, and returns all effects. */
function play(events: readonly MachineEvent[], policy: Partial<Policy> = {}): { world: World; effects: Effect[] } {
  let world = initialWorld;
  const effects: Effect[] = [];
  const queue = [...events];
  for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
    const [next, performed] = step(world, event, { ...defaultPolicy, ...policy });
    world = next;
    effects.push(...performed);
    if (performed.some(({ type }) => type === 'prepare')) queue.unshift({ type: 'prepared', canStart: true });
  }
  return { world, effects };
}

type ExitedEvent = Extract<MachineEvent, { type: 'exited' }>;

const crash = (run: number, end: Partial<ExitedEvent> = {}): MachineEvent => ({
  type: 'exited',
  run,
  outcome: { code: 1, signal: null },
  uptime: 10,
  ...end,
});
const up = (run: number, uptime = 5): MachineEvent => ({ type: 'up', run, uptime });
const gone = (run: number): MachineEvent => ({ type: 'gone', run });
const backoffOver = (run: number): MachineEvent => ({ type: 'timer', run, name: 'backoff' });
const delaysOf = (effects: readonly Effect[]): number[] =>
  effects.flatMap((effect) => (effect.type === 'set-timer' && effect.name === 'backoff' ? [effect.ms] : []));
const nextStepsOf = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.type === 'report-end' ? [effect.next] : []));

/** Events of a start followed by crashes, each with a restart after its backoff. */
function crashes(
  count: number,
  end: Partial<ExitedEvent> = {},
  before: (run: number) => readonly MachineEvent[] = () => [],
) {
  const events: MachineEvent[] = [{ type: 'start' }];
  for (let run = 1; run <= count; run += 1) {
    events.push(...before(run), crash(run, end), gone(run), backoffOver(run));
  }
  return events;
}

describe('a crash', () => {
  test('is followed by a restart after 250 ms, doubled each time, at most 10 s', () => {
    const { effects } = play(crashes(8), { maxRestarts: 8 });
    expect(delaysOf(effects)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test.each([
    ['is seen to be up for 30 s', [up(4, 1000)], 31_000, 250],
    ['is seen to be up for less', [up(4, 1000)], 30_999, 2000],
    ['lives for 30 s', [], 30_000, 250],
    ['lives for less', [], 29_999, 2000],
  ])('of a run that %s is followed by a pause of the right length', (_, before, uptime, delay) => {
    const { effects } = play([...crashes(3), ...before, crash(4, { uptime }), gone(4)]);
    expect(delaysOf(effects)).toEqual([250, 500, 1000, delay]);
  });

  test.each([
    ['at once', 10],
    ['after 9 s', 9000],
  ])('before the run came up, %s, counts towards the limit', (_, uptime) => {
    const { world, effects } = play([...crashes(2, { uptime }), crash(3, { uptime }), gone(3)], { maxRestarts: 2 });
    expect(nextStepsOf(effects)).toEqual([
      { kind: 'restart', delay: 250, attempt: 1, limit: 2 },
      { kind: 'restart', delay: 500, attempt: 2, limit: 2 },
      { kind: 'wait', for: 'change', gaveUp: true, limit: 2 },
    ]);
    expect(world.phase).toEqual({ kind: 'waiting' });
  });

  test.each<[string, Partial<ExitedEvent>, (run: number) => MachineEvent[], Partial<Policy>]>([
    ['that is seen to be up', { uptime: 200 }, (run) => [up(run)], { assumedUpAfterMs: null }],
    ['without a readiness check that lives for ten seconds', { uptime: 10_000 }, () => [], {}],
  ])('of a run %s is followed by another run without a limit', (_, end, before, policy) => {
    const { effects } = play(crashes(20, end, before), { maxRestarts: 2, ...policy });
    expect(nextStepsOf(effects).slice(0, 2)).toEqual([
      { kind: 'restart', delay: 250 },
      { kind: 'restart', delay: 500 },
    ]);
    expect(delaysOf(effects)).toHaveLength(20);
  });

  test('of a run that is seen to be up resets the count', () => {
    const events = [...crashes(2), up(3), crash(3, { uptime: 500 }), gone(3), backoffOver(3), crash(4), gone(4)];
    expect(nextStepsOf(play(events, { maxRestarts: 2 }).effects).at(-1)).toMatchObject({ attempt: 1, limit: 2 });
  });

  test('in the moment after it listens is one before it came up', () => {
    const { effects } = play([{ type: 'start' }, up(1, 50), crash(1, { uptime: 60, fault: 'uncaught-error' })]);
    expect(nextStepsOf(effects)).toEqual([{ kind: 'wait', for: 'change', gaveUp: false }]);
  });

  test('after ten seconds counts towards the limit if a readiness check has not been met', () => {
    const { effects } = play([{ type: 'start' }, crash(1, { uptime: 20_000 })], { assumedUpAfterMs: null });
    expect(nextStepsOf(effects)).toEqual([{ kind: 'restart', delay: 250, attempt: 1, limit: 5 }]);
  });

  test('after a change resets the backoff', () => {
    const events: MachineEvent[] = [...crashes(2), { type: 'changed' }, gone(3), { type: 'quiet' }, crash(4), gone(4)];
    expect(delaysOf(play(events).effects)).toEqual([250, 500, 250]);
  });
});

describe('an end that another try cannot change', () => {
  test.each<[string, Partial<ExitedEvent>, MachineEvent[], boolean]>([
    ['a defect of a file', { fault: 'defect' }, [], false],
    ['a defect found by a slow compiler', { fault: 'defect', uptime: 20_000 }, [], false],
    ['a defect found after the run came up', { fault: 'defect', uptime: 900 }, [up(1)], true],
    ['a defect found after a long life', { fault: 'defect', uptime: 30_000 }, [], true],
    ['an uncaught error', { fault: 'uncaught-error' }, [], false],
    ['an uncaught error after the run came up', { fault: 'uncaught-error', uptime: 900 }, [up(1)], true],
    ['an uncaught error after ten seconds', { fault: 'uncaught-error', uptime: 10_000 }, [], true],
    ['a failed test', { fault: 'by-design' }, [], false],
    ['output that has no reader', { fault: 'unread-output' }, [], false],
    ['a shortage', { fault: 'shortage' }, [], true],
    ['a failed test after a long time', { fault: 'by-design', uptime: 60_000 }, [], false],
    ['an unknown one', {}, [], true],
  ])('%s', (_, end, before, isRetried) => {
    const { world, effects } = play([{ type: 'start' }, ...before, crash(1, end), gone(1)]);
    expect(world.phase.kind).toBe(isRetried ? 'backoff' : 'waiting');
    expect(nextStepsOf(effects)).toMatchObject([isRetried ? { kind: 'restart' } : { kind: 'wait', gaveUp: false }]);
  });
});

test('a program that cannot be started for want of processes is tried without a limit; only other failures count', () => {
  const shortages = crashes(20, { fault: 'shortage' });
  const { effects } = play([...shortages, crash(21), gone(21)]);
  const steps = nextStepsOf(effects);
  expect(steps[19]).toEqual({ kind: 'restart', delay: 10_000 });
  expect(steps[20]).toMatchObject({ kind: 'restart', attempt: 1, limit: 5 });
});

describe('with nothing to wait for, a program that', () => {
  const outcome = { code: 3, signal: null };
  const unlimited = { maxRestarts: null, waitsFor: null };
  const ends = { kind: 'stopped' };

  test.each<[string, Partial<ExitedEvent>]>([
    ['crashes', {}],
    ['has a defect', { fault: 'defect' }],
    ['has an error', { fault: 'uncaught-error' }],
    ['cannot be started', { outcome: { code: null, signal: null, error: 'cannot be started' }, fault: 'defect' }],
  ])('%s is started again and again, with a pause of at most 10 s', (_, end) => {
    const { effects } = play(crashes(50, end), unlimited);
    expect(delaysOf(effects)).toHaveLength(50);
    expect(nextStepsOf(effects).at(-1)).toEqual({ kind: 'restart', delay: 10_000 });
  });

  test.each<[string, Partial<ExitedEvent>, Partial<Policy>]>([
    ['uses up its restarts', {}, { maxRestarts: 0, waitsFor: null }],
    ['has a defect', { fault: 'defect' }, { maxRestarts: 3, waitsFor: null }],
    ['may not be restarted', {}, { ...unlimited, restart: 'never' }],
    ['has failed in its work', { fault: 'by-design' }, unlimited],
  ])('%s ends devwatch with its own exit code', (_, end, policy) => {
    const { world, effects } = play([{ type: 'start' }, crash(1, { outcome, ...end }), gone(1)], policy);
    expect(world.phase).toEqual(ends);
    expect(effects.at(-1)).toEqual({ type: 'finish', reason: { kind: 'program', outcome } });
  });

  test('exits with code 0 ends devwatch with code 0', () => {
    const done = { code: 0, signal: null };
    const { effects } = play([{ type: 'start' }, crash(1, { outcome: done }), gone(1)], unlimited);
    expect(nextStepsOf(effects)).toEqual([{ kind: 'end', gaveUp: false }]);
    expect(effects.at(-1)).toEqual({ type: 'finish', reason: { kind: 'program', outcome: done } });
  });
});

describe('a change', () => {
  test('stops the old tree at once, and starts the next run when the tree is gone and the debounce is over, in either order', () => {
    const begin: MachineEvent[] = [{ type: 'start' }, { type: 'changed' }];
    expect(play(begin).effects).toContainEqual({ type: 'stop-tree', run: 1, stage: 'terminating', grace: null });
    expect(play([...begin, gone(1)]).world.run).toBe(1);
    expect(play([...begin, { type: 'quiet' }]).world.run).toBe(1);
    expect(play([...begin, gone(1), { type: 'quiet' }]).world.run).toBe(2);
    expect(play([...begin, { type: 'quiet' }, gone(1)]).world.run).toBe(2);
  });

  test('while the old tree is stopped begins another debounce', () => {
    const { world } = play([{ type: 'start' }, { type: 'changed' }, { type: 'quiet' }, { type: 'changed' }, gone(1)]);
    expect(world.phase).toEqual({ kind: 'settling' });
  });
});

describe('a stop', () => {
  const stop: MachineEvent = { type: 'stop', reason: { kind: 'requested' }, delivered: false };

  test('that is requested twice kills the tree', () => {
    const { effects } = play([{ type: 'start' }, stop, stop]);
    expect(effects.filter(({ type }) => type === 'stop-tree')).toEqual([
      { type: 'stop-tree', run: 1, stage: 'terminating', grace: null },
      { type: 'stop-tree', run: 1, stage: 'killing', grace: null },
    ]);
  });

  test('that the terminal has delivered is followed by the stop signal after the grace period', () => {
    const delivered: MachineEvent = { type: 'stop', reason: { kind: 'signal', signal: 'SIGINT' }, delivered: true };
    const { effects } = play([{ type: 'start' }, delivered, { type: 'timer', run: 1, name: 'delivered' }]);
    expect(
      effects.filter(({ type }) => type === 'stop-tree').map((effect) => 'stage' in effect && effect.stage),
    ).toEqual(['delivered', 'terminating']);
  });

  test('stops the processes that a clean exit has left running', () => {
    const { effects } = play([
      { type: 'start' },
      { type: 'exited', run: 1, outcome: { code: 0, signal: null }, uptime: 5 },
      stop,
    ]);
    expect(effects.at(-2)).toEqual({ type: 'stop-tree', run: 1, stage: 'terminating', grace: null });
  });
});

test('the tree is killed after the grace period', () => {
  const { effects } = play([{ type: 'start' }, { type: 'changed' }, { type: 'timer', run: 1, name: 'terminating' }], {
    killTimeout: 700,
  });
  expect(effects).toContainEqual({ type: 'set-timer', run: 1, name: 'terminating', ms: 700 });
  expect(effects.at(-1)).toEqual({ type: 'stop-tree', run: 1, stage: 'killing', grace: 700 });
});

test.each([
  ['kills the tree', 'manual', true, 'killing'],
  ['that does not escalate leaves the grace period', 'manual', false, 'terminating'],
  ['from new settings leaves the grace period', 'settings', false, 'terminating'],
] as const)('a second restart %s', (_, cause, escalates, stage) => {
  const first: MachineEvent = { type: 'restart', cause: 'manual', escalates: true };
  const { world } = play([{ type: 'start' }, first, { type: 'restart', cause, escalates }]);
  expect(world.phase).toMatchObject({ kind: 'stopping', stage });
});
