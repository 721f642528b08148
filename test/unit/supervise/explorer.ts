/**
 * Visits every world that the machine can reach, together with a model of its environment: one
 * process tree, its root, the timers, the debounce. The rules of the machine are checked in each world.
 */

import { defaultSettings } from '../../../src/config/defaults.ts';
import type { StopStage } from '../../../src/shared/events.ts';
import { type Policy, policyOf } from '../../../src/supervise/policy.ts';
import {
  type Effect,
  initialWorld,
  type MachineEvent,
  type Step,
  type TimerName,
  type World,
} from '../../../src/supervise/state-machine.ts';

/** The settings of a user who sets nothing. */
export const defaultPolicy: Policy = policyOf(defaultSettings, false);

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
  /** It is being found out whether a run can start. */
  readonly isPreparing: boolean;
  /** A run can start. */
  readonly canStart: boolean;
  /** The files that are awaited. */
  readonly awaited: 'needed' | 'repairing' | null;
  /** The readiness of the latest run was seen. */
  readonly isUp: boolean;
  /** Runs in a row that ended by themselves before they came up. */
  readonly failedStarts: number;
  /** The latest run ended by itself, and another one would end alike. */
  readonly isPointless: boolean;
}

interface Node {
  readonly world: World;
  readonly environment: Environment;
  /** The events that led here, the last one first, for the error message. */
  readonly trail: Trail | undefined;
}

interface Trail {
  readonly event: MachineEvent;
  readonly before: Trail | undefined;
}

/** Lists the events that led to a violation of a rule; only then, because there are millions of ways. */
function listOf(trail: Trail | undefined): string {
  const events: string[] = [];
  for (let step = trail; step !== undefined; step = step.before) events.unshift(JSON.stringify(step.event));
  return events.join('\n  ');
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
  isPreparing: false,
  canStart: false,
  awaited: null,
  isUp: false,
  failedStarts: 0,
  isPointless: false,
};

const stages: readonly (StopStage | null)[] = [null, 'delivered', 'terminating', 'killing'];

