/** Listening sockets for programs that take them from who starts them, as systemd hands them over (sd_listen_fds). */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { throughShell } from '../tree/containment.ts';
import type { Invocation } from '../tree/tree.ts';
import { type Held, type HeldPorts, ipcCommand, openedId } from './held-ports.ts';

/** Listens in a process of its own, for whatever listens in this one also accepts; hands the socket over, and ends. */
const helper = (port: number): string => `
  const server = require('node:net').createServer().listen(${port});
  server.on('error', ({ message }) => process.send({ error: message }, () => process.disconnect()));
  server.on('listening', () => {
    const hold = { id: '${openedId}', key: '', port: server.address().port };
    process.send({ cmd: '${ipcCommand}', hold }, server._handle, { keepOpen: true }, () => {
      server.close();
      process.disconnect();
    });
  });
`;

/**
 * Opens a port on all addresses and holds it.
 *
 * @returns what kept it from being opened, or undefined
 */
export async function openPort(port: number, held: HeldPorts): Promise<string | undefined> {
  const child = spawn(process.execPath, ['-e', helper(port)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: {},
  });
  let problem: string | undefined;
  child.on('message', (message: { error?: string }) => {
    problem = message.error;
  });
  held.listen(child);
  await once(child, 'close');
  return problem;
}

/** For a program that looks for its sockets from descriptor 3 on; its own number is known only once it runs. */
export function withSockets(invocation: Invocation, sockets: readonly Held[]): Invocation {
  const env = {
    ...invocation.env,
    LISTEN_FDS: String(sockets.length),
    LISTEN_FDNAMES: sockets.map(({ name }) => name ?? 'devwatch').join(':'),
  };
  return throughShell('export LISTEN_PID=$$', '', { ...invocation, env });
}

/**
 * Such programs expect sockets that block, as systemd hands them over anew each time; with libuv, or after
 * a program that had it otherwise, none does. libuv undoes that for the descriptors 0 to 2 of a new process,
 * and with them for all that share them (1.5 ms).
 */
export function makeBlocking(sockets: readonly Held[]): void {
  const descriptors = sockets.map(({ descriptor }) => descriptor);
  for (let index = 0; index < descriptors.length; index += 3) {
    spawnSync('/bin/sh', ['-c', ':'], { env: {}, stdio: descriptors.slice(index, index + 3) });
  }
}
