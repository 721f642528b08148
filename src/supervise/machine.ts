/**
 * The life of one program as a pure function: `step(world, event, policy)` returns the next
 * world and the effects to perform. It knows no process, timer or file.
 *
 *   idle ──start──▶ running ──changed · restart · stop · crash · unhealthy──▶ stopping
 *     │               ▲  │                                                    │ gone, and the goal is:
 *     │               │  └──exit 0──▶ waiting ◀────────────wait───────────────┤
 *     │         spawn │                  │ changed                            │
 *     │               ├──timer── backoff ◀─────────────backoff────────────────┤
 *     │               │                  │ changed                            │
 *     └──changed──▶ settling ◀───────────┴──start, not yet quiet──────────────┤
 *                     └─quiet─▶ running ◀───start, quiet already──────────────┤
 *                                                                             │
 *   stop, from any phase (through `stopping` while the tree is alive):        └─end─▶ stopped
 *
 * Rules that hold in every reachable world (test/unit/supervise/explorer.ts visits them all):
 * a run is spawned only when no tree is alive; `stopping` can always escalate; no timer runs
 * at rest; `stop` reaches `stopped` from any phase; a change is never forgotten.
 */

import type { Cause, Next, Outcome, StopReason, StopStage } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';

/** The part of the user's settings that the machine needs. Times are in ms. */
export interface Policy {
  readonly restart: 'on-crash' | 'always' | 'never';
  /** Quick crashes in a row after which devwatch waits for a change. */
  readonly maxRestarts: number;
  /** A run that lives this long resets the count of quick crashes. */
  readonly minUptime: number;
  readonly exitOnCrash: boolean;
  /** The first run also waits for a change. */
  readonly onChangeOnly: boolean;
  /** Grace period: from the stop signal to SIGKILL, and from a Ctrl-C that the terminal delivered to the stop signal. */
  readonly killTimeout: number;
  /** Pause after the first crash; doubles with each further crash, up to `maxBackoff`. */
  readonly initialBackoff: number;
  readonly maxBackoff: number;
}

export const defaultPolicy: Policy = {
  restart: 'on-crash',
  maxRestarts: 5,
  minUptime: 1000,
  exitOnCrash: false,
  onChangeOnly: false,
  killTimeout: 5000,
  initialBackoff: 250,
  maxBackoff: 10_000,
};

/** The next step once the tree is gone. */
export type Goal =
  | { readonly kind: 'start'; readonly cause: Cause; readonly quiet: boolean }
  | { readonly kind: 'backoff'; readonly cause: Cause; readonly delay: number; readonly streak: number }
  | { readonly kind: 'wait' }
  | { readonly kind: 'end'; readonly reason: StopReason };

export type Phase =
  /** Before the first start. */
  | { readonly kind: 'idle' }
  /** `streak` counts the quick crashes in a row before this run. */
  | { readonly kind: 'running'; readonly streak: number }
  /** The tree of the latest run is being stopped. */
  | { readonly kind: 'stopping'; readonly stage: StopStage; readonly goal: Goal }
  /** No process is alive; the next run waits for the end of the debounce. */
  | { readonly kind: 'settling'; readonly cause: Cause }
  /** No process is alive; the next run waits for its timer. */
  | { readonly kind: 'backoff'; readonly cause: Cause; readonly streak: number }
  /** Waits for a change. `leftovers`: the program exited with code 0, and processes that it started may still run. */
  | { readonly kind: 'waiting'; readonly leftovers: boolean }
  /** Final. */
  | { readonly kind: 'stopped' };

/** `run` numbers the latest run, from 1; 0 before the first. */
export interface World {
  readonly run: number;
  readonly phase: Phase;
}

export const initialWorld: World = { run: 0, phase: { kind: 'idle' } };

export type TimerName = 'delivery' | 'grace' | 'backoff';