/** @throws Error that names the broken rule and the events that led to it */
export function explore(step: StepFunction, policy: Policy = { ...defaultPolicy, maxRestarts: 2 }): Exploration {
  const first: Node = { world: initialWorld, environment: untouched, trail: undefined };
  const seen = new Set([keyOf(first)]);
  const queue = [first];
  let transitions = 0;
  // The loop goes on with what is added meanwhile.
  for (const node of queue) {
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
  if (environment.isPreparing) {
    events.push({ type: 'prepared', canStart: true }, { type: 'prepared', canStart: false });
  }
  if (environment.rootAlive) {
    events.push({ type: 'up', run, uptime: upAt }, ...ownEnds(run), ...unhealthyEvents(run));
  }
  if (environment.treeAlive && !environment.rootAlive && environment.stage !== null) events.push({ type: 'gone', run });
  for (const name of environment.timers) events.push({ type: 'timer', run, name });
  // Late events of an earlier run.
  if (run > 0) {
    events.push(...ownEnds(run - 1, [5000]), ...unhealthyEvents(run - 1, [5000]), { type: 'gone', run: run - 1 });
    events.push({ type: 'up', run: run - 1, uptime: upAt });
    for (const name of ['delivered', 'terminating', 'backoff'] as const)
      events.push({ type: 'timer', run: run - 1, name });
  }
  return events;
}

/** The age at which a run comes up. */
const upAt = 100;
/** Ages at which runs end: at once, as soon as they are up, before and after they are assumed to be up, and stable. */
const uptimes = [1, 150, 5000, 15_000, 45_000];

function unhealthyEvents(run: number, ages = uptimes): MachineEvent[] {
  return [true, false].flatMap((permanent) =>
    ages.map((uptime) => ({ type: 'unhealthy', run, reason: 'blocked', uptime, permanent }) as const),
  );
}

function ownEnds(run: number, ages = uptimes): MachineEvent[] {
  const crash = { code: 1, signal: null };
  const ends: readonly Pick<ExitedEvent, 'outcome' | 'fault'>[] = [
    { outcome: { code: 0, signal: null } },
    { outcome: { code: null, signal: null, error: 'cannot be started' } },
    { outcome: crash },
    { outcome: crash, fault: 'defect' },
    { outcome: crash, fault: 'uncaught-error' },
    { outcome: crash, fault: 'by-design' },
    { outcome: crash, fault: 'unread-output' },
    { outcome: crash, fault: 'shortage' },
  ];
  return ends.flatMap((end) => ages.map((uptime) => ({ type: 'exited', run, ...end, uptime }) as const));
}

type ExitedEvent = Extract<MachineEvent, { type: 'exited' }>;

function advance(step: StepFunction, node: Node, event: MachineEvent, policy: Policy): Node {
  const trail = { event, before: node.trail };
  const [world, effects] = step(node.world, event, policy);
  let environment = receive(node, event, policy);
  for (const effect of effects) environment = perform(environment, effect, policy, trail);
  return { world, environment, trail };
}

/** Applies to the environment what the event itself reports. */
function receive({ world, environment }: Node, event: MachineEvent, policy: Policy): Environment {
  const stale = 'run' in event && event.run !== world.run;
  switch (event.type) {
    case 'start':
      return { ...environment, started: true };
    case 'changed':
      return { ...environment, quietPending: true, unseenSave: true };
    case 'quiet':
      return { ...environment, quietPending: false };
    case 'prepared':
      return { ...environment, isPreparing: false, canStart: event.canStart };
    case 'up':
      return stale ? environment : { ...environment, isUp: true };
    case 'unhealthy':
      return stale ? environment : afterOwnEnd(environment, event, policy);
    case 'exited':
      return stale ? environment : { ...afterOwnEnd(environment, event, policy), rootAlive: false };
    case 'gone':
      return stale ? environment : { ...environment, treeAlive: false, stage: null };
    case 'timer':
      return stale ? environment : { ...environment, timers: environment.timers.filter((name) => name !== event.name) };
    default:
      return environment;
  }
}

/** Applies the rules for restarts to the end of a run, unless the run was being stopped. */
function afterOwnEnd(
  environment: Environment,
  event: Extract<MachineEvent, { type: 'exited' | 'unhealthy' }>,
  { maxRestarts, assumedUpAfterMs }: Policy,
): Environment {
  if (environment.stage !== null || !environment.rootAlive) return environment;
  const { uptime } = event;
  const fault = event.type === 'exited' ? event.fault : undefined;
  const wasSeenUp = environment.isUp && uptime >= upAt + 100;
  const cameUp = environment.isUp ? wasSeenUp : assumedUpAfterMs !== null && uptime >= assumedUpAfterMs;
  const isHopeless = fault === 'defect' ? !wasSeenUp && uptime < 30_000 : fault === 'uncaught-error' && !cameUp;
  return {
    ...environment,
    isPointless: fault === 'by-design' || fault === 'unread-output' || (isHopeless && maxRestarts !== null),
    failedStarts: failedStartsAfter(environment.failedStarts, maxRestarts, fault === 'shortage', cameUp),
  };
}

function failedStartsAfter(before: number, maxRestarts: number | null, isShortage: boolean, cameUp: boolean): number {
  if (isShortage) return before;
  return cameUp || maxRestarts === null ? 0 : Math.min(before + 1, maxRestarts + 1);
}

function perform(environment: Environment, effect: Effect, policy: Policy, trail: Trail): Environment {
  const require = (holds: boolean, violation: string): void => {
    if (!holds) throw new Error(`${violation}, after:\n  ${listOf(trail)}`);
  };
  require(!environment.finished, 'an effect after the last one');
  switch (effect.type) {
    case 'prepare':
      return { ...environment, isPreparing: true, canStart: false };
    case 'await':
      require(environment.awaited === null, 'awaits files twice');
      return { ...environment, awaited: effect.files };
    case 'stop-awaiting':
      return { ...environment, awaited: null };
    case 'spawn': {
      require(!environment.treeAlive, 'two trees alive');
      require(environment.canStart, 'a run that lacks a file');
      const isRetry = effect.cause === 'crash' || effect.cause === 'exit';
      const { failedStarts, isPointless } = environment;
      require(!isRetry || !isPointless, 'a retry that is pointless');
      require(!isRetry || failedStarts <= (policy.maxRestarts ?? 0), 'more retries than allowed');
      const started = {
        treeAlive: true,
        rootAlive: true,
        stage: null,
        unseenSave: false,
        isUp: false,
        canStart: false,
      };
      return { ...environment, ...started, failedStarts: isRetry ? failedStarts : 0, isPointless: false };
    }
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
  const { world, environment, trail } = node;
  const require = (holds: boolean, violation: string): void => {
    if (!holds) throw new Error(`${violation}, in ${JSON.stringify(world.phase)}, after:\n  ${listOf(trail)}`);
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
  const needsHelp =
    (phase.kind === 'waiting' && environment.awaited !== 'needed') ||
    phase.kind === 'exited' ||
    (phase.kind === 'idle' && environment.started);
  require(policy.waitsFor !== null || !needsHelp, 'waits although nothing can come');

  const settled = drain(step, node, policy);
  require(!settled.environment.unseenSave || settled.world.phase.kind === 'stopped', 'a save that no run follows');
  const stopped = drain(
    step,
    advance(step, node, { type: 'stop', reason: { kind: 'requested' }, delivered: false }, policy),
    policy,
  );
  require(stopped.world.phase.kind === 'stopped' && stopped.environment.finished, 'a stop that does not stop');
}

/** Plays everything that happens by itself until nothing is left: stopped programs exit, timers fire, the debounce ends, files appear. */
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
            : environment.isPreparing
              ? { type: 'prepared', canStart: true }
              : environment.quietPending
                ? { type: 'quiet' }
                : node.world.phase.kind === 'waiting' && environment.awaited === 'needed' && environment.unseenSave
                  ? { type: 'changed' }
                  : undefined;
    if (event === undefined) return node;
    node = advance(step, node, event, policy);
  }
  throw new Error(`the machine does not come to rest, after:\n  ${listOf(from.trail)}`);
}
