/**
 * Performs the machine's effects and feeds their results back as events. It decides nothing: if an
 * effect needs an `if`, the machine lacks an event.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Cause, EventOf, Outcome, StopReason, StopStage, Survivor } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import {
  type Effect,
  initialWorld,
  type MachineEvent,
  type Policy,
  step,
  type TimerName,
  type World,
} from './machine.ts';

/** A started program, as far as the supervisor needs it. */
export interface Stoppable {
  /** Moves the stop of the whole tree to a stage. */
  end(stage: StopStage): void;
}

/** Receives what the supervisor needs to know about a run. */
export interface RunListener {
  /** The root process ended, or could not be started. Called exactly once. */
  onExit(outcome: Outcome): void;
  /** After `end`: the whole tree is gone, except for the survivors. Called at most once. */
  onGone(survivors: readonly Survivor[]): void;
}

export interface SupervisorOptions<Program extends Stoppable> {
  readonly policy: Policy;
  readonly clock: Clock;
  /** Starts the program for this run. */
  readonly launch: (run: number, cause: Cause, listener: RunListener) => Program;
  /** Called before the tree is moved to the stage. */
  readonly onStopping: (event: EventOf<'stopping'>) => void;
  readonly onGone: (event: EventOf<'gone'>) => void;
  /** The program ended by itself, or was found unhealthy. */
  readonly onOwnEnd: (event: EventOf<'crash' | 'exit'>) => void;
  /** The first run waits for a change (`onChangeOnly`). */
  readonly onWait: () => void;
  /** Called once, when nothing runs and nothing will be started any more. */
  readonly onEnd: (reason: StopReason) => void;
}

export class Supervisor<Program extends Stoppable> {
  readonly #options: SupervisorOptions<Program>;
  readonly #queue: MachineEvent[] = [];
  readonly #timers = new Map<TimerName, CancelTimer>();
  #world: World = initialWorld;
  #policy: Policy;
  #program: Program | undefined;
  #isDispatching = false;
  #startedAt = 0;
  #stopRequestedAt: number | undefined;

  constructor(options: SupervisorOptions<Program>) {
    this.#options = options;
    this.#policy = options.policy;
  }

  set policy(policy: Policy) {
    this.#policy = policy;
  }

  /** The number of the latest run, from 1; 0 before the first. */
  get run(): number {
    return this.#world.run;
  }

  /** The program of the latest run while processes of it may be alive. Signals and input go straight to it. */
  get program(): Program | undefined {
    const { kind } = this.#world.phase;
    return kind === 'running' || kind === 'stopping' || kind === 'waiting' ? this.#program : undefined;
  }

  /** Handles an event and everything that follows from it. Events that arrive during that time are handled afterwards, in order. */
  dispatch(event: MachineEvent): void {
    this.#queue.push(event);
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const [world, effects] = step(this.#world, next, this.#policy);
        this.#world = world;
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#isDispatching = false;
    }
  }

  /** Treats the run like a crashed one. `permanent`: restarting will not help until a file changes. */
  reportUnhealthy(reason: string, permanent: boolean): void {
    const uptime = this.#options.clock.now() - this.#startedAt;
    this.dispatch({ type: 'unhealthy', run: this.#world.run, reason, uptime, permanent });
  }

  #perform(effect: Effect): void {
    const { clock, onStopping, onOwnEnd, onWait, onEnd } = this.#options;
    switch (effect.type) {
      case 'spawn':
        this.#spawn(effect.run, effect.cause);
        return;
      case 'stop-tree':
        this.#stopRequestedAt ??= clock.now();
        onStopping({ type: 'stopping', run: effect.run, stage: effect.stage, grace: effect.grace });
        this.#program?.end(effect.stage);
        return;
      case 'set-timer':
        this.#timers.get(effect.name)?.();
        this.#timers.set(
          effect.name,
          clock.after(effect.ms, () => this.dispatch({ type: 'timer', run: effect.run, name: effect.name })),
        );
        return;
      case 'clear-timer':
        this.#timers.get(effect.name)?.();
        this.#timers.delete(effect.name);
        return;
      case 'report-end': {
        const { run, outcome, uptime, next } = effect;
        onOwnEnd({ type: outcome.code === 0 ? 'exit' : 'crash', run, outcome, uptime, next });
        return;
      }
      case 'report-wait':
        onWait();
        return;
      case 'finish':
        onEnd(effect.reason);
        return;
      default:
        unreachable(effect);
    }
  }

  #spawn(run: number, cause: Cause): void {
    const { clock, launch, onGone } = this.#options;
    const startedAt = clock.now();
    this.#startedAt = startedAt;
    this.#program = launch(run, cause, {
      onExit: (outcome) => this.dispatch({ type: 'exited', run, outcome, uptime: clock.now() - startedAt }),
      onGone: (survivors) => {
        const ms = clock.now() - (this.#stopRequestedAt ?? clock.now());
        this.#stopRequestedAt = undefined;
        onGone({ type: 'gone', run, survivors, ms });
        this.dispatch({ type: 'gone', run });
      },
    });
  }
}
