/**
 * The clients of hold.ts, in a process of their own: it forks this one with a `Load` in its only
 * argument, hears of every new version that answers, and asks for the report in the end.
 */

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Load {
  readonly port: number;
  /** From one new connection to the next, in ms. */
  readonly newEvery: number;
  /** How many connections are kept alive. */
  readonly kept: number;
  /** From an error on one of these to the next request in its place, in ms. */
  readonly retryAfter: number;
}

export interface Failure {
  readonly code: string;
  /** Epoch ms with fractions. */
  readonly began: number;
  readonly ended: number;
  /** How far it had come. */
  readonly stage: 'connecting' | 'terminating' | 'being answered';
  /** An earlier request has been answered on the same connection. */
  readonly reused: boolean;
}

export interface Tally {
  readonly answered: number;
  readonly refused: readonly Failure[];
  /** There was no answer, or not all of it. */
  readonly reset: readonly Failure[];
  /** From the start of a request to the end of its answer, in ms. */
  readonly longest: number;
}

export interface Report {
  /** A new connection for every request. */
  readonly fresh: Tally;
  /** On connections that are kept alive. */
  readonly kept: Tally;
}

export type Notice = { readonly seen: number } | { readonly report: Report };

/** What is not answered so long after the last restart never is, in ms. */
const patience = 10_000;
const resets = new Set(['ECONNRESET', 'EPIPE', 'unanswered']);

const clock = (): number => performance.timeOrigin + performance.now();
const tell = (notice: Notice): void => void process.send?.(notice);

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

  /** Resolves to whether it was answered. */
  ask(): Promise<boolean> {
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
          stage = 'terminating';
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
  tell({ seen: version });
}

const { port, newEvery, kept, retryAfter } = JSON.parse(process.argv[2] ?? '') as Load;
const target = { host: '127.0.0.1', port };
const fresh = new Client({ ...target, agent: false, headers: { Connection: 'close' } });
const keeping = new Client({ ...target, agent: new http.Agent({ keepAlive: true, maxSockets: kept }) });
let isEnding = false;

async function connectAnew(): Promise<void> {
  // One that comes late is made up for.
  for (let due = performance.now(); !isEnding; due += newEvery) {
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    void fresh.ask();
  }
}

async function keepBusy(): Promise<void> {
  while (!isEnding) if (!(await keeping.ask())) await sleep(retryAfter);
}

process.once('message', async () => {
  isEnding = true;
  for (const until = performance.now() + patience; fresh.isBusy || keeping.isBusy; await sleep(5)) {
    if (performance.now() < until) continue;
    fresh.giveUp();
    keeping.giveUp();
  }
  const report = { fresh: fresh.tally, kept: keeping.tally };
  process.send?.({ report } satisfies Notice, () => process.exit());
});
// Its parent is gone.
process.once('disconnect', () => process.exit());

for (let index = 0; index < kept; index += 1) void keepBusy();
await connectAnew();
