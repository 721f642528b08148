/** Ports for tests that must know one before a program listens on it. */

import { once } from 'node:events';
import net from 'node:net';

/** Below those that the system gives to connections: one of these could be taken meanwhile. */
const first = 20_000;
const count = 10_000;
let next = (process.pid * 61) % count;

/** One that nobody listens on, and that no other test is given. */
export async function freePort(): Promise<number> {
  for (;;) {
    next = (next + 1) % count;
    const server = net.createServer().listen(first + next, '127.0.0.1');
    const [error] = await Promise.race([once(server, 'listening'), once(server, 'error')]);
    if (error !== undefined) continue;
    server.close();
    await once(server, 'close');
    return first + next;
  }
}
