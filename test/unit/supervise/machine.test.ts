import { describe, expect, test } from 'vitest';
import {
  defaultPolicy,
  type Effect,
  initialWorld,
  type MachineEvent,
  type Policy,
  step,
  type World,
} from '../../../src/supervise/machine.ts';
import { explore } from './explorer.ts';

const policies: Readonly<Record<string, Partial<Policy>>> = {
  'the default': {},
  'restart always': { restart: 'always' },
  'restart never': { restart: 'never' },
  'exit on crash': { exitOnCrash: true },
  'on change only': { onChangeOnly: true },
  'no restart at all': { maxRestarts: 0 },
};

describe('every reachable world keeps the promises', () => {
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
  const deafTo =
    (matches: (world: World, event: MachineEvent) => boolean): Broken =>
    (world, event, policy) =>
      matches(world, event) ? [world, []] : step(world, event, policy);

  const mutants: Readonly<Record<string, { broken: Broken; promise: RegExp }>> = {
    'believes an earlier run': {
      broken: (world, event, policy) => step(world, 'run' in event ? { ...event, run: world.run } : event, policy),
      promise: /two trees alive|the end of a tree that is not there|forgotten|tree is alive/,
    },
    'sets no grace timer': {
      broken: without((effect) => effect.type === 'set-timer' && effect.name === 'grace'),
      promise: /an end that nothing pushes on/,
    },
    'sets no courtesy timer': {
      broken: without((effect) => effect.type === 'set-timer' && effect.name === 'courtesy'),
      promise: /an end that nothing pushes on/,
    },
    'leaves the backoff timer running': {
      broken: without((effect) => effect.type === 'clear-timer' && effect.name === 'backoff'),
      promise: /a timer at rest|set twice|while a timer runs/,
    },
    'ignores a stop during a restart': {
      broken: deafTo(
        (world, event) => event.type === 'stop' && world.phase.kind === 'stopping' && world.phase.goal.kind === 'start',
      ),
      promise: /a stop that does not stop/,
    },
    'forgets a change while it waits': {
      broken: deafTo((world, event) => event.type === 'changed' && world.phase.kind === 'waiting'),
      promise: /a save that is never run/,
    },
    'starts the next run at the exit of the root': {
      broken: (world, event, policy) =>
        event.type === 'exited' && world.phase.kind === 'stopping' && event.run === world.run
          ? step(world, { type: 'gone', run: world.run }, policy)
          : step(world, event, policy),
      promise: /two trees alive|the end while a tree is alive|forgotten/,
    },
    'never hears that it is quiet': {
      broken: deafTo((_world, event) => event.type === 'quiet'),
      promise: /a save that is never run/,
    },
    'does not end what a crash left behind': {
      broken: without((effect) => effect.type === 'end-tree'),
      promise: /pushed less far|a stop that does not stop/,
    },
  };
  for (const [name, { broken, promise }] of Object.entries(mutants)) {
    test(name, () => {
      expect(() => explore(broken)).toThrow(promise);
    });
  }
});

/** Feeds events from the start and returns every effect. */
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

/** A start and then crashes, each restarted after its pause. */
function crashes(count: number, uptime = 10): MachineEvent[] {
  const events: MachineEvent[] = [{ type: 'start' }];
  for (let run = 1; run <= count; run += 1) events.push(crash(run, uptime), gone(run), backoffOver(run));
  return events;
}

