/** Whether there is memory for a process with all packages of the program, from Linux's /proc. */

import path from 'node:path';
import { readProc } from '../tree/proc.ts';

/** Less than this is left for other programs. */
const reservedBytes = 512 * 1024 * 1024;
/** Loading takes more memory than the program has in the end. */
const factor = 3;

/** Returns whether as much memory is available as a second process like this one may need. */
export function hasMemoryFor(pid: number): boolean {
  const resident = 1024 * Number(/^VmRSS:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
  return availableBytes() >= Math.max(reservedBytes, factor * resident);
}

/** Returns the memory that the machine, and each cgroup of this process, still has. */
function availableBytes(): number {
  const [, available] = /^MemAvailable:\s*(\d+) kB$/m.exec(readProc('/proc/meminfo') ?? '') ?? [];
  const machine = available === undefined ? Number.POSITIVE_INFINITY : 1024 * Number(available);
  const [, group = '/'] = /^0::(.*)$/m.exec(readProc('/proc/self/cgroup') ?? '') ?? [];
  return Math.min(machine, ...cgroupsOf(group).map(leftIn));
}

/** The folders of a cgroup and of those around it. */
function cgroupsOf(group: string): string[] {
  const folder = path.join('/sys/fs/cgroup', group);
  return group === '/' || group === '.' ? [folder] : [folder, ...cgroupsOf(path.dirname(group))];
}

function leftIn(folder: string): number {
  const limit = readProc(path.join(folder, 'memory.max'))?.trim();
  const used = Number(readProc(path.join(folder, 'memory.current')));
  return limit === undefined || limit === 'max' || Number.isNaN(used) ? Number.POSITIVE_INFINITY : Number(limit) - used;
}
