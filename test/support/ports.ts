/** Ports for tests that must know a port before a program listens on it. */

import { once } from 'node:events';
import net from 'node:net';

const count = 2500;
/** Below the range that the kernel takes ports for outgoing connections from; each worker has a part of its own. */
const first = 20_000 + (Number(process.env.VITEST_POOL_ID ?? 0) % 4) * count;
let next = Math.floor(Math.random() * count);

/** Returns a port that is free now and that no other test of this run gets. */
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
