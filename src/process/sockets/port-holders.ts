/** Finds the processes that listen on a port, in Linux's /proc. */

import fs from 'node:fs';
import os from 'node:os';
import { attempt } from '../../shared/errors.ts';
import type { PortHolder } from '../../shared/events.ts';
import { commandLine, listPids, readProc, readStat } from '../tree/proc.ts';

/** Describes the processes that listen on this TCP port, without children that have inherited the socket from them. */
export function findPortHolders(port: number): PortHolder[] {
  const holders = new Set(listPortHolders(port));
  const roots = [...holders].filter((pid) => !holders.has(readStat(pid)?.parent ?? 0));
  return roots.flatMap((pid) => describe(pid) ?? []);
}

/** Returns the pids of all processes that listen on this TCP port; those of other users are only visible to root. */
export function listPortHolders(port: number): number[] {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readProc(file) ?? '');
  const links = new Set(tables.flatMap((table) => listeningSockets(table, port)).map((inode) => `socket:[${inode}]`));
  return links.size === 0 ? [] : listPids().filter((pid) => holdsAny(pid, links));
}

/** Returns the inodes of the listening sockets on a port, from the text of /proc/net/tcp. */
export function listeningSockets(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    // State 0A is LISTEN.
    return fields[1]?.endsWith(suffix) === true && fields[3] === '0A' ? [fields[9] ?? ''] : [];
  });
}

function holdsAny(pid: number, links: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  // Fails if the process has exited, or belongs to another user.
  const descriptors = attempt(() => fs.readdirSync(folder)) ?? [];
  return descriptors.some((descriptor) => links.has(attempt(() => fs.readlinkSync(`${folder}/${descriptor}`)) ?? ''));
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
  const users = attempt(() => fs.readFileSync('/etc/passwd', 'utf8')) ?? '';
  return new RegExp(`^([^:\\n]*):[^:\\n]*:${uid}:`, 'm').exec(users)?.[1] ?? `uid ${uid}`;
}
