/**
 * Performs the machine's effects and feeds their results back as events. It decides nothing: if an
 * effect needs an `if`, the machine lacks an event.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Cause, EventOf, Fault, Outcome, StopReason, StopStage, Survivor } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import type { Policy } from './policy.ts';
import * as machine from './state-machine.ts';

/** A started program, as far as the supervisor needs it. */
export interface Stoppable {
  /** Moves the stop of the whole tree to a stage. */
  end(stage: StopStage): void;
}

/** An event of the supervisor; `crash` and `exit` report that the program ended by itself, or was found unhealthy. */
export type SupervisorEvent = EventOf<'stopping' | 'gone' | 'crash' | 'exit' | 'wait'>;

export interface SupervisorOptions<Program extends Stoppable> {
  readonly policy: Policy;
  readonly clock: Clock;
  /** Returns whether every file is there that a run needs. */
  readonly canStart: () => boolean;
  /** Waits for the files that a run needs, or that may repair the program, and reports their appearance as a change. */
  readonly awaitFiles: (which: 'needed' | 'repairing') => void;
  readonly stopAwaiting: () => void;
  /** Starts the program for this run. */
  readonly launch: (run: number, cause: Cause) => Program;
  /** Called with `stopping` before the tree is moved to the stage. */
  readonly emit: (event: SupervisorEvent) => void;
  /** Called once, when nothing runs and nothing will be started any more. */
  readonly onEnd: (reason: StopReason) => void;
}

export class Supervisor<Program extends Stoppable> {
  /** Applies from the next event on. */
  policy: Policy;
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

  /** Whether the root process of the latest run lives, and is not being stopped. */
  get isRunning(): boolean {
    return this.#world.phase.kind === 'running';
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

  /** The readiness of the latest run was seen. */
  reportUp(): void {
    this.dispatch({ type: 'up', run: this.run, uptime: this.#uptime });
  }

  /** The root process ended, or could not be started. To be called exactly once for each run. */
  reportExit(run: number, outcome: Outcome, fault?: Fault): void {
    this.dispatch({ type: 'exited', run, outcome, uptime: this.#uptime, fault });
  }

  /** After `end`: the whole tree is gone, except for the survivors. To be called at most once for each run. */
  reportGone(run: number, survivors: readonly Survivor[]): void {
    const now = this.#options.clock.now();
    const ms = now - (this.#stopRequestedAt ?? now);
    this.#stopRequestedAt = undefined;
    this.#options.emit({ type: 'gone', run, survivors, ms });
    this.dispatch({ type: 'gone', run });
  }

  /** Treats the run like a crashed one. `permanent`: restarting will not help until a file changes. */
  reportUnhealthy(reason: string, permanent: boolean): void {
    this.dispatch({ type: 'unhealthy', run: this.run, reason, uptime: this.#uptime, permanent });
  }

  get #uptime(): number {
    return this.#options.clock.now() - this.#startedAt;
  }

  #perform(effect: machine.Effect): void {
    const { clock, canStart, awaitFiles, stopAwaiting, launch, emit, onEnd } = this.#options;
    switch (effect.type) {
      case 'prepare':
        this.dispatch({ type: 'prepared', canStart: canStart() });
        return;
      case 'await':
        awaitFiles(effect.files);
        return;
      case 'stop-awaiting':
        stopAwaiting();
        return;
      case 'spawn':
        this.#startedAt = clock.now();
        this.#program = launch(effect.run, effect.cause);
        return;
      case 'stop-tree': {
        const { run, stage, grace } = effect;
        this.#stopRequestedAt ??= clock.now();
        emit({ type: 'stopping', run, stage, grace });
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
        emit({ type: outcome.code === 0 ? 'exit' : 'crash', run, outcome, uptime, next });
        return;
      }
      case 'report-wait':
        emit({ type: 'wait', reason: 'on-change-only' });
        return;
      case 'finish':
        onEnd(effect.reason);
        return;
      default:
        unreachable(effect);
    }
  }
}
