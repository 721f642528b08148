/** What a run is watched for while it lives: that it comes up, answers, and takes no more than it may. */

import { isPattern, patternOf, type Settings } from '../config/options.ts';
import { type Probe, parseProbe } from '../config/probe-url.ts';
import type { RunningProgram } from '../process/launch/running-program.ts';
import { probeHttp, probeTcp } from '../process/probe.ts';
import { createMemoryWatch } from '../process/tree/usage.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { createHealth, type ProbeResult } from './health.ts';

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'health' | 'ready' | 'maxMemory' | 'timeout'>;
  /** The run is up, by the sign that `ready` names: the first that it listens by default. Called once in a run. */
  readonly onReady: (port: number | undefined) => void;
  /** The run is not as it should be; `final`: another would be no better before a change. Called at most once in a run. */
  readonly onUnfit: (reason: string, final: boolean) => void;
}

export interface Watchdog {
  /** The run that is watched; undefined before its begin and from its end on. */
  readonly watched: RunningProgram | undefined;
  /** Whether it has been up. */
  readonly isUp: boolean;
  /** A run has begun; `isUp`: a while ago, and `onReady` has been told. */
  begin(program: RunningProgram, isUp?: boolean): void;
  /** It is over, or is being ended. */
  end(): void;
  /** It listens, on a port or elsewhere. */
  listens(port: number | undefined): void;
  /** It has sent a message over Node's IPC. */
  sends(message: unknown): void;
  /** It has printed something. */
  prints(chunk: Buffer): void;
}

/** Between two questions to a program that is not up yet, in ms: at first, and at most. */
const firstPause = 25;
const longestPause = 500;
/** For one of them to be answered, in ms. */
const answerTime = 1000;
/** The end of what was printed is kept for a pattern, or a character, that spans two chunks. Bytes. */
const longestTail = 4096;

export function createWatchdog({ clock, settings, onReady, onUnfit }: WatchdogOptions): Watchdog {
  const { health, maxMemory, timeout } = settings;
  const sign = settings.ready ?? 'listen';
  const pattern = isPattern(sign) ? patternOf(sign) : undefined;
  const address = parseProbe(sign);
  let program: RunningProgram | undefined;
  let isUp = false;
  let tail: Buffer = Buffer.alloc(0);
  let asked: AbortController | undefined;
  let cancelAsking: CancelTimer | undefined;
  let cancelTimeout: CancelTimer | undefined;

  function unfit(reason: string, final: boolean): void {
    end();
    onUnfit(reason, final);
  }

  const healthWatch = health && watchHealth(health);
  const memoryWatch = createMemoryWatch({
    clock,
    limit: maxMemory,
    measure: () => program?.memory(),
    onExceeded: (bytes) =>
      unfit(`it takes ${megabytes(bytes)} of memory, more than ${megabytes(maxMemory ?? 0)}`, false),
  });

  function watchHealth({ probe: target, ...policy }: NonNullable<Settings['health']>) {
    const probe = parseProbe(target);
    return createHealth({
      clock,
      policy: { target, ...policy },
      probe: (signal) => ask(probe, signal),
      onUnhealthy: (reason) => unfit(reason, false),
    });
  }

  function ask(probe: Probe | undefined, signal: AbortSignal): Promise<ProbeResult> {
    if (probe?.kind === 'http') return probeHttp(probe.url, signal);
    if (probe?.kind === 'tcp') return probeTcp(probe, signal);
    const startedAt = clock.now();
    return new Promise((resolve) => {
      const answer = (): void => resolve({ ok: true, ms: clock.now() - startedAt });
      // What cannot be asked is not restarted for it.
      if (program?.ping(answer) === false) answer();
    });
  }

  function up(port?: number): void {
    if (isUp || program === undefined) return;
    isUp = true;
    healthWatch?.up();
    stopAsking();
    onReady(port);
  }

  function stopAsking(): void {
    cancelAsking?.();
    asked?.abort();
  }

  /** Asks until it answers. */
  function askFor(probe: Probe, pause: number): void {
    const question = new AbortController();
    asked = question;
    cancelAsking = clock.after(answerTime, () => question.abort());
    void ask(probe, question.signal).then(({ ok }) => {
      if (asked !== question || program === undefined) return;
      cancelAsking?.();
      if (ok) up(Number(probe.kind === 'http' ? probe.url.port : probe.kind === 'tcp' ? probe.port : 0) || undefined);
      else cancelAsking = clock.after(pause, () => askFor(probe, Math.min(pause * 1.5, longestPause)));
    });
  }

  function end(): void {
    program = undefined;
    stopAsking();
    asked = undefined;
    cancelTimeout?.();
    healthWatch?.end();
    memoryWatch.end();
  }

  return {
    get watched() {
      return program;
    },
    get isUp() {
      return isUp;
    },
    begin(started, hasBeenUp = false) {
      end();
      program = started;
      isUp = hasBeenUp;
      tail = Buffer.alloc(0);
      healthWatch?.begin();
      if (isUp) healthWatch?.up();
      memoryWatch.begin();
      if (address !== undefined && !isUp) askFor(address, firstPause);
      if (timeout !== undefined) {
        const seconds = timeout < 1000 ? `${timeout} ms` : `${timeout / 1000} s`;
        cancelTimeout = clock.after(timeout, () => unfit(`it has taken longer than ${seconds}`, true));
      }
    },
    end,
    listens(port) {
      if (sign === 'listen') up(port);
    },
    sends(message) {
      if (sign === 'message' && isReadyMessage(message)) up();
    },
    prints(chunk) {
      if (pattern === undefined || isUp) return;
      tail = Buffer.concat([tail, chunk]).subarray(-longestTail);
      if (pattern.test(tail.toString())) up();
    },
  };
}

/** `process.send('ready')`, as pm2 has it, or an object of that type. */
const isReadyMessage = (message: unknown): boolean =>
  message === 'ready' ||
  (typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'ready');

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;