export type MachineEvent =
  | { readonly type: 'start' }
  /** A relevant file changed. Sent for every change; the debounce that follows ends with `quiet`. */
  | { readonly type: 'changed' }
  | { readonly type: 'quiet' }
  /** `escalates`: kills a tree that is already being stopped for a restart. */
  | { readonly type: 'restart'; readonly cause: Cause; readonly escalates: boolean }
  /** `delivered`: the terminal has already delivered the signal to the program. A second request kills the tree. */
  | { readonly type: 'stop'; readonly reason: StopReason; readonly delivered: boolean }
  /** The root process ended, or could not be started. Comes exactly once for each run. */
  | { readonly type: 'exited'; readonly run: number; readonly outcome: Outcome; readonly uptime: number }
  /** The program runs but fails its checks. `permanent`: restarting will not help until a file changes. */
  | {
      readonly type: 'unhealthy';
      readonly run: number;
      readonly reason: string;
      readonly uptime: number;
      readonly permanent: boolean;
    }
  /** The whole tree is proven gone, except for survivors, which have been reported. */
  | { readonly type: 'gone'; readonly run: number }
  | { readonly type: 'timer'; readonly run: number; readonly name: TimerName };

export type Effect =
  | { readonly type: 'spawn'; readonly run: number; readonly cause: Cause }
  /** Moves the stop of the tree to this stage; `gone` follows once the tree is gone. */
  | { readonly type: 'stop-tree'; readonly run: number; readonly stage: StopStage; readonly grace: number | null }
  | { readonly type: 'set-timer'; readonly run: number; readonly name: TimerName; readonly ms: number }
  | { readonly type: 'clear-timer'; readonly name: TimerName }
  | {
      readonly type: 'report-end';
      readonly run: number;
      readonly outcome: Outcome;
      readonly uptime: number;
      readonly next: Next;
    }
  | { readonly type: 'report-wait' }
  /** The last effect. */
  | { readonly type: 'finish'; readonly reason: StopReason };

export type Step = readonly [World, readonly Effect[]];

/** Returns the next world and the effects of `event`. Defined for every event in every phase. */
export function step(world: World, event: MachineEvent, policy: Policy): Step {
  // Events of an earlier run come late and no longer matter.
  if ('run' in event && event.run !== world.run) return [world, []];
  const { phase } = world;
  switch (phase.kind) {
    case 'idle':
      return fromIdle(world, event, policy);
    case 'running':
      return fromRunning(world, phase, event, policy);
    case 'stopping':
      return fromStopping(world, phase, event, policy);
    case 'settling':
      return fromSettling(world, phase, event);
    case 'backoff':
      return fromBackoff(world, phase, event);
    case 'waiting':
      return fromWaiting(world, phase, event, policy);
    case 'stopped':
      return [world, []];
    default:
      return unreachable(phase);
  }
}

function fromIdle(world: World, event: MachineEvent, policy: Policy): Step {
  switch (event.type) {
    case 'start':
      return policy.onChangeOnly ? [world, [{ type: 'report-wait' }]] : spawn(world, 'start', 0);
    case 'changed':
      return settle(world, 'change');
    case 'restart':
      return spawn(world, event.cause, 0);
    case 'stop':
      return finish(world, event.reason);
    default:
      return [world, []];
  }
}

function fromRunning(
  world: World,
  phase: Extract<Phase, { kind: 'running' }>,
  event: MachineEvent,
  policy: Policy,
): Step {
  switch (event.type) {
    case 'changed':
      return beginStopping(world, 'terminating', { kind: 'start', cause: 'change', quiet: false }, policy);
    case 'restart':
      return beginStopping(world, 'terminating', { kind: 'start', cause: event.cause, quiet: true }, policy);
    case 'stop':
      return beginStopping(
        world,
        event.delivered ? 'delivered' : 'terminating',
        { kind: 'end', reason: event.reason },
        policy,
      );
    case 'exited':
      return afterOwnEnd(world, phase.streak, event, policy);
    case 'unhealthy': {
      const outcome: Outcome = { code: null, signal: null, reason: event.reason };
      return afterOwnEnd(
        world,
        phase.streak,
        { ...event, outcome },
        event.permanent ? { ...policy, restart: 'never' } : policy,
      );
    }
    default:
      return [world, []];
  }
}

