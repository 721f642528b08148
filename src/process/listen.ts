/** A listening socket for programs that take one from who starts them, as systemd hands them over (sd_listen_fds). */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { throughShell } from './containment.ts';
import { type HeldPorts, ipcCommand, openedId } from './hold.ts';
import type { Invocation } from './tree.ts';

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

/**
 * For a program that looks for the socket at descriptor 3; its number is known only once it runs. Such
 * programs expect a socket that blocks, and libuv, for which none does, undoes that for descriptors 0 to 2
 * alone: so the shell gets the socket as its stdin, and stdin as its third, and exchanges them.
 */
export function withSocket(invocation: Invocation): Invocation {
  const env = { ...invocation.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'devwatch' };
  return throughShell('exec 4<&0 0<&3 3<&4 4<&-; export LISTEN_PID=$$', '', { ...invocation, env });
}
