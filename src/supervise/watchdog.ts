/** Watches one run: readiness, health, memory and time limits. */

import { parseProbe } from '../config/probe-url.ts';
import type { Settings } from '../config/settings-types.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { ServerAddress } from '../shared/events.ts';
import { formatBytes, formatTime } from '../shared/format.ts';
import type { Server } from '../shared/server.ts';
import { Health, type ProbeResult } from './health.ts';
import { type ProbeAddress, ReadinessCheck, type ReadinessSign } from './readiness-check.ts';
import type { Servers } from './servers.ts';

/** A run, as far as the watchdog needs it. */
export interface WatchedRun {
  /** Calls back when the program's event loop has answered; false when it cannot be asked. */
  ping(answered: () => void): boolean;
  /** Whether a debugger is connected: the program may be paused. False where that is unknown. */
  isDebugged(): Promise<boolean>;
  /** Resident memory of the process tree in bytes; undefined when it is unknown, which counts as below the limit. */
  memory(): number | undefined;
}

/** A fact about the current run from which its readiness follows. */
export type Sign =
  | Exclude<ReadinessSign, { type: 'serves' }>
  | { readonly type: 'listens'; readonly server: Server }
  | { readonly type: 'closes'; readonly id: string };

export interface WatchdogOptions {
  readonly clock: Clock;
  /** Kept from one watchdog to the next. */
  readonly servers: Servers;
  readonly settings: Pick<Settings, 'health' | 'ready' | 'maxMemory' | 'timeout'>;
  /** Sends one request to an address. When `signal` aborts, the result no longer matters. */
  readonly probe: (target: ProbeAddress, signal: AbortSignal) => Promise<ProbeResult>;
  /** A pattern takes too long, and is given up. */
  readonly onProblem: (message: string) => void;
  /** The run is up since `at`. Called once in a run. */
  readonly onReady: (address: ServerAddress, at: number) => void;
  /** The address of the program has turned out to be another one than that of `onReady`. */
  readonly onAddress: (address: ServerAddress, at: number) => void;
  /** The run fails a check. `permanent`: restarting will not help until a file changes. Called at most once in a run. */
  readonly onUnhealthy: (reason: string, permanent: boolean) => void;
  /** The run does not answer, but a debugger is connected to it. Called at most once in a run. */
  readonly onSpared: (reason: string) => void;
}

const memoryIntervalMs = 2000;
/** Samples in a row that must be above the limit, so that a short peak is accepted. */
const minHighSamples = 2;

export class Watchdog {
  readonly #readiness: ReadinessCheck;
  readonly #options: WatchdogOptions;
  readonly #health: Health | undefined;
  #run: WatchedRun | undefined;
  #isUp = false;
  #isSpared = false;
  #cancelSample: CancelTimer = () => {};
  #cancelTimeout: CancelTimer = () => {};

  constructor(options: WatchdogOptions) {
    const { clock, settings, probe, onProblem } = options;
    this.#options = options;
    const onReady = (at: number, address?: ServerAddress): void => this.#onReady(at, address);
    this.#readiness = new ReadinessCheck({ clock, ready: settings.ready, probe, onReady, onProblem });
    this.#health = settings.health && this.#createHealth(settings.health);
  }

  /** A run begins. */
  begin(run: WatchedRun): void {
    this.end();
    this.#options.servers.begin();
    this.#watch(run, false);
  }

  /** Takes a fact about the current run. */
  onSign(sign: Sign): void {
    const { servers } = this.#options;
    if (sign.type === 'listens') servers.listens(sign.server);
    else if (sign.type === 'closes') servers.closes(sign.id);
    else this.#readiness.onSign(sign);
  }

  /** The run is over, or is being stopped. */
  end(): void {
    this.#options.servers.end();
    this.#release();
  }

  /** Hands the current run over to a watchdog with other settings. */
  replaceBy(next: Watchdog): void {
    const run = this.#run;
    this.#release();
    if (run !== undefined) next.#watch(run, this.#isUp);
  }

  /** @param isUp whether `onReady` has been called for the run */
  #watch(run: WatchedRun, isUp: boolean): void {
    this.#run = run;
    this.#isUp = isUp;
    this.#isSpared = false;
    this.#health?.begin();
    if (isUp) this.#health?.up();
    else this.#readiness.begin();
    const { clock, settings, servers, onAddress } = this.#options;
    const isProbed = parseProbe(settings.ready ?? '') !== undefined;
    servers.notify({
      onUp: (at) => this.#readiness.onSign({ type: 'serves', at }),
      onAddress: (at) => void (this.#isUp && !isProbed && onAddress(servers.address, at)),
    });
    const { timeout, maxMemory } = settings;
    if (maxMemory !== undefined) this.#sampleMemory(run, maxMemory);
    if (timeout === undefined) return;
    const reason = `it has taken longer than ${formatTime(timeout)}`;
    this.#cancelTimeout = clock.after(timeout, () => this.#fail(reason, true));
  }

  #release(): void {
    this.#run = undefined;
    this.#readiness.end();
    this.#health?.end();
    this.#cancelSample();
    this.#cancelTimeout();
  }

  #onReady(at: number, address?: ServerAddress): void {
    const { servers, onReady } = this.#options;
    this.#isUp = true;
    this.#health?.up();
    onReady(address ?? servers.address, at);
  }

  #fail(reason: string, permanent: boolean): void {
    this.end();
    this.#options.onUnhealthy(reason, permanent);
  }

  /** Takes a sample after the interval. `highBefore`: the latest samples in a row that were above the limit in bytes. */
  #sampleMemory(run: WatchedRun, limit: number, highBefore = 0): void {
    this.#cancelSample = this.#options.clock.after(memoryIntervalMs, () => {
      const bytes = run.memory() ?? 0;
      const high = bytes > limit ? highBefore + 1 : 0;
      if (high < minHighSamples) this.#sampleMemory(run, limit, high);
      else this.#fail(`it takes ${formatBytes(bytes)} of memory, more than ${formatBytes(limit)}`, false);
    });
  }

  #createHealth({ probe: target, ...policy }: NonNullable<Settings['health']>): Health {
    const { clock, probe } = this.#options;
    const address = parseProbe(target);
    return new Health({
      clock,
      policy: { target, ...policy },
      probe: (signal) =>
        address === undefined || address.kind === 'event-loop' ? this.#pingEventLoop() : probe(address, signal),
      onUnhealthy: (reason) => void this.#judge(reason),
    });
  }

  /** Decides about a run that does not answer: at a breakpoint it cannot. */
  async #judge(reason: string): Promise<void> {
    const run = this.#run;
    const isDebugged = (await run?.isDebugged()) === true;
    if (run === undefined || this.#run !== run) return;
    if (!isDebugged) {
      this.#fail(reason, false);
      return;
    }
    if (!this.#isSpared) this.#options.onSpared(reason);
    this.#isSpared = true;
    this.#health?.begin();
    if (this.#isUp) this.#health?.up();
  }

  #pingEventLoop(): Promise<ProbeResult> {
    const { clock } = this.#options;
    const startedAt = clock.now();
    return new Promise((resolve) => {
      const answer = (): void => resolve({ ok: true, ms: clock.now() - startedAt });
      // A program that cannot be asked counts as healthy.
      if (this.#run?.ping(answer) === false) answer();
    });
  }
}
