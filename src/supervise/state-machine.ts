/**
 * The life of one program as a pure function: `step(world, event, policy)` returns the next
 * world and the effects to perform. It knows no process, timer or file.
 *
 *   idle ──start──▶ preparing ──prepared──▶ running ──changed · restart · stop · crash · unhealthy──▶ stopping
 *     │               ▲  │                      │                                    │ gone, and the goal is:
 *     │               │  │                      └──exit 0──▶ exited (its tree may be alive: then like `running`)
 *     │               │  └─a file is missing─┐                                       │
 *     │               │                   waiting ◀───────────wait───────────────────┤
 *     │               │                      │ changed                               │
 *     │               ├──timer── backoff ◀──────────────────backoff──────────────────┤
 *     │               │                      │ changed                               │
 *     └──changed──▶ settling ◀───────────────┴──start, not yet quiet─────────────────┤
 *                     └─quiet─▶ preparing ◀────start, quiet already──────────────────┤
 *                                                                                    │
 *   stop, from any phase (through `stopping` while the tree is alive):               └─end─▶ stopped
 *
 * Rules that hold in every reachable world (test/unit/supervise/explorer.ts visits them all):
 * a run is spawned only when no tree is alive; `stopping` can always escalate; no timer runs
 * at rest; `stop` reaches `stopped` from any phase; a change is never forgotten; a run that has not come up is
 * repeated at most `maxRestarts` times, and not at all if that is pointless; if nothing could start another run, the
 * machine goes on or ends.
 */

import type { Cause, Fault, Next, Outcome, StopReason, StopStage } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import type { Policy } from './policy.ts';

/** Pause after the first crash; doubles with each further crash, up to the longest one. */
const initialBackoffMs = 250;
const maxBackoffMs = 10_000;
/** The pauses that are shorter than the longest one. */
const maxDoublings = Math.ceil(Math.log2(maxBackoffMs / initialBackoffMs));
/** A run that has been up for this long ends a series of crashes: the next pause is the first one again. */
const stableUptimeMs = 30_000;
/** A run that ends sooner after it listened has not come up: the statement after `listen()` may throw. */
const minReadyMs = 100;

/** The next step once the tree is gone. */
export type Goal =
  | { readonly kind: 'start'; readonly cause: Cause; readonly quiet: boolean }
  | { readonly kind: 'backoff'; readonly cause: Cause; readonly delay: number; readonly streak: Streak }
  | { readonly kind: 'wait' }
  | { readonly kind: 'end'; readonly reason: StopReason };

/** The crashes before a run, since the latest change, restart or stable run. */
interface Streak {
  /** Runs in a row that have not come up; counted only where their number is limited. */
  readonly failedStarts: number;
  /** How often the pause has doubled. */
  readonly doublings: number;
}

const noStreak: Streak = { failedStarts: 0, doublings: 0 };

export type Phase =
  /** Before the first start. */
  | { readonly kind: 'idle' }
  /** No process is alive; the next run starts if everything is there that it needs, which is being found out. */
  | { readonly kind: 'preparing'; readonly cause: Cause; readonly streak: Streak }
  /** `upAt`: the age at which the run came up, in ms; null before. */
  | { readonly kind: 'running'; readonly streak: Streak; readonly upAt: number | null }
  /** The program exited with code 0, and processes that it started may still run. Waits for a change. */
  | { readonly kind: 'exited' }
  /** The tree of the latest run is being stopped. */
  | { readonly kind: 'stopping'; readonly stage: StopStage; readonly goal: Goal }
  /** No process is alive; the next run waits for the end of the debounce. */
  | { readonly kind: 'settling' }
  /** No process is alive; the next run waits for its timer. */
  | { readonly kind: 'backoff'; readonly cause: Cause; readonly streak: Streak }
  /** No process is alive; the next run waits for a change, such as the appearance of a file that it needs. */
  | { readonly kind: 'waiting' }
  /** Final. */
  | { readonly kind: 'stopped' };

type PhaseOf<Kind extends Phase['kind']> = Extract<Phase, { readonly kind: Kind }>;

