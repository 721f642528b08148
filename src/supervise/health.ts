/**
 * Probes a running program at intervals, and reports when it stops answering. This class decides when to
 * probe and what the results mean; the probe itself is a function that it is given.
 *
 * A program is reported no later than `interval` + `failures` × `timeout` after its first failure.
 */

import type { FailureKind } from '../config/settings-types.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { formatTime } from '../shared/format.ts';

/** Why a probe failed. `detail`: the status (`503`), or the code of an error that has no kind of its own. */
export type ProbeFailure = { readonly kind: FailureKind; readonly detail?: string };

/** Result of one probe. `ms`: time until the answer. */
export type ProbeResult = { readonly ok: true; readonly ms: number } | ({ readonly ok: false } & ProbeFailure);

/** When a program counts as unhealthy. Times are in ms. */
export interface HealthPolicy {
  /** As shown to the user: the URL, `tcp://…`, or `event-loop`. */
  readonly target: string;
  /** From the start of one probe to the start of the next. */
  readonly interval: number;
  /** A probe without an answer fails after this time. */
  readonly timeout: number;
  /** Number of failures in a row that make a program unhealthy. */
  readonly failures: number;
  /** Time that a run has to come up: until its first answer, or until `up()`, failures do not count for this long. */
  readonly grace: number;
  /** Kinds of failures that count; every other kind is treated as an answer. */
  readonly failOn: readonly FailureKind[];
}

export interface HealthOptions {
  readonly clock: Clock;
  readonly policy: HealthPolicy;
  /** Sends one request. When `signal` aborts, the result no longer matters. */
  readonly probe: (signal: AbortSignal) => Promise<ProbeResult>;
  /** Called once in a run; there are no probes after it until the next run begins. */
  readonly onUnhealthy: (reason: string) => void;
}

/** A timeout that fires this much too late shows that devwatch itself was suspended or starved. */
const maxTimerDelayMs = 1000;

export class Health {
  readonly #options: HealthOptions;
  #cancelTimer: CancelTimer = () => {};
  /** The probe in progress. */
  #request: AbortController | undefined;
  /** The failures since the last answer. */
  #failed: ProbeFailure[] = [];
  #firstFailedAt = 0;
  #isUp = false;
  #graceEndsAt = 0;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** A run begins; earlier failures are forgotten. */
  begin(): void {
    this.end();
    const { clock, policy } = this.#options;
    this.#isUp = false;
    this.#graceEndsAt = clock.now() + policy.grace;
    this.#probeAfter(Math.min(policy.grace, policy.interval));
  }

  /** The run is known to be up by its readiness check: failures count from now on. */
  up(): void {
    this.#isUp = true;
  }

  /** The run is over, or is being stopped: the probe in progress is aborted, and its result ignored. */
  end(): void {
    this.#cancelTimer();
    this.#failed = [];
    const request = this.#request;
    this.#request = undefined;
    request?.abort();
  }

  #probeAfter(ms: number): void {
    this.#cancelTimer = this.#options.clock.after(ms, () => this.#probe());
  }

  #probe(): void {
    const { clock, policy, probe } = this.#options;
    const startedAt = clock.now();
    const request = new AbortController();
    this.#request = request;
    const settle = (result: ProbeResult): void => {
      if (this.#request !== request) return;
      this.#request = undefined;
      this.#cancelTimer();
      this.#judge(result, startedAt);
    };
    this.#cancelTimer = clock.after(policy.timeout, () => {
      // If devwatch was busy, the answer may have arrived without having been read yet.
      this.#cancelTimer = clock.soon(() => this.#onTimeout(request, startedAt));
    });
    probe(request.signal).then(settle, (error) => settle({ ok: false, kind: 'unreachable', detail: String(error) }));
  }

  #onTimeout(request: AbortController, startedAt: number): void {
    const { clock, policy } = this.#options;
    this.#request = undefined;
    request.abort();
    // After Ctrl-Z, or on a starved machine, the program was probably suspended as well: probe again at once.
    if (clock.now() - startedAt - policy.timeout > maxTimerDelayMs) this.#probeAfter(0);
    else this.#judge({ ok: false, kind: 'timeout' }, startedAt);
  }

  #judge(result: ProbeResult, startedAt: number): void {
    const { clock, policy, onUnhealthy } = this.#options;
    const { interval, timeout, failures, failOn } = policy;
    const now = clock.now();
    let nextAt = startedAt + interval;
    if (result.ok || !failOn.includes(result.kind)) {
      this.#isUp = true;
      this.#failed = [];
    } else if (this.#isUp || now >= this.#graceEndsAt) {
      if (this.#failed.length === 0) this.#firstFailedAt = now;
      this.#failed.push(result);
      if (this.#failed.length >= failures) {
        const reason = describe(policy, this.#failed);
        this.end();
        onUnhealthy(reason);
        return;
      }
      // With many required failures the probes move closer together, to keep the promise at the top of this file.
      nextAt = Math.min(nextAt, this.#firstFailedAt + interval + this.#failed.length * timeout);
    }
    this.#probeAfter(Math.max(0, nextAt - now));
  }
}

/** Describes failures in a row; when they differ, only the last one is named. */
function describe({ target, timeout }: HealthPolicy, failed: readonly ProbeFailure[]): string {
  const last = failed.at(-1);
  if (last === undefined) return '';
  const { kind, detail } = last;
  const areAlike = failed.every((failure) => failure.kind === kind && failure.detail === detail);
  const count = areAlike ? failed.length : 1;
  const isLoop = target === 'event-loop';
  const times = count > 1 ? ` ${count} times` : '';
  const code = detail === undefined ? '' : ` (${detail})`;
  const time = `${count > 1 ? `${count} × ` : ''}${formatTime(timeout)}`;
  const inWords: Readonly<Record<FailureKind, string>> = {
    timeout: `no answer from ${target} for ${time}`,
    status: `${target} answered ${detail}${times}`,
    refused: `${target} refused ${count > 1 ? 'connections' : 'the connection'}${times}${code}`,
    reset: `${target} reset the connection${times}${code}`,
    closed: `${target} closed the connection without an answer${times}${code}`,
    unreachable: `${target} could not be reached${times}${code}`,
  };
  const ofLoop =
    kind === 'timeout'
      ? `its event loop has been blocked for ${time}`
      : `its event loop could not be asked${times}${code}`;
  const text = isLoop ? ofLoop : inWords[kind];
  return areAlike ? text : `${failed.length} failures in a row, the last: ${text}`;
}
