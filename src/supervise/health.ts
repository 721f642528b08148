/**
 * Asks a running program again and again whether it still answers, and tells when it no longer
 * does. It decides when to ask and what the answers mean; the asking itself is given to it.
 *
 * An unhealthy program is told of no later than `interval` + `failures` × `timeout` after its
 * first failure.
 */

import type { FailureKind } from '../config/options.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';

/** Why a probe failed. `detail`: the status (`503`), or the code of an error that has no kind of its own. */
export type ProbeFailure = {
  readonly kind: FailureKind;
  readonly detail?: string;
};

/** What one probe found; `ms`: until the answer came. */
export type ProbeResult = { readonly ok: true; readonly ms: number } | ({ readonly ok: false } & ProbeFailure);

/** Times in ms. */
export interface HealthPolicy {
  /** As shown to people: the URL, `tcp://…`, or `event-loop`. */
  readonly target: string;
  /** From the start of one probe to the start of the next. */
  readonly interval: number;
  /** For one probe to answer. */
  readonly timeout: number;
  /** How many in a row make a program unhealthy. */
  readonly failures: number;
  /** For a run to come up: before its first answer, or a sign that it is up, failures do not count for so long. */
  readonly grace: number;
  /** A failure of another kind is as good as an answer. */
  readonly failOn: readonly ProbeFailure['kind'][];
}

export interface HealthOptions {
  readonly clock: Clock;
  readonly policy: HealthPolicy;
  /** Asks once. When `signal` aborts, nobody waits for the result any more. */
  readonly probe: (signal: AbortSignal) => Promise<ProbeResult>;
  /** Called once in a run; then nothing is asked until the next one begins. */
  readonly onUnhealthy: (reason: string) => void;
}

export interface Health {
  /** A run has begun: counting starts anew. */
  begin(): void;
  /** The run is up, as is known from elsewhere: from now on failures count. */
  up(): void;
  /** The run is over or being ended: a probe under way is aborted, and its result ignored. */
  end(): void;
}

/** A time-out that comes this much too late, in ms, shows that devwatch itself stood still. */
const standstill = 1000;

export function createHealth({ clock, policy, probe, onUnhealthy }: HealthOptions): Health {
  const { interval, timeout, failures, failOn } = policy;
  let timer: CancelTimer | undefined;
  let underWay: AbortController | undefined;
  /** The failures since the last answer. */
  let failed: ProbeFailure[] = [];
  let firstFailedAt = 0;
  let isUp = false;
  let graceEndsAt = 0;

  function end(): void {
    timer?.();
    timer = undefined;
    const asked = underWay;
    underWay = undefined;
    asked?.abort();
    failed = [];
  }

  function ask(): void {
    const startedAt = clock.now();
    const asked = new AbortController();
    underWay = asked;

    function settle(result: ProbeResult): void {
      if (underWay !== asked) return;
      underWay = undefined;
      timer?.();
      judge(result, startedAt);
    }

    function giveUp(): void {
      underWay = undefined;
      asked.abort();
      // Stopped by Ctrl-Z, or starved: the program may have been so, too, and is asked again at once.
      if (clock.now() - startedAt - timeout > standstill) timer = clock.after(0, ask);
      else judge({ ok: false, kind: 'timeout' }, startedAt);
    }

    timer = clock.after(timeout, () => {
      // After a moment in which devwatch was busy, the answer may be here and only not yet read.
      timer = clock.soon(giveUp);
    });
    probe(asked.signal).then(settle, (error) => settle({ ok: false, kind: 'unreachable', detail: String(error) }));
  }

  function judge(result: ProbeResult, startedAt: number): void {
    const now = clock.now();
    let nextAt = startedAt + interval;
    if (result.ok || !failOn.includes(result.kind)) {
      isUp = true;
      failed = [];
    } else if (isUp || now >= graceEndsAt) {
      if (failed.length === 0) firstFailedAt = now;
      failed.push(result);
      if (failed.length >= failures) {
        const reason = describe(policy, failed);
        end();
        onUnhealthy(reason);
        return;
      }
      // Where many failures are asked for, the probes draw together to keep what is promised above.
      nextAt = Math.min(nextAt, firstFailedAt + interval + failed.length * timeout);
    }
    timer = clock.after(Math.max(0, nextAt - now), ask);
  }

  return {
    begin() {
      end();
      isUp = false;
      graceEndsAt = clock.now() + policy.grace;
      timer = clock.after(Math.min(policy.grace, interval), ask);
    },
    up() {
      isUp = true;
    },
    end,
  };
}

/** Failures that differ are counted, and the last one is named. */
function describe(policy: HealthPolicy, failed: readonly ProbeFailure[]): string {
  const last = failed[failed.length - 1];
  if (last === undefined) return '';
  const alike = failed.every(({ kind, detail }) => kind === last.kind && detail === last.detail);
  return alike
    ? describeAlike(policy, last, failed.length)
    : `${failed.length} failures in a row, the last: ${describeAlike(policy, last, 1)}`;
}

function describeAlike({ target, timeout }: HealthPolicy, { kind, detail }: ProbeFailure, count: number): string {
  const isLoop = target === 'event-loop';
  if (kind === 'timeout') {
    const time = `${count > 1 ? `${count} × ` : ''}${timeout < 1000 ? `${timeout} ms` : `${timeout / 1000} s`}`;
    return isLoop ? `its event loop has been blocked for ${time}` : `no answer from ${target} for ${time}`;
  }
  const times = count > 1 ? ` ${count} times` : '';
  if (kind === 'status') return `${target} answered ${detail}${times}`;
  const code = detail === undefined ? '' : ` (${detail})`;
  if (isLoop) return `its event loop could not be asked${times}${code}`;
  switch (kind) {
    case 'refused':
      return `${target} refused ${count > 1 ? 'connections' : 'the connection'}${times}${code}`;
    case 'reset':
      return `${target} reset the connection${times}${code}`;
    case 'closed':
      return `${target} closed the connection without an answer${times}${code}`;
    case 'unreachable':
      return `${target} could not be reached${times}${code}`;
  }
}
