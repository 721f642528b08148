/**
 * Visits every world that the machine can reach, together with a model of its environment: one
 * process tree, its root, the timers, the debounce. The rules of the machine are checked in each world.
 */

import { defaultSettings } from '../../../src/config/defaults.ts';
import type { StopStage } from '../../../src/shared/events.ts';
import {
  type Effect,
  initialWorld,
  type MachineEvent,
  type Policy,
  type Step,
  type TimerName,
  type World,
} from '../../../src/supervise/state-machine.ts';

/** The settings of a user who sets nothing. */
export const defaultPolicy: Policy = defaultSettings;

type StepFunction = (world: World, event: MachineEvent, policy: Policy) => Step;

/** State outside of the machine. */
interface Environment {
  readonly treeAlive: boolean;
  readonly rootAlive: boolean;
  /** Stage that the stop of the tree has reached; null while it is not being stopped. */
  readonly stage: StopStage | null;
  readonly timers: readonly TimerName[];
  readonly quietPending: boolean;
  /** A file was saved, and no run has been started since. */
  readonly unseenSave: boolean;
  readonly started: boolean;
  readonly finished: boolean;
}

interface Node {
  readonly world: World;
  readonly environment: Environment;
  /** The events that led here, for the error message. */
  readonly path: readonly string[];
}

export interface Exploration {
  readonly worlds: number;
  readonly transitions: number;
}

const untouched: Environment = {
  treeAlive: false,
  rootAlive: false,
  stage: null,
  timers: [],
  quietPending: false,
  unseenSave: false,
  started: false,
  finished: false,
};

const stages: readonly (StopStage | null)[] = [null, 'delivered', 'terminating', 'killing'];

