/**
 * Linux: processes, mounts and cgroups can be read below /proc and /sys.
 *
 * Functions of other files are called, not named: most of them are in parts of the command that a launch does not load.
 */

import fs from 'node:fs';
import { codeOf } from '../../shared/errors.ts';
import { gitProcesses, gitProcessOf } from '../git-processes.ts';
import { findUnreadStream } from '../launch/readers.ts';
import { findPortHolders } from '../sockets/port-holders.ts';
import { tcpSocketsOf } from '../sockets/tcp-sockets.ts';
import { hasMemoryFor } from '../standby/memory.ts';
import { linuxContainment, linuxOrphans } from '../tree/linux-containment.ts';
import { cpuTimeOf, isDead, parseStat, readProc, readStat } from '../tree/proc.ts';
import { residentOf, writtenBy, writtenByEndedChildren } from '../tree/proc-usage.ts';
import { inotifyUse } from './inotify-use.ts';
import type { Platform } from './interface.ts';
import { inheritableDescriptors } from './linux-descriptors.ts';

export const linux: Platform = {
  name: 'linux',
  title: 'Linux',
  isPosix: true,
  ignoresCase: false,
  processes: {
    obstacle: () =>
      fs.existsSync('/proc/self/stat')
        ? undefined
        : '/proc is not mounted, so devwatch cannot find the processes of a program · mount -t proc proc /proc',
    bootId: () => (readProc('/proc/sys/kernel/random/boot_id') ?? '').trim(),
    startTimeOf(pid) {
      try {
        const stat = parseStat(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
        return stat === undefined || isDead(stat) ? undefined : stat.startTime;
      } catch (error) {
        if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined;
        throw error;
      }
    },
    groupsOf: (pids) => new Map(pids.flatMap((pid) => groupEntry(pid))),
    isStopped: (pid) => readStat(pid)?.state === 'T',
    isOwnChildSignal: () => false,
    isInSession: (pid, leader) => readStat(pid)?.session === leader,
    initialVariables: () => fs.readFileSync('/proc/self/environ', 'utf8'),
    gitCommands: () => gitProcesses(),
    gitCommandOf: (pid) => gitProcessOf(pid),
    openFileLimit() {
      const [, limit] = /^Max open files +(\d+) /m.exec(readProc('/proc/self/limits') ?? '') ?? [];
      return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
    },
    inheritableDescriptors: () => inheritableDescriptors(),
  },
  trees: {
    finding: 'marks',
    contain: (keep, mayUseCgroup) => linuxContainment(keep, mayUseCgroup),
    openOrphans: (record, keep) => linuxOrphans(record, keep),
    guardian: 'from descriptors',
  },
  programs: { hasSignals: true, messages: 'ipc', namesChildren: false },
  usage: {
    measuresMemory: true,
    memoryOf: (pids) => pids.reduce((sum, pid) => sum + residentOf(pid), 0),
    cpuTimeOf: (pids) => pids.reduce((sum, pid) => sum + (cpuTimeOf(pid, 'with its ended children') ?? 0), 0),
    writtenBy: (pids) => pids.reduce((sum, pid) => sum + writtenBy(pid), 0),
    writtenByEndedChildren: () => writtenByEndedChildren(),
    hasMemoryFor: (pid) => hasMemoryFor(pid),
  },
  terminal: {
    groups() {
      const stat = readStat(process.pid);
      return stat && { own: stat.group, foreground: stat.foreground };
    },
  },
  sockets: {
    canPass: true,
    canRefuse: true,
    maxPathBytes: 107,
    momentaryAddress() {
      // An abstract name needs no file, and is open to all users.
      const token = fs.readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim();
      return { name: `\0devwatch-${process.pid}-${token.slice(0, 8)}`, token, remove: () => {} };
    },
    holdersOf: (port) => findPortHolders(port),
    tcpSocketsOf: (pids) => tcpSocketsOf(pids),
  },
  output: { needsNamedPipes: true, unreadStream: () => findUnreadStream() },
  service: { manager: 'systemd' },
  watching: { events: () => 'inotify', reportsFolders: true, mounts: () => undefined, inotifyUse: () => inotifyUse() },
};

function groupEntry(pid: number): [pid: number, group: number][] {
  const group = readStat(pid)?.group;
  return group === undefined ? [] : [[pid, group]];
}
