/** Finds out whether a debugger is connected to a program. Such a program may be paused, and answers nothing then. */

import fs from 'node:fs';
import { attempt } from '../shared/errors.ts';
import { platform } from './platform.ts';
import { readProc } from './tree/proc.ts';

/** A TCP socket of this machine, from /proc/net/tcp. */
interface TcpSocket {
  readonly host: string;
  readonly port: number;
  readonly state: 'listening' | 'connected' | 'other';
  readonly inode: string;
}

/** The inspector answers in a thread of its own, also while the program is paused. */
const answerTimeoutMs = 500;

/**
 * Returns the port of an inspector of Node with a client, opened by a flag, SIGUSR1 or the program; undefined if there is
 * none, or without Linux's /proc.
 *
 * @param pids the processes of the program
 * @param served ports of the program's own servers, which are not asked
 */
export async function findDebugger(
  pids: readonly number[],
  served: ReadonlySet<number> = new Set(),
): Promise<number | undefined> {
  if (!platform.hasProc) return undefined;
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readSockets(readProc(file) ?? ''));
  const inodes = new Set(pids.flatMap(inodesOf));
  const own = sockets.filter(({ inode }) => inodes.has(inode));
  const candidates = own.filter(
    ({ port, state }) =>
      state === 'listening' &&
      !served.has(port) &&
      own.some((other) => other.state === 'connected' && other.port === port),
  );
  const found = await Promise.all(candidates.map(isInspector));
  return candidates.find((_, index) => found[index])?.port;
}

/** Reads the text of /proc/net/tcp or /proc/net/tcp6. */
export function readSockets(table: string): TcpSocket[] {
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

async function isInspector({ host, port }: TcpSocket): Promise<boolean> {
  const http = await import('node:http');
  return new Promise((resolve) => {
    const options = { host, port, path: '/json/version', agent: false, timeout: answerTimeoutMs };
    const request = http.get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('close', () => resolve(text.includes('"Protocol-Version"')));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
    request.on('socket', (socket) => socket.unref());
  });
}
