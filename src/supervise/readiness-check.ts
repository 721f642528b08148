/** Waits in each run for the sign of readiness that `ready` names: by default that the program listens on a port. */

import { isPattern, patternOf } from '../config/output-pattern.ts';
import { type Probe, parseProbe } from '../config/probe-url.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { ServerAddress } from '../shared/events.ts';
import { TimeBudget } from '../shared/time-budget.ts';
import type { ProbeResult } from './health.ts';

/** An address that can be probed from outside of the program. */
export type ProbeAddress = Exclude<Probe, { kind: 'event-loop' }>;

/** The program's servers listen, the last one since `at`; it has sent a message over Node's IPC, or has printed something. */
export type ReadinessSign =
  | { readonly type: 'serves'; readonly at: number }
  | { readonly type: 'message'; readonly message: unknown }
  | { readonly type: 'output'; readonly chunk: Buffer };

export interface ReadinessCheckOptions {
  readonly clock: Clock;
  /** The setting `ready`; undefined stands for `listen`. */
  readonly ready: string | undefined;
  /** Sends one request to an address. When `signal` aborts, the result no longer matters. */
  readonly probe: (target: ProbeAddress, signal: AbortSignal) => Promise<ProbeResult>;
  /** The pattern takes too long, and is given up. */
  readonly onProblem: (message: string) => void;
  /** Called once in a run, with the time `at` which it is ready, and the address that `ready` names. */
  readonly onReady: (at: number, address: ServerAddress | undefined) => void;
}

/** Pauses between two probes of a program that is not up yet: the first, and the longest. */
const initialPauseMs = 25;
const maxPauseMs = 500;
/** A probe without an answer is aborted after this time. */
const probeTimeoutMs = 1000;
/** Output kept for a pattern, or a character, that spans two chunks. */
const maxTailBytes = 4096;

export class ReadinessCheck {
  readonly #options: ReadinessCheckOptions;
  readonly #sign: string;
  readonly #pattern: RegExp | undefined;
  readonly #budget: TimeBudget;
  #isWaiting = false;
  #tail: Buffer = Buffer.alloc(0);
  #request: AbortController | undefined;
  #cancelTimer: CancelTimer = () => {};

  constructor(options: ReadinessCheckOptions) {
    this.#options = options;
    this.#sign = options.ready ?? 'listen';
    const giveUp = (): void =>
      options.onProblem(`ready: ${this.#sign} takes too long to match, and is given up · use a simpler pattern`);
    this.#pattern = isPattern(this.#sign) ? patternOf(this.#sign) : undefined;
    this.#budget = new TimeBudget(giveUp);
  }

  /** A run begins. */
  begin(): void {
    this.end();
    this.#isWaiting = true;
    this.#tail = Buffer.alloc(0);
    const address = parseProbe(this.#sign);
    if (address !== undefined && address.kind !== 'event-loop') this.#probe(address, initialPauseMs);
  }

  /** The run is over, or its readiness is known. */
  end(): void {
    this.#isWaiting = false;
    this.#cancelTimer();
    this.#request?.abort();
    this.#request = undefined;
  }

  /** Takes what the current run does. */
  onSign(sign: ReadinessSign): void {
    switch (sign.type) {
      case 'serves':
        if (this.#sign === 'listen') this.#ready(sign.at);
        return;
      case 'message':
        if (this.#sign === 'message' && isReadyMessage(sign.message)) this.#ready();
        return;
      case 'output':
        this.#onOutput(sign.chunk);
    }
  }

  #onOutput(chunk: Buffer): void {
    const pattern = this.#pattern;
    if (pattern === undefined || !this.#isWaiting) return;
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-maxTailBytes);
    const text = this.#tail.toString();
    if (this.#budget.run(() => pattern.test(text)) === true) this.#ready();
  }

  #ready(at: number = this.#options.clock.now(), address?: ServerAddress): void {
    if (!this.#isWaiting) return;
    this.end();
    this.#options.onReady(at, address);
  }

  /** Sends requests until one is answered. */
  #probe(target: ProbeAddress, pause: number): void {
    const { clock, probe } = this.#options;
    const request = new AbortController();
    this.#request = request;
    this.#cancelTimer = clock.after(probeTimeoutMs, () => request.abort());
    void probe(target, request.signal).then(({ ok }) => {
      if (this.#request !== request) return;
      this.#cancelTimer();
      if (ok) this.#ready(clock.now(), addressOf(target));
      else this.#cancelTimer = clock.after(pause, () => this.#probe(target, Math.min(pause * 1.5, maxPauseMs)));
    });
  }
}

function addressOf(target: ProbeAddress): ServerAddress {
  if (target.kind === 'tcp') return { port: Number(target.port) };
  return { port: Number(target.url.port) || undefined, url: target.url.origin };
}

/** `process.send('ready')` as with pm2, or an object with the type `ready`. */
const isReadyMessage = (message: unknown): boolean =>
  message === 'ready' ||
  (typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready');
