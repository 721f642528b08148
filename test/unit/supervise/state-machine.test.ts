import { describe, expect, test } from 'vitest';
import {
  type Effect,
  initialWorld,
  type MachineEvent,
  type Policy,
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
      violation: /a save that no run follows/,
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
  for (const event of events) {
    const [next, performed] = step(world, event, { ...defaultPolicy, ...policy });
    world = next;
    effects.push(...performed);
  }
  return { world, effects };
}

const crash = (run: number, uptime = 10): MachineEvent => ({
  type: 'exited',
  run,
  outcome: { code: 1, signal: null },
  uptime,
});
const gone = (run: number): MachineEvent => ({ type: 'gone', run });
const backoffOver = (run: number): MachineEvent => ({ type: 'timer', run, name: 'backoff' });
const delaysOf = (effects: readonly Effect[]): number[] =>
  effects.flatMap((effect) => (effect.type === 'set-timer' && effect.name === 'backoff' ? [effect.ms] : []));

/** Events of a start followed by crashes, each with a restart after its backoff. */
function crashes(count: number, uptime = 10): MachineEvent[] {
  const events: MachineEvent[] = [{ type: 'start' }];
  for (let run = 1; run <= count; run += 1) events.push(crash(run, uptime), gone(run), backoffOver(run));
  return events;
}

describe('a crash', () => {
  test('is followed by a restart after 250 ms, doubled each time, at most 10 s', () => {
    const { effects } = play(crashes(8), { maxRestarts: 8 });
    expect(delaysOf(effects)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test('after a long run resets the backoff', () => {
    const { effects } = play([...crashes(3), crash(4, 1000), gone(4)]);
    expect(delaysOf(effects)).toEqual([250, 500, 1000, 250]);
  });

  test('that comes too often waits for a change, and reports that devwatch gave up', () => {
    const { world, effects } = play([...crashes(2), crash(3), gone(3)], { maxRestarts: 2 });
    expect(world.phase).toEqual({ kind: 'waiting' });
    expect(effects.at(-4)).toMatchObject({ type: 'report-end', next: { kind: 'wait', gaveUp: true } });
  });

  test('after a change resets the backoff', () => {
    const events: MachineEvent[] = [...crashes(2), { type: 'changed' }, gone(3), { type: 'quiet' }, crash(4), gone(4)];
    expect(delaysOf(play(events).effects)).toEqual([250, 500, 250]);
  });

  test('of a program that cannot be started is not retried', () => {
    const { world } = play([
      { type: 'start' },
      { type: 'exited', run: 1, outcome: { code: null, signal: null, error: 'no such file' }, uptime: 0 },
      gone(1),
    ]);
    expect(world.phase.kind).toBe('waiting');
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
