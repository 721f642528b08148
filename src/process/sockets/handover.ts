/** Listening sockets for programs that inherit them from their parent, as systemd passes them (sd_listen_fds). */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { throughShell } from '../tree/containment.ts';
import type { Invocation } from '../tree/tree.ts';
import { type HeldPort, type HeldPorts, ipcCommand, openedId } from './held-ports.ts';

/**
 * A program that listens, hands the socket over and exits. A process of its own, because libuv accepts
 * connections in the process that begins to listen.
 */
const opener = (port: number): string => `
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
 * @returns the reason why the port could not be opened, or undefined
 */
export async function openPort(port: number, heldPorts: HeldPorts): Promise<string | undefined> {
  const child = spawn(process.execPath, ['-e', opener(port)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: {},
  });
  let problem: string | undefined;
  child.on('message', (message: { error?: string }) => {
    problem = message.error;
  });
  heldPorts.receiveFrom(child);
  await once(child, 'close');
  return problem;
}

/** Adds the variables of a program that takes its sockets from descriptor 3 on; a shell knows the program's own pid. */
export function withSockets(invocation: Invocation, sockets: readonly HeldPort[]): Invocation {
  const env = {
    ...invocation.env,
    LISTEN_FDS: String(sockets.length),
    LISTEN_FDNAMES: sockets.map(({ name }) => name ?? 'devwatch').join(':'),
  };
  return throughShell('export LISTEN_PID=$$', '', { ...invocation, env });
}

/**
 * Makes sockets blocking again. Programs expect blocking ones from systemd; libuv, or an earlier program,
 * has made these non-blocking. libuv resets descriptors 0 to 2 of a new process, and so does it for every
 * process that shares them (1.5 ms).
 */
export function makeBlocking(sockets: readonly HeldPort[]): void {
  const descriptors = sockets.map(({ descriptor }) => descriptor);
  for (let index = 0; index < descriptors.length; index += 3) {
    spawnSync('/bin/sh', ['-c', ':'], { env: {}, stdio: descriptors.slice(index, index + 3) });
  }
}