/** `run` numbers the latest run, from 1; 0 before the first. */
export interface World {
  readonly run: number;
  readonly phase: Phase;
}

export const initialWorld: World = { run: 0, phase: { kind: 'idle' } };

/** A stage of a stop has a timer of its name, which escalates the stop to the next stage. */
export type TimerName = Exclude<StopStage, 'killing'> | 'backoff';

export type MachineEvent =
  | { readonly type: 'start' }
  /** A relevant file changed. Sent for every change; the debounce that follows ends with `quiet`. */
  | { readonly type: 'changed' }
  | { readonly type: 'quiet' }
  /** `escalates`: kills a tree that is already being stopped for a restart. */
  | { readonly type: 'restart'; readonly cause: Cause; readonly escalates: boolean }
  /** `delivered`: the terminal has already delivered the signal to the program. A second request kills the tree. */
  | { readonly type: 'stop'; readonly reason: StopReason; readonly delivered: boolean }
  /** The answer to `prepare`: whether every file is there that a run needs. */
  | { readonly type: 'prepared'; readonly canStart: boolean }
  /** The readiness of the run was seen. */
  | { readonly type: 'up'; readonly run: number; readonly uptime: number }
  /** The root process ended, or could not be started. Comes exactly once for each run. */
  | {
      readonly type: 'exited';
      readonly run: number;
      readonly outcome: Outcome;
      readonly uptime: number;
      /** The reason of a crash, if it is known that another try cannot remove it. */
      readonly fault?: Fault | undefined;
    }
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
  /** Finds out whether a run can be started; `prepared` follows at once. */
  | { readonly type: 'prepare' }
  /**
   * Waits for files, and reports their appearance as a change: those without which no run can be started, or those that
   * may repair a program that has crashed.
   */
  | { readonly type: 'await'; readonly files: 'needed' | 'repairing' }
  | { readonly type: 'stop-awaiting' }
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
    case 'running':
    case 'exited':
      return whileAlive(world, phase, event, policy);
    case 'stopping':
      return whileStopping(world, phase, event, policy);
    case 'preparing':
      return whilePreparing(world, phase, event);
    case 'idle':
    case 'settling':
    case 'backoff':
    case 'waiting':
      return atRest(world, phase, event, policy);
    case 'stopped':
      return [world, []];
    default:
      return unreachable(phase);
  }
}

/** No process is alive. */
function atRest(
  world: World,
  phase: PhaseOf<'idle' | 'settling' | 'backoff' | 'waiting'>,
  event: MachineEvent,
  policy: Policy,
): Step {
  const cancel: Effect[] =
    phase.kind === 'backoff'
      ? [{ type: 'clear-timer', name: 'backoff' }]
      : phase.kind === 'waiting'
        ? [{ type: 'stop-awaiting' }]
        : [];
  switch (event.type) {
    case 'start':
      if (phase.kind !== 'idle') return [world, []];
      return policy.onChangeOnly && policy.waitsFor !== null
        ? [world, [{ type: 'report-wait' }]]
        : prepare(world, 'start');
    case 'changed':
      return [{ ...world, phase: { kind: 'settling' } }, cancel];
    case 'quiet':
      return phase.kind === 'settling' ? prepare(world, 'change') : [world, []];
    case 'timer':
      return phase.kind === 'backoff' ? prepare(world, phase.cause, [], phase.streak) : [world, []];
    case 'restart':
      return prepare(world, event.cause, cancel);
    case 'stop':
      return finish(world, event.reason, cancel);
    default:
      return [world, []];
  }
}

function whileAlive(world: World, phase: PhaseOf<'running' | 'exited'>, event: MachineEvent, policy: Policy): Step {
  switch (event.type) {
    case 'changed':
      return stopTree(world, { kind: 'start', cause: 'change', quiet: false }, policy);
    case 'restart':
      return stopTree(world, { kind: 'start', cause: event.cause, quiet: true }, policy);
    case 'stop': {
      const stage = event.delivered && phase.kind === 'running' ? 'delivered' : 'terminating';
      return stopTree(world, { kind: 'end', reason: event.reason }, policy, { stage });
    }
    case 'up':
      return phase.kind === 'running' ? [{ ...world, phase: { ...phase, upAt: event.uptime } }, []] : [world, []];
    case 'exited':
      return phase.kind === 'running' ? afterOwnEnd(world, phase, event, policy) : [world, []];
    case 'unhealthy': {
      if (phase.kind !== 'running') return [world, []];
      const { reason, uptime, permanent } = event;
      const end: OwnEnd = { outcome: { code: null, signal: null, reason }, uptime };
      return afterOwnEnd(world, phase, end, permanent ? { ...policy, restart: 'never' } : policy);
    }
    default:
      return [world, []];
  }
}