/** @throws Error that names the broken rule and the events that led to it */
export function explore(step: StepFunction, policy: Policy = { ...defaultPolicy, maxRestarts: 2 }): Exploration {
  const first: Node = { world: initialWorld, environment: untouched, path: [] };
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

/** Worlds that differ only in the number of the run are the same. */
function keyOf({ world, environment }: Node): string {
  return JSON.stringify([world.run > 0, world.phase, { ...environment, timers: [...environment.timers].sort() }]);
}

function possibleEvents({ world, environment }: Node): MachineEvent[] {
  const { run } = world;
  const reason = { kind: 'requested' } as const;
  const events: MachineEvent[] = [
    { type: 'changed' },
    { type: 'restart', cause: 'manual', escalates: true },
    { type: 'restart', cause: 'manual', escalates: false },
    { type: 'restart', cause: 'settings', escalates: false },
    { type: 'stop', reason, delivered: true },
    { type: 'stop', reason, delivered: false },
  ];
  if (!environment.started) events.push({ type: 'start' });
  if (environment.quietPending) events.push({ type: 'quiet' });
  if (environment.rootAlive) events.push(...ownEnds(run), ...unhealthyEvents(run));
  if (environment.treeAlive && !environment.rootAlive && environment.stage !== null) events.push({ type: 'gone', run });
  for (const name of environment.timers) events.push({ type: 'timer', run, name });
  // Late events of an earlier run.
  if (run > 0) {
    events.push(...ownEnds(run - 1), ...unhealthyEvents(run - 1), { type: 'gone', run: run - 1 });
    for (const name of ['delivered', 'terminating', 'backoff'] as const)
      events.push({ type: 'timer', run: run - 1, name });
  }
  return events;
}

function unhealthyEvents(run: number): MachineEvent[] {
  return [true, false].flatMap((permanent) =>
    [1, 5000].map((uptime) => ({ type: 'unhealthy', run, reason: 'blocked', uptime, permanent }) as const),
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
  let environment = receive(node, event);
  for (const effect of effects) environment = perform(environment, effect, path);
  return { world, environment, path };
}

const describe = (event: MachineEvent): string => JSON.stringify(event);

/** Applies to the environment what the event itself reports. */
function receive({ world, environment }: Node, event: MachineEvent): Environment {
  const stale = 'run' in event && event.run !== world.run;
  switch (event.type) {
    case 'start':
      return { ...environment, started: true };
    case 'changed':
      return { ...environment, quietPending: true, unseenSave: true };
    case 'quiet':
      return { ...environment, quietPending: false };
    case 'exited':
      return stale ? environment : { ...environment, rootAlive: false };
    case 'gone':
      return stale ? environment : { ...environment, treeAlive: false, stage: null };
    case 'timer':
      return stale ? environment : { ...environment, timers: environment.timers.filter((name) => name !== event.name) };
    default:
      return environment;
  }
}

function perform(environment: Environment, effect: Effect, path: readonly string[]): Environment {
  const require = (holds: boolean, violation: string): void => {
    if (!holds) throw new Error(`${violation}, after:\n  ${path.join('\n  ')}`);
  };
  require(!environment.finished, 'an effect after the last one');
  switch (effect.type) {
    case 'spawn':
      require(!environment.treeAlive, 'two trees alive');
      return { ...environment, treeAlive: true, rootAlive: true, stage: null, unseenSave: false };
    case 'stop-tree':
      require(environment.treeAlive, 'a stop of a tree that does not exist');
      require(stages.indexOf(effect.stage) > stages.indexOf(environment.stage), 'a stop that does not advance');
      return { ...environment, stage: effect.stage };
    case 'set-timer':
      require(!environment.timers.includes(effect.name), `the timer ${effect.name} set twice`);
      return { ...environment, timers: [...environment.timers, effect.name] };
    case 'clear-timer':
      return { ...environment, timers: environment.timers.filter((name) => name !== effect.name) };
    case 'finish':
      require(!environment.treeAlive, 'finished while a tree is alive');
      require(environment.timers.length === 0, 'finished while a timer runs');
      return { ...environment, finished: true };
    case 'report-end':
    case 'report-wait':
      return environment;
  }
}

/** Checks the rules that must hold in every world. */
function check(step: StepFunction, node: Node, policy: Policy): void {
  const { world, environment, path } = node;
  const require = (holds: boolean, violation: string): void => {
    if (!holds) throw new Error(`${violation}, in ${JSON.stringify(world.phase)}, after:\n  ${path.join('\n  ')}`);
  };
  const { phase } = world;
  if (phase.kind === 'running')
    require(!environment.unseenSave, 'a program runs that was started before the last save');
  if (phase.kind === 'stopping') {
    const canEscalate = phase.stage === 'killing' || environment.timers.includes(phase.stage);
    require(canEscalate, 'a stop that cannot escalate');
    require(environment.stage === phase.stage, 'a stop at an earlier stage than the machine assumes');
  } else if (phase.kind === 'backoff') {
    require(environment.timers.join() === 'backoff', 'a backoff without exactly its timer');
  } else {
    require(environment.timers.length === 0, 'a timer at rest');
  }
  if (environment.treeAlive && phase.kind !== 'running' && phase.kind !== 'stopping') {
    require(phase.kind === 'exited', 'a tree that the machine has forgotten');
  }
  if (phase.kind === 'stopped') return;

  const settled = drain(step, node, policy);
  require(!settled.environment.unseenSave || settled.world.phase.kind === 'stopped', 'a save that no run follows');
  const stopped = drain(
    step,
    advance(step, node, { type: 'stop', reason: { kind: 'requested' }, delivered: false }, policy),
    policy,
  );
  require(stopped.world.phase.kind === 'stopped' && stopped.environment.finished, 'a stop that does not stop');
}

/** Plays everything that happens by itself until nothing is left: stopped programs exit, timers fire, the debounce ends. */
function drain(step: StepFunction, from: Node, policy: Policy): Node {
  let node = from;
  for (let turn = 0; turn < 50; turn += 1) {
    const { run } = node.world;
    const { environment } = node;
    const [timer] = environment.timers;
    const event: MachineEvent | undefined =
      environment.rootAlive && environment.stage !== null
        ? { type: 'exited', run, outcome: { code: null, signal: 'SIGTERM' }, uptime: 5000 }
        : environment.treeAlive && environment.stage !== null
          ? { type: 'gone', run }
          : timer !== undefined
            ? { type: 'timer', run, name: timer }
            : environment.quietPending
              ? { type: 'quiet' }
              : undefined;
    if (event === undefined) return node;
    node = advance(step, node, event, policy);
  }
  throw new Error(`the machine does not come to rest, after:\n  ${from.path.join('\n  ')}`);
}
