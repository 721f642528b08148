/**
 * Sockets that a service manager has opened before it started devwatch, for the program: sd_listen_fds(3).
 * The manager keeps duplicates, so that connections wait whatever becomes of devwatch.
 *
 * They are the descriptors from 3 on, left open for every child. Node undoes that when it begins: it marks
 * the first 16 descriptors, and all that follow without a gap, to be closed in its children
 * (uv_disable_stdio_inheritance), so that they reach only those whom they are given to.
 */

import fs from 'node:fs';
import type { HeldPort } from '../process/sockets/held-ports.ts';
import { readProc } from '../process/tree/proc.ts';
import { UsageError } from '../shared/errors.ts';

const firstDescriptor = 3;

/**
 * Takes what is meant for this process, and the variables that speak of it out of the environment.
 *
 * @throws UsageError when there is no socket where the variables promise one
 */
export function takeSockets(env: NodeJS.ProcessEnv): HeldPort[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  if (LISTEN_PID !== String(process.pid)) return [];
  for (const name of ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const names = LISTEN_FDNAMES.split(':');
  return Array.from({ length: Number(LISTEN_FDS) || 0 }, (_, index) => {
    const descriptor = firstDescriptor + index;
    const inode = socketAt(descriptor);
    if (inode === undefined) {
      throw new UsageError(`LISTEN_FDS is ${LISTEN_FDS}, but descriptor ${descriptor} is no socket`);
    }
    const socket = { id: `handed ${descriptor}`, key: '', isSocketActivated: true, ...addressOf(inode) };
    return { descriptor, socket, name: names[index] || undefined };
  });
}

/** Its inode; undefined for what is no socket. */
function socketAt(descriptor: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/self/fd/${descriptor}`))?.[1];
  } catch {
    return undefined;
  }
}

/** Where it listens: a Node program gets the socket that it would open, all others get all and choose. */
function addressOf(inode: string): Pick<HeldPort['socket'], 'port' | 'path'> {
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const address = rowsOf(file).find((fields) => fields[9] === inode)?.[1];
    if (address !== undefined) return { port: Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16) };
  }
  // The last field, the path, may hold blanks.
  const path = rowsOf('/proc/net/unix')
    .find((fields) => fields[6] === inode)
    ?.slice(7)
    .join(' ');
  return path?.startsWith('/') === true ? { path: stampOf(Buffer.from(path, 'latin1')) } : {};
}

const rowsOf = (file: string): string[][] => (readProc(file) ?? '').split('\n').map((line) => line.trim().split(/\s+/));

/** As preload/hold.cts tells files apart. */
function stampOf(file: Buffer): string | undefined {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}
