/**
 * Visits every world that the machine can reach, together with a model of what surrounds it: one
 * process tree, its root, the timers, the quiet window. In each world the promises are checked.
 */

import type { StopStage } from '../../../src/shared/events.ts';
import {
  defaultPolicy,
  type Effect,
  initialWorld,
  type MachineEvent,
  type Policy,
  type Step,
  type TimerName,
  type World,
} from '../../../src/supervise/machine.ts';

type StepFunction = (world: World, event: MachineEvent, policy: Policy) => Step;

/** What the machine cannot see but must respect. */
interface Surroundings {
  readonly treeAlive: boolean;
  readonly rootAlive: boolean;
  /** How far the tree's end was pushed; null while nobody asked for it. */
  readonly pushed: StopStage | null;
  readonly timers: readonly TimerName[];
  readonly quietPending: boolean;
  /** Something was saved that no run has been started after. */
  readonly unseenSave: boolean;
  readonly started: boolean;
  readonly finished: boolean;
}

interface Node {
  readonly world: World;
  readonly around: Surroundings;
  /** How it was reached, for the error message. */
  readonly path: readonly string[];
}

export interface Exploration {
  readonly worlds: number;
  readonly transitions: number;
}

const untouched: Surroundings = {
  treeAlive: false,
  rootAlive: false,
  pushed: null,
  timers: [],
  quietPending: false,
  unseenSave: false,
  started: false,
  finished: false,
};

const stages: readonly (StopStage | null)[] = [null, 'delivered', 'terminating', 'killing'];

/** @throws Error that names the broken promise and the way to it */
export function explore(step: StepFunction, policy: Policy = { ...defaultPolicy, maxRestarts: 2 }): Exploration {
  const first: Node = { world: initialWorld, around: untouched, path: [] };
  const seen = new Set([keyOf(first)]);
  const queue = [first];
  let transitions = 0;
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    check(step, node, policy);
    for (const event of possibleEvents(node)) {
      transitions += 1;
      const next = advance(step, node, event, policy);
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return { worlds: seen.size, transitions };
}

/** The number of the run only grows: two worlds that differ in nothing else are the same. */
function keyOf({ world, around }: Node): string {
  return JSON.stringify([world.run > 0, world.phase, { ...around, timers: [...around.timers].sort() }]);
}

function possibleEvents({ world, around }: Node): MachineEvent[] {
  const { run } = world;
  const ending = { kind: 'requested' } as const;
  const events: MachineEvent[] = [
    { type: 'changed' },
    { type: 'restart', cause: 'manual' },
    { type: 'restart', cause: 'manual', isPatient: true },
    { type: 'restart', cause: 'settings' },
    { type: 'stop', ending, told: true },
    { type: 'stop', ending, told: false },
  ];
  if (!around.started) events.push({ type: 'start' });
  if (around.quietPending) events.push({ type: 'quiet' });
  if (around.rootAlive) events.push(...ownEnds(run), ...unfits(run));
  if (around.treeAlive && !around.rootAlive && around.pushed !== null) events.push({ type: 'gone', run });
  for (const name of around.timers) events.push({ type: 'timer', run, name });
  // What an earlier run still had to say.
  if (run > 0) {
    events.push(...ownEnds(run - 1), ...unfits(run - 1), { type: 'gone', run: run - 1 });
    for (const name of ['courtesy', 'grace', 'backoff'] as const) events.push({ type: 'timer', run: run - 1, name });
  }
  return events;
}

function unfits(run: number): MachineEvent[] {
  return [true, false].flatMap((final) =>
    [1, 5000].map((uptime) => ({ type: 'unfit', run, reason: 'blocked', uptime, final }) as const),
  );
}

function ownEnds(run: number): MachineEvent[] {
  const outcomes = [
    { code: 0, signal: null },
    { code: 1, signal: null },
    { code: null, signal: null, error: 'cannot be started' },
  ] as const;
  return outcomes.flatMap((outcome) => [1, 5000].map((uptime) => ({ type: 'exited', run, outcome, uptime }) as const));
}

function advance(step: StepFunction, node: Node, event: MachineEvent, policy: Policy): Node {
  const path = [...node.path, describe(event)];
  const [world, effects] = step(node.world, event, policy);
  let around = receive(node, event);
  for (const effect of effects) around = perform(around, effect, path);
  return { world, around, path };
}

const describe = (event: MachineEvent): string => JSON.stringify(event);

/** What the event itself says about the surroundings. */
function receive({ world, around }: Node, event: MachineEvent): Surroundings {
  const stale = 'run' in event && event.run !== world.run;
  switch (event.type) {
    case 'start':
      return { ...around, started: true };
    case 'changed':
      return { ...around, quietPending: true, unseenSave: true };
    case 'quiet':
      return { ...around, quietPending: false };
    case 'exited':
      return stale ? around : { ...around, rootAlive: false };
    case 'gone':
      return stale ? around : { ...around, treeAlive: false, pushed: null };
    case 'timer':
      return stale ? around : { ...around, timers: around.timers.filter((name) => name !== event.name) };
    default:
      return around;
  }
}

function perform(around: Surroundings, effect: Effect, path: readonly string[]): Surroundings {
  const promise = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`${what}, after:\n  ${path.join('\n  ')}`);
  };
  promise(!around.finished, 'an effect after the last one');
  switch (effect.type) {
    case 'spawn':
      promise(!around.treeAlive, 'two trees alive');
      return { ...around, treeAlive: true, rootAlive: true, pushed: null, unseenSave: false };
    case 'end-tree':
      promise(around.treeAlive, 'the end of a tree that is not there');
      promise(stages.indexOf(effect.stage) > stages.indexOf(around.pushed), 'an end that is not pushed on');
      return { ...around, pushed: effect.stage };
    case 'set-timer':
      promise(!around.timers.includes(effect.name), `the timer ${effect.name} set twice`);
      return { ...around, timers: [...around.timers, effect.name] };
    case 'clear-timer':
      return { ...around, timers: around.timers.filter((name) => name !== effect.name) };
    case 'finish':
      promise(!around.treeAlive, 'the end while a tree is alive');
      promise(around.timers.length === 0, 'the end while a timer runs');
      return { ...around, finished: true };
    case 'report-end':
    case 'report-wait':
      return around;
  }
}

