/**
 * The clients of hold.ts, in a process of their own. hold.ts forks it with a `Load` as its only argument, receives a
 * message for each new version that answers, and requests the report at the end.
 */

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Load {
  readonly port: number;
  /** Interval of new connections. */
  readonly newEveryMs: number;
  /** Number of connections that are kept alive. */
  readonly kept: number;
  /** Time from an error on one of these to the next request in its place. */
  readonly retryAfterMs: number;
}

export interface Failure {
  readonly code: string;
  /** Epoch ms with fractions. */
  readonly began: number;
  readonly ended: number;
  readonly stage: 'connecting' | 'waiting for the answer' | 'being answered';
  /** An earlier request was answered on the same connection. */
  readonly reused: boolean;
}

export interface Tally {
  readonly answered: number;
  readonly refused: readonly Failure[];
  /** The connection ended without a complete answer. */
  readonly reset: readonly Failure[];
  /** The longest time from the start of a request to the end of its answer, in ms. */
  readonly longest: number;
}

export interface Report {
  /** Requests with a connection of their own. */
  readonly fresh: Tally;
  /** Requests on connections that are kept alive. */
  readonly kept: Tally;
}

export type Notice = { readonly seen: number } | { readonly report: Report };

/** Requests that are not answered by this time after the last restart have failed. */
const answerTimeoutMs = 10_000;
const resets = new Set(['ECONNRESET', 'EPIPE', 'unanswered']);

const clock = (): number => performance.timeOrigin + performance.now();
const send = (notice: Notice): void => void process.send?.(notice);

let newest = 0;

class Client {
  readonly #options: http.RequestOptions;
  readonly #underWay = new Set<http.ClientRequest>();
  readonly #refused: Failure[] = [];
  readonly #reset: Failure[] = [];
  #answered = 0;
  #longest = 0;

  constructor(options: http.RequestOptions) {
    this.#options = options;
  }

  get tally(): Tally {
    return { answered: this.#answered, refused: this.#refused, reset: this.#reset, longest: this.#longest };
  }

  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Sends a request; resolves to whether it was answered. */
  request(): Promise<boolean> {
    return new Promise((resolve) => {
      const began = clock();
      let stage: Failure['stage'] = 'connecting';
      let hasEnded = false;
      const request = http.get(this.#options);
      this.#underWay.add(request);

      const end = (code: string | undefined): void => {
        if (hasEnded) return;
        hasEnded = true;
        this.#underWay.delete(request);
        const ended = clock();
        if (code === undefined) {
          this.#answered += 1;
          this.#longest = Math.max(this.#longest, ended - began);
        } else {
          this.#fail({ code, began, ended, stage, reused: request.reusedSocket });
        }
        resolve(code === undefined);
      };
      const fail = ({ code = 'unknown' }: NodeJS.ErrnoException): void => end(code);
      request.on('socket', (socket) => {
        const connect = (): void => {
          stage = 'waiting for the answer';
        };
        if (socket.connecting) socket.once('connect', connect);
        else connect();
      });
      request.on('error', fail);
      request.on('response', (response) => {
        stage = 'being answered';
        response.on('error', fail);
        response.on('end', () => {
          if (response.statusCode !== 200) throw new Error(`answered by ${response.statusCode}`);
          end(undefined);
          see(Number(response.headers['x-version']));
        });
        response.resume();
      });
      request.on('close', () => end('ECONNRESET'));
    });
  }

  giveUp(): void {
    for (const request of this.#underWay) request.destroy(Object.assign(new Error(), { code: 'unanswered' }));
  }

  #fail(failure: Failure): void {
    if (failure.code === 'ECONNREFUSED') this.#refused.push(failure);
    else if (resets.has(failure.code)) this.#reset.push(failure);
    else throw new Error(`neither refused nor reset: ${JSON.stringify(failure)}`);
  }
}

function see(version: number): void {
  if (version <= newest) return;
  newest = version;
  send({ seen: version });
}

const { port, newEveryMs, kept, retryAfterMs } = JSON.parse(process.argv[2] ?? '') as Load;
const target = { host: '127.0.0.1', port };
const fresh = new Client({ ...target, agent: false, headers: { Connection: 'close' } });
const keeping = new Client({ ...target, agent: new http.Agent({ keepAlive: true, maxSockets: kept }) });
let isEnding = false;

async function connectAgainAndAgain(): Promise<void> {
  // A late connection does not delay the next one.
  for (let due = performance.now(); !isEnding; due += newEveryMs) {
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    void fresh.request();
  }
}

async function keepBusy(): Promise<void> {
  while (!isEnding) if (!(await keeping.request())) await sleep(retryAfterMs);
}

process.once('message', async () => {
  isEnding = true;
  for (const until = performance.now() + answerTimeoutMs; fresh.isBusy || keeping.isBusy; await sleep(5)) {
    if (performance.now() < until) continue;
    fresh.giveUp();
    keeping.giveUp();
  }
  const report = { fresh: fresh.tally, kept: keeping.tally };
  process.send?.({ report } satisfies Notice, () => process.exit());
});
// The parent is gone.
process.once('disconnect', () => process.exit());

for (let index = 0; index < kept; index += 1) void keepBusy();
await connectAgainAndAgain();