describe('a crash', () => {
  test('is answered after 250 ms, doubled each time, at most 10 s', () => {
    const { effects } = play(crashes(8), { maxRestarts: 8 });
    expect(delaysOf(effects)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test('after a long run starts the series anew', () => {
    const { effects } = play([...crashes(3), crash(4, 1000), gone(4)]);
    expect(delaysOf(effects)).toEqual([250, 500, 1000, 250]);
  });

  test('that comes too often waits for a change, and says that it gave up', () => {
    const { world, effects } = play([...crashes(2), crash(3), gone(3)], { maxRestarts: 2 });
    expect(world.phase).toEqual({ kind: 'waiting', leftovers: false });
    expect(effects.at(-4)).toMatchObject({ type: 'report-end', next: { kind: 'wait', gaveUp: true } });
  });

  test('after a change begins the series anew', () => {
    const events: MachineEvent[] = [...crashes(2), { type: 'changed' }, gone(3), { type: 'quiet' }, crash(4), gone(4)];
    expect(delaysOf(play(events).effects)).toEqual([250, 500, 250]);
  });

  test('that cannot even start is not tried again by itself', () => {
    const { world } = play([
      { type: 'start' },
      { type: 'exited', run: 1, outcome: { code: null, signal: null, error: 'no such file' }, uptime: 0 },
      gone(1),
    ]);
    expect(world.phase.kind).toBe('waiting');
  });
});

describe('a change', () => {
  test('ends the old tree at once, and starts the new one when it is gone and quiet, in either order', () => {
    const begin: MachineEvent[] = [{ type: 'start' }, { type: 'changed' }];
    expect(play(begin).effects).toContainEqual({ type: 'end-tree', run: 1, stage: 'terminating', grace: null });
    expect(play([...begin, gone(1)]).world.run).toBe(1);
    expect(play([...begin, { type: 'quiet' }]).world.run).toBe(1);
    expect(play([...begin, gone(1), { type: 'quiet' }]).world.run).toBe(2);
    expect(play([...begin, { type: 'quiet' }, gone(1)]).world.run).toBe(2);
  });

  test('during the end of the old tree asks for quiet again', () => {
    const { world } = play([{ type: 'start' }, { type: 'changed' }, { type: 'quiet' }, { type: 'changed' }, gone(1)]);
    expect(world.phase).toEqual({ kind: 'settling', cause: 'change' });
  });
});

describe('a stop', () => {
  const stop: MachineEvent = { type: 'stop', ending: { kind: 'requested' }, told: false };

  test('asked for twice kills', () => {
    const { effects } = play([{ type: 'start' }, stop, stop]);
    expect(effects.filter(({ type }) => type === 'end-tree')).toEqual([
      { type: 'end-tree', run: 1, stage: 'terminating', grace: null },
      { type: 'end-tree', run: 1, stage: 'killing', grace: null },
    ]);
  });

  test('that the terminal has delivered is left to work before the stop signal follows', () => {
    const told: MachineEvent = { type: 'stop', ending: { kind: 'signal', signal: 'SIGINT' }, told: true };
    const { effects } = play([{ type: 'start' }, told, { type: 'timer', run: 1, name: 'courtesy' }]);
    expect(
      effects.filter(({ type }) => type === 'end-tree').map((effect) => 'stage' in effect && effect.stage),
    ).toEqual(['delivered', 'terminating']);
  });

  test('ends what a clean exit left behind', () => {
    const { effects } = play([
      { type: 'start' },
      { type: 'exited', run: 1, outcome: { code: 0, signal: null }, uptime: 5 },
      stop,
    ]);
    expect(effects.at(-2)).toEqual({ type: 'end-tree', run: 1, stage: 'terminating', grace: null });
  });
});

test('the grace ends in a kill', () => {
  const { effects } = play([{ type: 'start' }, { type: 'changed' }, { type: 'timer', run: 1, name: 'grace' }], {
    killTimeout: 700,
  });
  expect(effects).toContainEqual({ type: 'set-timer', run: 1, name: 'grace', ms: 700 });
  expect(effects.at(-1)).toEqual({ type: 'end-tree', run: 1, stage: 'killing', grace: 700 });
});

test('a second manual restart kills, one from new settings or by who is patient does not', () => {
  const manual: MachineEvent = { type: 'restart', cause: 'manual' };
  const settings: MachineEvent = { type: 'restart', cause: 'settings' };
  const patient: MachineEvent = { type: 'restart', cause: 'manual', isPatient: true };
  expect(play([{ type: 'start' }, manual, manual]).effects.at(-1)).toMatchObject({
    type: 'end-tree',
    stage: 'killing',
  });
  for (const second of [settings, patient]) {
    expect(play([{ type: 'start' }, manual, second]).world.phase).toMatchObject({
      kind: 'stopping',
      stage: 'terminating',
    });
  }
});