/** The promises that must hold in every world. */
function check(step: StepFunction, node: Node, policy: Policy): void {
  const { world, around, path } = node;
  const promise = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`${what}, in ${JSON.stringify(world.phase)}, after:\n  ${path.join('\n  ')}`);
  };
  const { phase } = world;
  if (phase.kind === 'running') promise(!around.unseenSave, 'a program runs that is older than the last save');
  if (phase.kind === 'stopping') {
    const canEscalate =
      phase.stage === 'killing' || around.timers.includes(phase.stage === 'delivered' ? 'courtesy' : 'grace');
    promise(canEscalate, 'an end that nothing pushes on');
    promise(around.pushed === phase.stage, 'an end pushed less far than the machine believes');
  } else if (phase.kind === 'backoff') {
    promise(around.timers.join() === 'backoff', 'a pause without its timer alone');
  } else {
    promise(around.timers.length === 0, 'a timer at rest');
  }
  if (around.treeAlive && phase.kind !== 'running' && phase.kind !== 'stopping') {
    promise(phase.kind === 'waiting' && phase.leftovers, 'a tree that the machine has forgotten');
  }
  if (phase.kind === 'stopped') return;

  const settled = drain(step, node, policy);
  promise(!settled.around.unseenSave || settled.world.phase.kind === 'stopped', 'a save that is never run');
  const stopped = drain(
    step,
    advance(step, node, { type: 'stop', ending: { kind: 'requested' }, told: false }, policy),
    policy,
  );
  promise(stopped.world.phase.kind === 'stopped' && stopped.around.finished, 'a stop that does not stop');
}

/** Lets happen, to the end, what happens by itself: programs that were asked to end do, timers fire, quiet comes. */
function drain(step: StepFunction, from: Node, policy: Policy): Node {
  let node = from;
  for (let turn = 0; turn < 50; turn += 1) {
    const { run } = node.world;
    const { around } = node;
    const [timer] = around.timers;
    const event: MachineEvent | undefined =
      around.rootAlive && around.pushed !== null
        ? { type: 'exited', run, outcome: { code: null, signal: 'SIGTERM' }, uptime: 5000 }
        : around.treeAlive && around.pushed !== null
          ? { type: 'gone', run }
          : timer !== undefined
            ? { type: 'timer', run, name: timer }
            : around.quietPending
              ? { type: 'quiet' }
              : undefined;
    if (event === undefined) return node;
    node = advance(step, node, event, policy);
  }
  throw new Error(`no rest in sight, after:\n  ${from.path.join('\n  ')}`);
}
