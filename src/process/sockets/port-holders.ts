/** Finds the processes that listen on a port, in Linux's /proc. */

import fs from 'node:fs';
import os from 'node:os';
import type { PortHolder } from '../../shared/events.ts';
import { commandLine, listPids, readProc, readStat } from '../tree/proc.ts';

/** State 0A of /proc/net/tcp is LISTEN. */
const listening = '0A';

/**
 * Describes the processes that listen on this TCP port, as far as `listPortHolders` finds them. Children that
 * have inherited the socket, such as the workers of a server, are left out.
 */
export function findPortHolders(port: number): PortHolder[] {
  const holders = new Set(listPortHolders(port));
  const roots = [...holders].filter((pid) => !holders.has(readStat(pid)?.parent ?? 0));
  return roots.flatMap((pid) => describe(pid) ?? []);
}

/** Returns the pids of all processes that listen on this TCP port; those of other users are only visible to root. */
export function listPortHolders(port: number): number[] {
  const sockets = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => listeningSockets(readProc(file) ?? '', port)),
  );
  return sockets.size === 0 ? [] : listPids().filter((pid) => holdsAny(pid, sockets));
}

/** Returns the inodes of the listening sockets on a port, from the text of /proc/net/tcp. */
export function listeningSockets(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[1]?.endsWith(suffix) === true && fields[3] === listening ? [fields[9] ?? ''] : [];
  });
}

function holdsAny(pid: number, sockets: ReadonlySet<string>): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${descriptor}`))?.[1];
      return inode !== undefined && sockets.has(inode);
    });
  } catch {
    return false; // It has exited, or belongs to another user.
  }
}

function readLink(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}

function describe(pid: number): PortHolder | undefined {
  const stat = readStat(pid);
  const uid = /^Uid:\s*(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1];
  if (stat === undefined || uid === undefined) return undefined;
  // Linux reports times to user space in hundredths of a second, whatever the kernel's own tick is.
  const since = Date.now() - os.uptime() * 1000 + Number(stat.startTime) * 10;
  return { pid, command: commandLine(pid) ?? stat.command, user: userName(uid), since };
}

function userName(uid: string): string {
  const line = readUsers().find((entry) => entry.split(':')[2] === uid);
  return line?.split(':')[0] ?? `uid ${uid}`;
}

function readUsers(): string[] {
  try {
    return fs.readFileSync('/etc/passwd', 'utf8').split('\n');
  } catch {
    return [];
  }
}