function fromStopping(
  world: World,
  phase: Extract<Phase, { kind: 'stopping' }>,
  event: MachineEvent,
  policy: Policy,
): Step {
  const { stage, goal } = phase;
  const redirect = (next: Goal): Step => [{ ...world, phase: { ...phase, goal: next } }, []];
  switch (event.type) {
    case 'changed':
      return goal.kind === 'end' ? [world, []] : redirect({ kind: 'start', cause: 'change', quiet: false });
    case 'quiet':
      return goal.kind === 'start' ? redirect({ ...goal, quiet: true }) : [world, []];
    case 'restart':
      if (goal.kind === 'end') return [world, []];
      if (goal.kind !== 'start') return redirect({ kind: 'start', cause: event.cause, quiet: true });
      return event.escalates ? escalate(world, phase, 'killing', null, policy) : [world, []];
    case 'stop':
      if (goal.kind === 'end') return escalate(world, phase, 'killing', null, policy);
      return redirect({ kind: 'end', reason: event.reason });
    case 'timer':
      if (event.name === 'delivery' && stage === 'delivered')
        return escalate(world, phase, 'terminating', null, policy);
      if (event.name === 'grace' && stage === 'terminating')
        return escalate(world, phase, 'killing', policy.killTimeout, policy);
      return [world, []];
    case 'gone':
      return afterGone(world, phase);
    default:
      return [world, []];
  }
}

function fromSettling(world: World, phase: Extract<Phase, { kind: 'settling' }>, event: MachineEvent): Step {
  switch (event.type) {
    case 'quiet':
      return spawn(world, phase.cause, 0);
    case 'restart':
      return spawn(world, event.cause, 0);
    case 'stop':
      return finish(world, event.reason);
    default:
      return [world, []];
  }
}

function fromBackoff(world: World, phase: Extract<Phase, { kind: 'backoff' }>, event: MachineEvent): Step {
  const cancel: Effect = { type: 'clear-timer', name: 'backoff' };
  switch (event.type) {
    case 'timer':
      return event.name === 'backoff' ? spawn(world, phase.cause, phase.streak) : [world, []];
    case 'changed':
      return settle(world, 'change', cancel);
    case 'restart':
      return spawn(world, event.cause, 0, cancel);
    case 'stop':
      return finish(world, event.reason, cancel);
    default:
      return [world, []];
  }
}

function fromWaiting(
  world: World,
  phase: Extract<Phase, { kind: 'waiting' }>,
  event: MachineEvent,
  policy: Policy,
): Step {
  switch (event.type) {
    case 'changed':
      return phase.leftovers
        ? beginStopping(world, 'terminating', { kind: 'start', cause: 'change', quiet: false }, policy)
        : settle(world, 'change');
    case 'restart':
      return phase.leftovers
        ? beginStopping(world, 'terminating', { kind: 'start', cause: event.cause, quiet: true }, policy)
        : spawn(world, event.cause, 0);
    case 'stop':
      return phase.leftovers
        ? beginStopping(world, 'terminating', { kind: 'end', reason: event.reason }, policy)
        : finish(world, event.reason);
    default:
      return [world, []];
  }
}

