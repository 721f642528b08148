/**
 * Performs the machine's effects and feeds their results back as events. It decides nothing: if an
 * effect needs an `if`, the machine lacks an event.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Cause, EventOf, Outcome, StopReason, StopStage, Survivor } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import * as machine from './machine.ts';

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
  readonly policy: machine.Policy;
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
  /** Applies from the next event on. */
  policy: machine.Policy;
  readonly #options: SupervisorOptions<Program>;
  readonly #queue: machine.MachineEvent[] = [];
  readonly #timers = new Map<machine.TimerName, CancelTimer>();
  #world = machine.initialWorld;
  #program: Program | undefined;
  #isDispatching = false;
  #startedAt = 0;
  #stopRequestedAt: number | undefined;

  constructor(options: SupervisorOptions<Program>) {
    this.#options = options;
    this.policy = options.policy;
  }

  /** The number of the latest run, from 1; 0 before the first. */
  get run(): number {
    return this.#world.run;
  }

  /** The program of the latest run while processes of it may be alive. Signals go straight to it. */
  get program(): Program | undefined {
    return ['running', 'stopping', 'exited'].includes(this.#world.phase.kind) ? this.#program : undefined;
  }

  /** Handles an event and everything that follows from it. Events that arrive during that time are handled afterwards, in order. */
  dispatch(event: machine.MachineEvent): void {
    this.#queue.push(event);
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const [world, effects] = machine.step(this.#world, next, this.policy);
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
    this.dispatch({ type: 'unhealthy', run: this.run, reason, uptime, permanent });
  }

  #perform(effect: machine.Effect): void {
    const { clock, onStopping, onOwnEnd, onWait, onEnd } = this.#options;
    switch (effect.type) {
      case 'spawn':
        this.#spawn(effect.run, effect.cause);
        return;
      case 'stop-tree': {
        const { run, stage, grace } = effect;
        this.#stopRequestedAt ??= clock.now();
        onStopping({ type: 'stopping', run, stage, grace });
        this.#program?.end(stage);
        return;
      }
      case 'set-timer': {
        const { run, name, ms } = effect;
        this.#timers.set(
          name,
          clock.after(ms, () => this.dispatch({ type: 'timer', run, name })),
        );
        return;
      }
      case 'clear-timer':
        this.#timers.get(effect.name)?.();
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
