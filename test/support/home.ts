/**
 * The home that programs under test dial, so that tests wait for facts: which program has started, with what
 * content, and which is dead. A program holds its connection as long as it lives; the kernel closes it, whatever
 * killed the program.
 */

import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { within } from './deadline.ts';
import { isAlive } from './facts.ts';

/** A program that has called. */
export interface Caller {
  readonly pid: number;
  /** The facts about itself that it has sent. */
  readonly says: Readonly<Record<string, unknown>>;
  /** Resolves when the program is dead. */
  readonly gone: Promise<void>;
  /** Reports whether the program lives. The close of its connection may be read later than its death is known to /proc. */
  isAlive(): boolean;
  /** Sends the program an order; `dialHome` lists them. */
  send(message: 'crash' | 'exit' | string): void;
}

export interface Home extends AsyncDisposable {
  /** Environment that programs need for the call. */
  readonly env: Readonly<Record<string, string>>;
  /** All callers so far, in their order. */
  readonly callers: readonly Caller[];
  /** The next caller that no earlier call has returned, or the first one from there on that matches. */
  caller(matches?: (caller: Caller) => boolean): Promise<Caller>;
  /** The largest number of callers that were alive at the same time. */
  readonly mostAlive: number;
  /** All callers so far, a line each, for the message of a failure. */
  report(): readonly string[];
}

/** @param report what else has happened, for the message of a wait that fails */
export async function openHome(report: () => readonly string[] = () => []): Promise<Home> {
  const callers: Caller[] = [];
  const waiting: ((caller: Caller) => void)[] = [];
  let returned = 0;
  let alive = 0;
  let mostAlive = 0;
  const sockets = new Set<net.Socket>();

  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let caller: Caller | undefined;
    const gone = new Promise<void>((resolve) => {
      socket.once('close', () => {
        sockets.delete(socket);
        if (caller !== undefined) alive -= 1;
        resolve();
      });
    });
    readline.createInterface({ input: socket }).once('line', (line) => {
      const says = JSON.parse(line) as Record<string, unknown>;
      const pid = Number(says.pid);
      caller = {
        pid,
        says,
        gone,
        isAlive: () => sockets.has(socket) && isAlive(pid),
        send: (text) => socket.write(`${text}\n`),
      };
      alive += 1;
      mostAlive = Math.max(mostAlive, alive);
      callers.push(caller);
      const waiter = waiting.shift();
      if (waiter === undefined) return;
      returned += 1;
      waiter(caller);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as net.AddressInfo;

  function next(): Promise<Caller> {
    const caller = callers[returned];
    if (caller === undefined) return new Promise((resolve) => waiting.push(resolve));
    returned += 1;
    return Promise.resolve(caller);
  }

  async function nextMatching(matches: (caller: Caller) => boolean): Promise<Caller> {
    for (;;) {
      const caller = await next();
      if (matches(caller)) return caller;
    }
  }

  const home: Home = {
    env: { TEST_HOME: String(address.port), TEST_DIAL: path.resolve('test/support/dial.cjs') },
    callers,
    caller: (matches = () => true) =>
      within(`a caller with ${matches}`, nextMatching(matches), () => [...report(), ...home.report()]),
    get mostAlive() {
      return mostAlive;
    },
    report: () =>
      callers.map(({ says, isAlive }) => `caller ${isAlive() ? '(alive)' : '(dead)'} ${JSON.stringify(says)}`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return home;
}

/**
 * Returns a CommonJS program that dials home with the facts `says`, stays, and obeys the orders that come over the
 * line: `crash` throws, `exit` ends with code 0, `exit N` with code N; anything else is printed.
 */
export function dialHome(says: Readonly<Record<string, unknown>> = {}): string {
  return `require(process.env.TEST_DIAL)(${JSON.stringify(says)});\n`;
}