/** Decides what follows when the program ended by itself, or is unhealthy and therefore treated like a crash. */
function afterOwnEnd(
  world: World,
  streak: number,
  event: Pick<Extract<MachineEvent, { type: 'exited' }>, 'outcome' | 'uptime'>,
  policy: Policy,
): Step {
  const { outcome, uptime } = event;
  const failed = outcome.code !== 0;
  const report = (next: Next): Effect => ({ type: 'report-end', run: world.run, outcome, uptime, next });

  if (failed && policy.exitOnCrash) {
    return beginStopping(
      world,
      'terminating',
      { kind: 'end', reason: { kind: 'program', outcome } },
      policy,
      report({ kind: 'end' }),
    );
  }
  const wanted = outcome.error === undefined && (failed ? policy.restart !== 'never' : policy.restart === 'always');
  const attempt = uptime < policy.minUptime ? streak + 1 : 1;
  if (wanted && attempt <= policy.maxRestarts) {
    const delay = Math.min(policy.initialBackoff * 2 ** (attempt - 1), policy.maxBackoff);
    const next: Next = { kind: 'restart', delay, attempt, limit: policy.maxRestarts };
    const cause: Cause = failed ? 'crash' : 'exit';
    return beginStopping(
      world,
      'terminating',
      { kind: 'backoff', cause, delay, streak: attempt },
      policy,
      report(next),
    );
  }
  const reported = report({ kind: 'wait', gaveUp: wanted });
  // A program that exits with code 0 may leave a daemon running on purpose: it belongs to the program and
  // lives until the next run starts. Processes that a crash leaves behind are terminated.
  if (!failed) return [{ ...world, phase: { kind: 'waiting', leftovers: true } }, [reported]];
  return beginStopping(world, 'terminating', { kind: 'wait' }, policy, reported);
}

function afterGone(world: World, phase: Extract<Phase, { kind: 'stopping' }>): Step {
  const clear: Effect[] = clearTimerOf(phase.stage);
  const { goal } = phase;
  switch (goal.kind) {
    case 'start':
      return goal.quiet ? spawn(world, goal.cause, 0, ...clear) : settle(world, goal.cause, ...clear);
    case 'backoff':
      return [
        { ...world, phase: { kind: 'backoff', cause: goal.cause, streak: goal.streak } },
        [...clear, { type: 'set-timer', run: world.run, name: 'backoff', ms: goal.delay }],
      ];
    case 'wait':
      return [{ ...world, phase: { kind: 'waiting', leftovers: false } }, clear];
    case 'end':
      return finish(world, goal.reason, ...clear);
    default:
      return unreachable(goal);
  }
}

function spawn(world: World, cause: Cause, streak: number, ...before: Effect[]): Step {
  const run = world.run + 1;
  return [{ run, phase: { kind: 'running', streak } }, [...before, { type: 'spawn', run, cause }]];
}

function settle(world: World, cause: Cause, ...before: Effect[]): Step {
  return [{ ...world, phase: { kind: 'settling', cause } }, before];
}

function finish(world: World, reason: StopReason, ...before: Effect[]): Step {
  return [{ ...world, phase: { kind: 'stopped' } }, [...before, { type: 'finish', reason }]];
}

function beginStopping(
  world: World,
  stage: 'delivered' | 'terminating',
  goal: Goal,
  policy: Policy,
  ...before: Effect[]
): Step {
  return [
    { ...world, phase: { kind: 'stopping', stage, goal } },
    [...before, { type: 'stop-tree', run: world.run, stage, grace: null }, timerFor(world.run, stage, policy)],
  ];
}

function escalate(
  world: World,
  phase: Extract<Phase, { kind: 'stopping' }>,
  stage: 'terminating' | 'killing',
  grace: number | null,
  policy: Policy,
): Step {
  if (phase.stage === 'killing') return [world, []];
  const effects: Effect[] = [...clearTimerOf(phase.stage), { type: 'stop-tree', run: world.run, stage, grace }];
  if (stage === 'terminating') effects.push(timerFor(world.run, stage, policy));
  return [{ ...world, phase: { ...phase, stage } }, effects];
}

function timerFor(run: number, stage: 'delivered' | 'terminating', policy: Policy): Effect {
  return stage === 'delivered'
    ? { type: 'set-timer', run, name: 'delivery', ms: policy.killTimeout }
    : { type: 'set-timer', run, name: 'grace', ms: policy.killTimeout };
}

/** Clears the timer of a stage, if the stage has one. */
function clearTimerOf(stage: StopStage): Effect[] {
  if (stage === 'killing') return [];
  return [{ type: 'clear-timer', name: stage === 'delivered' ? 'delivery' : 'grace' }];
}
