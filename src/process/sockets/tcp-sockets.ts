/** The TCP sockets of processes, from Linux's /proc. */

import fs from 'node:fs';
import { attempt } from '../../shared/errors.ts';
import type { TcpSocket } from '../platform/interface.ts';
import { readProc } from '../tree/proc.ts';

/** Returns the TCP sockets that these processes have open. */
export function tcpSocketsOf(pids: readonly number[]): readonly TcpSocket[] {
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readSockets(readProc(file) ?? ''));
  const inodes = new Set(pids.flatMap(inodesOf));
  return sockets.filter(({ inode }) => inodes.has(inode));
}

/** Reads the text of /proc/net/tcp or /proc/net/tcp6. */
export function readSockets(table: string): (TcpSocket & { readonly inode: string })[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [, address = '', port = ''] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (port === '') return [];
    const states = { '0A': 'listening', '01': 'connected' } as const;
    return [
      {
        host: hostOf(address),
        port: Number.parseInt(port, 16),
        state: state === '0A' || state === '01' ? states[state] : 'other',
        inode,
      },
    ];
  });
}

/** Returns the host at which an address is reached, from the kernel's hexadecimal form of it. */
function hostOf(address: string): string {
  if (/^0+$/.test(address)) return address.length === 8 ? '127.0.0.1' : '::1';
  // Each group of four bytes is a number of the machine, the last byte first.
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((group) => (group.match(/../g) ?? []).reverse());
  if (address.length === 8) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  return (bytes.join('').match(/.{4}/g) ?? []).join(':');
}

/** Returns the inodes of the sockets that a process has open. */
function inodesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const names = attempt(() => fs.readdirSync(folder)) ?? [];
  return names.flatMap((name) => {
    const link = attempt(() => fs.readlinkSync(`${folder}/${name}`)) ?? '';
    return /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [];
  });
}
