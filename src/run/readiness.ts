/**
 * Readiness of one program: the single answer to "is it up?", derived from the program's events.
 *
 *   starting ──ready──▶ up
 *      │  └──3 s without a readiness check──▶ running ──ready──▶ up
 *      ├──crash──▶ crashed      ├──exit──▶ ended      └──stopping──▶ stopping
 *      └◀─────────────────── start, from any state           wait for a file ──▶ waiting
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import { createDeferred, type Deferred } from '../shared/deferred.ts';
import {
  assumedRunningAfterMs,
  type DevwatchEvent,
  describeOutcome,
  type Emit,
  type Next,
  type ServerAddress,
} from '../shared/events.ts';

/** `running`: it lives, has no explicit readiness check and does not listen on a port: whether it is up cannot be known. */
export type ReadinessState = 'starting' | 'waiting' | 'up' | 'running' | 'ended' | 'crashed' | 'stopping';

/** The latest run as `status` shows it. */
export interface ReadinessStatus {
  readonly state: ReadinessState;
  /** Counts from 1; 0 before the first run. */
  readonly run: number;
  /** Start of the run, or of devwatch before the first one, in epoch ms. */
  readonly since: number;
  /** Port on which the run is up, if it is known. */
  readonly port: number | undefined;
  /** Reason of a crash, such as `exit 1`; set in the state `crashed` only. */
  readonly reason?: string;
  /** The file without which the program cannot be started (absolute); set in the state `waiting` only. */
  readonly awaited?: string;
  /** The step of devwatch after a crash or an exit; set in the states `crashed` and `ended` only. */
  readonly next?: Next;
  /** The time of the next try after a crash or an exit, in epoch ms. */
  readonly retryAt?: number;
}

/** Result of a start. `ms`: time since the cause of the run; `next`: what devwatch does now. */
export type StartOutcome =
  | ({ readonly state: 'up'; readonly ms: number } & ServerAddress)
  | { readonly state: 'running'; readonly ms: number }
  | { readonly state: 'failed'; readonly reason: string; readonly next: Next['kind'] }
  | { readonly state: 'ended'; readonly next: Next['kind'] }
  /** The program cannot be started before this file exists (absolute). */
  | { readonly state: 'waiting'; readonly awaited: string }
  /** devwatch ended before the result was known. */
  | { readonly state: 'gone' };

export class Readiness {
  readonly #clock: Clock;
  readonly #emit: Emit;
  #hasCheck: boolean;
  #status: ReadinessStatus = { state: 'starting', run: 0, since: Date.now(), port: undefined };
  #hasBeenUp = false;
  #cancelTimer: CancelTimer = () => {};
  /** A crash whose process tree is not gone yet: its output may be incomplete. */
  #failure: StartOutcome | undefined;
  #latest: StartOutcome | undefined;
  #outcome: Deferred<StartOutcome> = createDeferred();
  #nextStart: Deferred<void> = createDeferred();

  /** `hasCheck`: the settings name a readiness check (`ready`). `emit` receives `running` of a run without one. */
  constructor(clock: Clock, hasCheck: boolean, emit: Emit) {
    this.#clock = clock;
    this.#hasCheck = hasCheck;
    this.#emit = emit;
  }

  get status(): ReadinessStatus {
    return this.#status;
  }

  /** Whether the latest run is `up` or `running`. */
  get isUp(): boolean {
    return this.#status.state === 'up' || this.#status.state === 'running';
  }

  /** Whether a run has been `up` or `running`, or has ended with exit code 0. */
  get hasBeenUp(): boolean {
    return this.#hasBeenUp;
  }

  /** The outcome of the latest start once it is known. A run that is replaced before that passes the wait on to the next. */
  get outcome(): Promise<StartOutcome> {
    return this.#outcome.promise;
  }

  /** The outcome of the latest start, or undefined while it is not known. */
  get latestOutcome(): StartOutcome | undefined {
    return this.#latest;
  }

  /** Waits for the next start, and returns its outcome once it is known; `gone` when there is none. */
  async nextOutcome(): Promise<StartOutcome> {
    await this.#nextStart.promise;
    return this.#outcome.promise;
  }

  /** Takes every event of the program, in order. */
  onEvent(event: DevwatchEvent): void {
    switch (event.type) {
      case 'settings':
        this.#hasCheck = event.settings.ready !== undefined;
        break;
      case 'start':
        this.#onStart(event.run, event.ms);
        break;
      case 'wait':
        if (event.reason === 'missing' || event.reason === 'reinstallation') this.#onWait(event.paths[0] ?? '');
        break;
      case 'ready': {
        const { port, url, ms } = event;
        this.#enter({ state: 'up', port });
        this.#settle({ state: 'up', ms, port, url });
        break;
      }
      case 'address':
        this.#status = { ...this.#status, port: event.port };
        break;
      case 'crash': {
        const reason = describeOutcome(event.outcome);
        this.#enter({ state: 'crashed', reason, ...planOf(event.next) });
        this.#failure = { state: 'failed', reason, next: event.next.kind };
        break;
      }
      case 'exit':
        this.#enter({ state: 'ended', ...planOf(event.next) });
        this.#settle({ state: 'ended', next: event.next.kind });
        break;
      case 'stopping':
        // After a crash or an exit devwatch ends what the program left behind: its result stays on display.
        if (this.#status.state !== 'crashed' && this.#status.state !== 'ended') this.#enter({ state: 'stopping' });
        break;
      case 'gone':
        if (this.#failure !== undefined) this.#settle(this.#failure);
        break;
      case 'end':
        this.#cancelTimer();
        if (this.#latest !== undefined) this.#outcome = createDeferred();
        this.#outcome.resolve({ state: 'gone' });
        this.#nextStart.resolve();
        break;
      default:
    }
  }

  #onWait(awaited: string): void {
    this.#reset();
    const { run } = this.#status;
    this.#status = { state: 'waiting', run, since: Date.now(), port: undefined, awaited };
    this.#settle({ state: 'waiting', awaited });
    this.#announceStart();
  }

  #onStart(run: number, startMs: number): void {
    this.#reset();
    this.#status = { state: 'starting', run, since: Date.now(), port: undefined };
    if (!this.#hasCheck) {
      const ms = startMs + assumedRunningAfterMs;
      this.#cancelTimer = this.#clock.after(assumedRunningAfterMs, () => {
        this.#enter({ state: 'running' });
        this.#settle({ state: 'running', ms });
        this.#emit({ type: 'running', run, ms });
      });
    }
    this.#announceStart();
  }

  /** The outcome of the latest start is no longer that of the next one. */
  #reset(): void {
    if (this.#latest !== undefined) this.#outcome = createDeferred();
    this.#latest = undefined;
    this.#failure = undefined;
    this.#cancelTimer();
  }

  #announceStart(): void {
    const waiting = this.#nextStart;
    this.#nextStart = createDeferred();
    waiting.resolve();
  }

  #enter(change: Pick<ReadinessStatus, 'state'> & Partial<ReadinessStatus>): void {
    this.#cancelTimer();
    this.#status = { ...this.#status, ...change };
    this.#hasBeenUp ||= ['up', 'running', 'ended'].includes(change.state);
  }

  #settle(outcome: StartOutcome): void {
    this.#failure = undefined;
    this.#latest = outcome;
    this.#outcome.resolve(outcome);
  }
}

const planOf = (next: Next): Pick<ReadinessStatus, 'next' | 'retryAt'> =>
  next.kind === 'restart' ? { next, retryAt: Date.now() + next.delay } : { next };
