/** macOS, and other systems of the Unix family without Linux's /proc: processes are read from `ps`. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { NativeEvents } from '../../shared/native-events.ts';
import { PsTree } from '../tree/posix.ts';
import type { Platform } from './interface.ts';

export const darwin: Platform = {
  name: 'darwin',
  title: 'macOS',
  isPosix: true,
  processes: {
    obstacle: () => undefined,
    bootId: () => execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'latin1' }).trim(),
    startTimeOf: startTimeByPs,
    groupsOf: () => new Map(),
    isStopped: () => false,
    isInSession: () => true,
    initialVariables: () => undefined,
    gitCommands: () => [],
    gitCommandOf: () => undefined,
    openFileLimit: () => Number.POSITIVE_INFINITY,
    inheritableDescriptors: () => [],
  },
  trees: {
    finding: 'parents',
    contain: (keep) => ({
      record: { variable: '', limit: '', cgroup: '' },
      contain: (_run, invocation, { mayBeKept = false } = {}) => ({
        ...invocation,
        open: ({ pid }) => new PsTree(pid, keep, mayBeKept ? undefined : pid),
      }),
      release: () => {},
    }),
    openOrphans: () => [],
    guardian: undefined,
  },
  usage: {
    memoryOf: () => undefined,
    cpuTimeOf: () => undefined,
    writtenBy: () => undefined,
    writtenByEndedChildren: () => undefined,
    hasMemoryFor: () => true,
  },
  terminal: { groups: () => undefined },
  sockets: {
    canPass: true,
    canRefuse: false,
    maxPathBytes: 103,
    momentaryAddress() {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-'));
      return { name: path.join(folder, 's'), token: '', remove: () => fs.rmSync(folder, { recursive: true }) };
    },
    holdersOf: () => [],
    tcpSocketsOf: () => [],
  },
  output: { needsNamedPipes: false, unreadStream: () => undefined },
  watching: { events: nativeEvents, inotifyUse: () => ({ watches: 0, instances: 0 }) },
};

function startTimeByPs(pid: number): string | undefined {
  try {
    const line = execFileSync('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    const [state = '', ...started] = line.split(/\s+/);
    return state.startsWith('Z') ? undefined : String(Date.parse(`${started.join(' ')} UTC`) / 1000);
  } catch (error) {
    // ps exits with 1 if there is no such process.
    if (error instanceof Error && 'status' in error && error.status === 1) return undefined;
    throw error;
  }
}

/** On Linux, which plays macOS in tests, each folder is watched. Elsewhere (FreeBSD) a folder reports no writes to its files. */
function nativeEvents(): NativeEvents | undefined {
  if (os.type() === 'Darwin') return 'FSEvents';
  return os.type() === 'Linux' ? 'fs.watch' : undefined;
}
