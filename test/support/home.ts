/**
 * Where programs under test dial home, so that tests wait for facts: who has started, with what
 * content, and who is dead. A program holds its connection as long as it lives; the kernel closes
 * it, whatever killed the program.
 */

import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';

/** One program that has called. */
export interface Caller {
  readonly pid: number;
  /** What it said of itself. */
  readonly says: Readonly<Record<string, unknown>>;
  /** Resolves when the program is dead. */
  readonly gone: Promise<void>;
  /** Whether the connection still stands. */
  isAlive(): boolean;
  /** Tells the program something; see `dialHome` for what it understands. */
  send(message: 'crash' | 'exit' | string): void;
}

export interface Home extends AsyncDisposable {
  /** Environment that lets a program find its way. */
  readonly env: Readonly<Record<string, string>>;
  /** All that have called so far, in their order. */
  readonly callers: readonly Caller[];
  /** The next call that no `next` has been given yet. */
  next(): Promise<Caller>;
  /** The first caller, from the next on, of which this is true. */
  until(matches: (caller: Caller) => boolean): Promise<Caller>;
  /** The most callers that were alive at the same time. */
  readonly mostAlive: number;
}

export async function openHome(): Promise<Home> {
  const callers: Caller[] = [];
  const waiting: ((caller: Caller) => void)[] = [];
  let handedOut = 0;
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
      caller = {
        pid: Number(says.pid),
        says,
        gone,
        isAlive: () => sockets.has(socket),
        send: (text) => socket.write(`${text}\n`),
      };
      alive += 1;
      mostAlive = Math.max(mostAlive, alive);
      callers.push(caller);
      const waiter = waiting.shift();
      if (waiter !== undefined) {
        handedOut += 1;
        waiter(caller);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as net.AddressInfo;

  const home: Home = {
    env: { TEST_HOME: String(address.port), TEST_DIAL: path.resolve('test/support/dial.cjs') },
    callers,
    next() {
      const caller = callers[handedOut];
      if (caller !== undefined) {
        handedOut += 1;
        return Promise.resolve(caller);
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    async until(matches) {
      for (;;) {
        const caller = await home.next();
        if (matches(caller)) return caller;
      }
    },
    get mostAlive() {
      return mostAlive;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return home;
}

/**
 * A CommonJS program that dials home with `says`, stays, and does what it is told over the line:
 * `crash` throws, `exit` ends with code 0, `exit N` with code N; anything else is printed.
 */
export function dialHome(says: Readonly<Record<string, unknown>> = {}): string {
  return `require(process.env.TEST_DIAL)(${JSON.stringify(says)});\n`;
}
