/** Sockets of processes as `lsof` lists them. */

import { spawnSync } from 'node:child_process';
import type { PortHolder } from '../../shared/events.ts';
import type { TcpSocket } from './interface.ts';
import { pairsIn, runPs } from './ps.ts';

/** A process and its open sockets, as `-F` writes them: a line for each fact, which begins with its letter. */
interface LsofProcess {
  readonly pid: number;
  readonly parent: number;
  readonly user: string;
  readonly sockets: readonly TcpSocket[];
}

/** Names and ports as numbers, and the fields: pid, parent, name of the user, descriptor, address, state of the connection. */
const fields = ['-nP', '-FpRLfnT'] as const;

const runLsof = (...args: readonly string[]): LsofProcess[] => {
  // macOS has it here, which may not be on PATH.
  const files = ['/usr/sbin/lsof', 'lsof'];
  for (const file of files) {
    const { stdout, error } = spawnSync(file, [...fields, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (error === undefined) return parseLsof(stdout);
  }
  return [];
};

/** Describes the processes that listen on a TCP port, without children that have inherited the socket. */
export function findPortHolders(port: number): PortHolder[] {
  const holders = runLsof(`-iTCP:${port}`, '-sTCP:LISTEN');
  const roots = holders.filter(({ parent }) => !holders.some(({ pid }) => pid === parent));
  if (roots.length === 0) return [];
  const pids = roots.map(({ pid }) => pid).join(',');
  const started = new Map(pairsIn(runPs('-o', 'pid=', '-o', 'lstart=', '-p', pids)));
  const commands = new Map(pairsIn(runPs('-ww', '-o', 'pid=', '-o', 'command=', '-p', pids)));
  return roots.flatMap(({ pid, user }) => {
    const command = commands.get(pid);
    // It may have ended in between.
    return command === undefined ? [] : [{ pid, command, user, since: Date.parse(`${started.get(pid)} UTC`) }];
  });
}

/** Returns the TCP sockets that processes have open. */
export const tcpSocketsOf = (pids: readonly number[]): readonly TcpSocket[] =>
  pids.length === 0 ? [] : runLsof('-a', '-p', pids.join(','), '-iTCP').flatMap(({ sockets }) => sockets);

/** Parses the output of `lsof -FpRLfnT`. */
export function parseLsof(output: string): LsofProcess[] {
  const processes: { pid: number; parent: number; user: string; sockets: TcpSocket[] }[] = [];
  let address = '';
  for (const line of output.split('\n')) {
    const [letter = '', value] = [line[0], line.slice(1)];
    const current = processes.at(-1);
    if (letter === 'p') processes.push({ pid: Number(value), parent: 0, user: '', sockets: [] });
    else if (current === undefined) continue;
    else if (letter === 'R') current.parent = Number(value);
    else if (letter === 'L') current.user = value;
    else if (letter === 'n') address = value;
    else if (letter === 'T' && value.startsWith('ST=')) current.sockets.push(socketOf(address, value.slice(3)));
  }
  return processes;
}

/** Reads an address, such as `*:3000`, `[::1]:9229` or `127.0.0.1:9229->127.0.0.1:50000`. */
function socketOf(address: string, state: string): TcpSocket {
  const [, host = '*', port = '0'] = /^(.*?):(\d+|\*)(?:->.*)?$/.exec(address) ?? [];
  const states: Partial<Record<string, TcpSocket['state']>> = { LISTEN: 'listening', ESTABLISHED: 'connected' };
  return {
    host: host === '*' ? 'localhost' : host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port) || 0,
    state: states[state] ?? 'other',
  };
}
