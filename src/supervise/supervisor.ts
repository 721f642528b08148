/**
 * Performs the machine's effects and feeds back what comes of them. It decides nothing: if an
 * effect needs an `if`, the machine lacks an event.
 */

import type { RunningProgram } from '../process/launch/running-program.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Cause, Emit, Outcome, StopReason, Survivor } from '../shared/events.ts';
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

/** Receives the ends of a run that the supervisor acts on. */
export interface RunListener {
  /** The root process ended, or could not be started. */
  onExit(outcome: Outcome): void;
  /** The tree is gone, except for the survivors. */
  onGone(survivors: readonly Survivor[]): void;
}

export interface SupervisorOptions {
  readonly policy: Policy;
  readonly clock: Clock;
  /** Starts the program for this run. */
  readonly launch: (run: number, cause: Cause, listener: RunListener) => RunningProgram;
  readonly emit: Emit;
  /** Called once, when all is over. */
  readonly onEnd: (ending: StopReason) => void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #queue: MachineEvent[] = [];
  readonly #timers = new Map<TimerName, CancelTimer>();
  #world: World = initialWorld;
  #policy: Policy;
  #program: RunningProgram | undefined;
  #busy = false;
  #begunAt = 0;
  #stopAskedAt: number | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#policy = options.policy;
  }

  set policy(policy: Policy) {
    this.#policy = policy;
  }

  /** Handles an event and everything that follows from it, in the order in which it came. */
  dispatch(event: MachineEvent): void {
    this.#queue.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const [world, effects] = step(this.#world, next, this.#policy);
        this.#world = world;
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#busy = false;
    }
  }

  /** The latest run, from 1; 0 before the first. */
  get run(): number {
    return this.#world.run;
  }

  /** The run is not as it should be; `final`: another would be no better before a change. */
  reportUnfit(reason: string, final: boolean): void {
    const uptime = this.#options.clock.now() - this.#begunAt;
    this.dispatch({ type: 'unfit', run: this.#world.run, reason, uptime, final });
  }

  /** The program of the latest run, while it may have members alive; signals and input go straight to it. */
  get program(): RunningProgram | undefined {
    const { kind } = this.#world.phase;
    return kind === 'running' || kind === 'stopping' || kind === 'waiting' ? this.#program : undefined;
  }

  #perform(effect: Effect): void {
    const { clock, emit, launch, onEnd } = this.#options;
    switch (effect.type) {
      case 'spawn': {
        const { run } = effect;
        const began = clock.now();
        this.#begunAt = began;
        this.#program = launch(run, effect.cause, {
          onExit: (outcome) => this.dispatch({ type: 'exited', run, outcome, uptime: clock.now() - began }),
          onGone: (survivors) => {
            emit({ type: 'gone', run, survivors, ms: clock.now() - (this.#stopAskedAt ?? clock.now()) });
            this.#stopAskedAt = undefined;
            this.dispatch({ type: 'gone', run });
          },
        });
        return;
      }
      case 'end-tree':
        this.#stopAskedAt ??= clock.now();
        emit({ type: 'stopping', run: effect.run, stage: effect.stage, grace: effect.grace });
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
      case 'report-end':
        emit({
          type: effect.outcome.code === 0 ? 'exit' : 'crash',
          run: effect.run,
          outcome: effect.outcome,
          uptime: effect.uptime,
          next: effect.next,
        });
        return;
      case 'report-wait':
        emit({ type: 'wait', reason: 'on-change-only' });
        return;
      case 'finish':
        onEnd(effect.ending);
        return;
      default:
        unreachable(effect);
    }
  }
}
