/** Listening sockets of devwatch's own, which programs other than Node inherit as sd_listen_fds(3) describes. */

import { type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { ActivatedSocket } from '../../preload/protocol.ts';
import type { ListenAddress } from '../../shared/listen-address.ts';
import { throughShell } from '../through-shell.ts';
import type { Invocation } from '../tree/tree.ts';

export interface PassedSocket extends ActivatedSocket {
  /** Name that the service manager gave to the socket. */
  readonly name?: string | undefined;
}

/** A port that devwatch has opened itself (`--hold=<port>`). */
export interface OpenedPort extends PassedSocket {
  close(): void;
}

/** The raw handle that Node's IPC delivers. devwatch never accepts on it. */
interface NativeHandle {
  readonly fd: number;
  close(): void;
}

/** Node never shows programs a message whose `cmd` begins with `NODE_`. */
const command = 'NODE_DEVWATCH_PORT';

/**
 * A program that listens, hands the socket over and exits. A process of its own, because libuv accepts
 * connections in the process that begins to listen.
 */
const opener = ({ host, port }: ListenAddress): string => `
  const server = require('node:net').createServer().listen(${port}, '${host}');
  server.on('error', ({ message }) => process.send({ error: message }, () => process.disconnect()));
  server.on('listening', () => {
    process.send({ cmd: '${command}' }, server._handle, { keepOpen: true }, () => {
      server.close();
      process.disconnect();
    });
  });
`;

/** Opens a port on an address; returns the reason if that fails. */
export async function openPort(address: ListenAddress): Promise<OpenedPort | string> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', 'ipc'];
  const child: NodeJS.EventEmitter = spawn(process.execPath, ['-e', opener(address)], { stdio, env: {} });
  let result: OpenedPort | string = 'the process that opens it has ended';
  child.on('message', ({ error }: { error: string }) => {
    result = error;
  });
  child.on('internalMessage', ({ cmd }: { cmd?: string }, handle?: NativeHandle) => {
    if (cmd !== command || handle === undefined) return;
    result = { id: 'port', port: address.port, descriptor: handle.fd, close: () => handle.close() };
  });
  await once(child, 'close');
  return result;
}

/**
 * Adds the variables of a program that takes its sockets from descriptor 3 on; a shell knows the program's own pid.
 * Where the shell would lose variables of the program, the sockets are not announced.
 */
export function withSockets(invocation: Invocation, sockets: readonly PassedSocket[]): Invocation {
  const names = sockets.map(({ name }) => name ?? 'devwatch').join(':');
  const env = { ...invocation.env, LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: names };
  return throughShell('export LISTEN_PID=$$', '', { ...invocation, env }) ?? invocation;
}

/** Whether the sockets can be announced to a program. */
export const canPassSockets = (program: Invocation): boolean => throughShell('', '', program) !== undefined;

/**
 * Makes sockets blocking again. Programs expect blocking ones from systemd; libuv, or an earlier program, has made these
 * non-blocking. libuv resets descriptors 0 to 2 of a new process, and so for every process that shares them (1.5 ms).
 */
export function makeBlocking(sockets: readonly PassedSocket[]): void {
  const descriptors = sockets.map(({ descriptor }) => descriptor);
  for (let index = 0; index < descriptors.length; index += 3) {
    spawnSync('/bin/sh', ['-c', ':'], { env: {}, stdio: descriptors.slice(index, index + 3) });
  }
}
