/**
 * Sockets for the program that a service manager opened before it started devwatch: sd_listen_fds(3). The manager keeps
 * duplicates, so that connections wait even while devwatch does not run.
 *
 * The sockets are the descriptors from 3 on, which every child would inherit. Node prevents that when it starts: it
 * marks the first 16 descriptors, and those that follow without a gap, as close-on-exec (uv_disable_stdio_inheritance),
 * so that only processes to which they are passed get them.
 */

import fs from 'node:fs';
import type { PassedSocket } from '../process/sockets/passed-sockets.ts';
import { readProc } from '../process/tree/proc.ts';
import { attempt, UsageError } from '../shared/errors.ts';

const firstDescriptor = 3;

/** Returns the sockets for this process, and removes their variables. @throws UsageError if a promised socket is missing */
export function takeSockets(env: NodeJS.ProcessEnv): PassedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  if (LISTEN_PID !== String(process.pid)) return [];
  for (const name of ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const names = LISTEN_FDNAMES.split(':');
  const sockets: PassedSocket[] = [];
  // Not an array of this length: the number may be any.
  for (let index = 0; index < countOf(LISTEN_FDS); index += 1) {
    const descriptor = firstDescriptor + index;
    const inode = socketAt(descriptor);
    if (inode === undefined)
      throw new UsageError(`LISTEN_FDS is ${LISTEN_FDS}, but descriptor ${descriptor} is not a socket`);
    sockets.push({ id: `handed ${descriptor}`, descriptor, name: names[index] || undefined, ...addressOf(inode) });
  }
  return sockets;
}

function countOf(text = '0'): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(`LISTEN_FDS is ${JSON.stringify(text)}, but takes the number of sockets`);
}

/** Returns the inode of a socket; undefined if the descriptor is not one. */
const socketAt = (descriptor: number): string | undefined =>
  /^socket:\[(\d+)\]$/.exec(attempt(() => fs.readlinkSync(`/proc/self/fd/${descriptor}`)) ?? '')?.[1];

/** Returns the address of a socket: a Node program gets the socket that it would open, other programs get all. */
function addressOf(inode: string): Pick<PassedSocket, 'port' | 'path'> {
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const address = rowsOf(file).find((fields) => fields[9] === inode)?.[1];
    if (address !== undefined) return { port: Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16) };
  }
  const row = rowsOf('/proc/net/unix').find((fields) => fields[6] === inode);
  // The last field, the path, may contain blanks.
  const path = row?.slice(7).join(' ') ?? '';
  const file = path.startsWith('/') ? Buffer.from(path, 'latin1') : undefined;
  // Fails if the folder of the socket has been replaced.
  const stats = file && attempt(() => fs.statSync(file));
  // Identified as in preload/held-ports.cts.
  return stats === undefined ? {} : { path: `${stats.dev}:${stats.ino}` };
}

const rowsOf = (file: string): string[][] => (readProc(file) ?? '').split('\n').map((line) => line.trim().split(/\s+/));
