/**
 * Decides whether a further request to stop repeats the first one, or means that the rest is to be killed. Shells,
 * terminals and process managers send several signals for one Ctrl-C: `concurrently` sends SIGINT again after 160 to
 * 650 ms and then SIGTERM, foreman sends SIGTERM, npm forwards signals and exits before its child.
 */

import type { Clock } from '../shared/clock.ts';
import type { StopReason } from '../shared/events.ts';

/** A signal, or the key `q`. */
export type StopRequest = NodeJS.Signals | 'q';

export interface StopRequestsOptions {
  readonly clock: Clock;
  /** Whether no program between devwatch and the terminal can have repeated a key. */
  readonly isDirect: () => boolean;
  /** Called once, at the first request. */
  readonly onStop: (reason: StopReason) => void;
  /** Stopping takes long; from now on the same request again kills. `request`: the first one. */
  readonly onOffer: (request: StopRequest) => void;
  readonly onKill: (reason: StopReason) => void;
}

/** A cleanup of two seconds is never cut short by repeated signals. */
const offerAfterMs = 2000;
/** A key that is pressed again after this time is not pressed by accident. */
const minKeyPauseMs = 500;

/** Requests that come from the keyboard; Ctrl-C and Ctrl-\ arrive as signals. */
const isKey = (request: StopRequest): boolean => ['SIGINT', 'SIGQUIT', 'q'].includes(request);

const reasonOf = (request: StopRequest): StopReason =>
  request === 'q' ? { kind: 'requested' } : { kind: 'signal', signal: request };

export class StopRequests {
  readonly #options: StopRequestsOptions;
  readonly #taken = new Set<StopRequest>();
  #firstKeyAt = Number.POSITIVE_INFINITY;
  #isOffered = false;

  constructor(options: StopRequestsOptions) {
    this.#options = options;
  }

  /** Takes a request by a signal or a key. */
  take(request: StopRequest): void {
    const { clock, onStop, onOffer, onKill } = this.#options;
    const isFirst = this.#taken.size === 0;
    if (isFirst) {
      clock.after(offerAfterMs, () => {
        this.#isOffered = true;
        onOffer(request);
      });
    }
    const kills = this.#isMeantToKill(request);
    this.#taken.add(request);
    if (isKey(request)) this.#firstKeyAt = Math.min(this.#firstKeyAt, clock.now());
    if (isFirst) onStop(reasonOf(request));
    else if (kills) onKill(reasonOf(request));
  }

  /** Stops for a reason that devwatch itself has found; does nothing if it is stopping already. */
  stop(request: StopRequest): void {
    if (this.#taken.size === 0) this.take(request);
  }

  #isMeantToKill(request: StopRequest): boolean {
    const { clock, isDirect } = this.#options;
    if (this.#isOffered) return isKey(request) || this.#taken.has(request);
    return isKey(request) && clock.now() - this.#firstKeyAt >= minKeyPauseMs && isDirect();
  }
}