function whileStopping(world: World, phase: PhaseOf<'stopping'>, event: MachineEvent, policy: Policy): Step {
  const { stage, goal } = phase;
  const redirect = (next: Goal): Step => [{ ...world, phase: { ...phase, goal: next } }, []];
  const escalate = (next: StopStage, grace: number | null = null): Step =>
    stage === 'killing' ? [world, []] : stopTree(world, goal, policy, { stage: next, grace, before: clear(stage) });
  switch (event.type) {
    case 'changed':
      return goal.kind === 'end' ? [world, []] : redirect({ kind: 'start', cause: 'change', quiet: false });
    case 'quiet':
      return goal.kind === 'start' ? redirect({ ...goal, quiet: true }) : [world, []];
    case 'restart':
      if (goal.kind === 'end') return [world, []];
      if (goal.kind !== 'start') return redirect({ kind: 'start', cause: event.cause, quiet: true });
      return event.escalates ? escalate('killing') : [world, []];
    case 'stop':
      return goal.kind === 'end' ? escalate('killing') : redirect({ kind: 'end', reason: event.reason });
    case 'timer':
      if (event.name !== stage) return [world, []];
      return stage === 'delivered' ? escalate('terminating') : escalate('killing', policy.killTimeout);
    case 'gone':
      return afterGone(world, phase);
    default:
      return [world, []];
  }
}

type OwnEnd = Pick<Extract<MachineEvent, { type: 'exited' }>, 'outcome' | 'uptime' | 'fault'>;

/** Decides what follows when the program ended by itself, or is unhealthy and therefore treated like a crash. */
function afterOwnEnd(world: World, phase: PhaseOf<'running'>, end: OwnEnd, policy: Policy): Step {
  const { outcome, uptime } = end;
  const failed = outcome.code !== 0;
  const report = (next: Next): Effect[] => [{ type: 'report-end', run: world.run, outcome, uptime, next }];
  const endWith = (next: Next): Step =>
    stopTree(world, { kind: 'end', reason: { kind: 'program', outcome } }, policy, { before: report(next) });
  if (failed && policy.exitOnCrash) return endWith({ kind: 'end', gaveUp: false });

  const { limit, isLimited, failedStarts, doublings, isPointless } = judge(phase, end, policy);
  const isWanted = (failed ? policy.restart !== 'never' : policy.restart === 'always') && !isPointless;
  const gaveUp = isWanted && isLimited && failedStarts > limit;
  if (isWanted && !gaveUp) {
    const delay = Math.min(initialBackoffMs * 2 ** doublings, maxBackoffMs);
    const counter = isLimited ? { attempt: failedStarts, limit } : {};
    const before = report({ kind: 'restart', delay, ...counter });
    const streak = { failedStarts, doublings: Math.min(doublings + 1, maxDoublings) };
    return stopTree(world, { kind: 'backoff', cause: failed ? 'crash' : 'exit', delay, streak }, policy, { before });
  }
  const effort = gaveUp ? { gaveUp, limit } : { gaveUp };
  if (policy.waitsFor === null) return endWith({ kind: 'end', ...effort });
  const before = report({ kind: 'wait', for: policy.waitsFor, ...effort });
  // A program that exits with code 0 may leave a daemon running on purpose: it belongs to the program and
  // lives until the next run starts. Processes that a crash leaves behind are terminated.
  return failed
    ? stopTree(world, { kind: 'wait' }, policy, { before })
    : [{ ...world, phase: { kind: 'exited' } }, before];
}

/** Judges the end of a run: how it continues the streak, and whether another try could change anything. */
function judge({ streak, upAt }: PhaseOf<'running'>, { uptime, fault }: OwnEnd, policy: Policy) {
  const { maxRestarts, assumedUpAfterMs } = policy;
  const wasSeenUp = upAt !== null && uptime - upAt >= minReadyMs;
  const isAssumedUp = upAt === null && assumedUpAfterMs !== null && uptime >= assumedUpAfterMs;
  const cameUp = wasSeenUp || isAssumedUp;
  const wasStable = cameUp && uptime - (upAt ?? 0) >= stableUptimeMs;
  const isLimited = !cameUp && maxRestarts !== null && fault !== 'shortage';
  // A slow compiler may take longer than a program is assumed to be up after.
  const isHopeless =
    (fault === 'defect' && !wasSeenUp && uptime < stableUptimeMs) || (fault === 'uncaught-error' && !cameUp);
  return {
    limit: maxRestarts ?? 0,
    isLimited,
    failedStarts: isLimited ? streak.failedStarts + 1 : fault === 'shortage' ? streak.failedStarts : 0,
    doublings: wasStable ? 0 : streak.doublings,
    isPointless: fault === 'by-design' || fault === 'unread-output' || (isHopeless && maxRestarts !== null),
  };
}

function afterGone(world: World, { stage, goal }: PhaseOf<'stopping'>): Step {
  const before = clear(stage);
  switch (goal.kind) {
    case 'start':
      return goal.quiet ? prepare(world, goal.cause, before) : [{ ...world, phase: { kind: 'settling' } }, before];
    case 'backoff': {
      const { cause, delay, streak } = goal;
      const timer: Effect = { type: 'set-timer', run: world.run, name: 'backoff', ms: delay };
      return [{ ...world, phase: { kind: 'backoff', cause, streak } }, [...before, timer]];
    }
    case 'wait':
      return [{ ...world, phase: { kind: 'waiting' } }, [...before, { type: 'await', files: 'repairing' }]];
    case 'end':
      return finish(world, goal.reason, before);
    default:
      return unreachable(goal);
  }
}

/** Leads to the next run, if everything is there that it needs. */
function prepare(world: World, cause: Cause, before: readonly Effect[] = [], streak: Streak = noStreak): Step {
  return [{ ...world, phase: { kind: 'preparing', cause, streak } }, [...before, { type: 'prepare' }]];
}

function whilePreparing(world: World, phase: PhaseOf<'preparing'>, event: MachineEvent): Step {
  const { cause, streak } = phase;
  switch (event.type) {
    case 'prepared': {
      if (!event.canStart) return [{ ...world, phase: { kind: 'waiting' } }, [{ type: 'await', files: 'needed' }]];
      const run = world.run + 1;
      return [{ run, phase: { kind: 'running', streak, upAt: null } }, [{ type: 'spawn', run, cause }]];
    }
    case 'changed':
      return [{ ...world, phase: { kind: 'settling' } }, []];
    case 'stop':
      return finish(world, event.reason, []);
    default:
      return [world, []];
  }
}

function finish(world: World, reason: StopReason, before: readonly Effect[]): Step {
  return [{ ...world, phase: { kind: 'stopped' } }, [...before, { type: 'finish', reason }]];
}

interface Stop {
  readonly stage?: StopStage;
  readonly grace?: number | null;
  /** Effects to perform before. */
  readonly before?: readonly Effect[];
}

function stopTree(world: World, goal: Goal, policy: Policy, options: Stop = {}): Step {
  const { stage = 'terminating', grace = null, before = [] } = options;
  const { run } = world;
  const effects: Effect[] = [...before, { type: 'stop-tree', run, stage, grace }];
  if (stage !== 'killing') effects.push({ type: 'set-timer', run, name: stage, ms: policy.killTimeout });
  return [{ ...world, phase: { kind: 'stopping', stage, goal } }, effects];
}

/** Clears the timer of a stage, if the stage has one. */
const clear = (stage: StopStage): readonly Effect[] =>
  stage === 'killing' ? [] : [{ type: 'clear-timer', name: stage }];
