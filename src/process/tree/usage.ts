/** Memory and CPU time of a process tree. */

import { platform } from '../platform.ts';
import { cpuTimeOf, readProc } from './proc.ts';
import type { ProcessTree } from './tree.ts';

/**
 * Returns the resident memory of a tree's members in bytes, 0 when there are none; undefined without
 * Linux's /proc. Memory that several processes share counts once, except for members of other users,
 * of which only the total is readable.
 */
export function treeMemory(tree: ProcessTree): number | undefined {
  if (!platform.hasProc) return undefined;
  return tree.scan().members.reduce((sum, { pid }) => sum + residentOf(pid), 0);
}

/** Returns the CPU time in ms that a tree's members and their exited children have used; undefined without /proc. */
export function treeCpuTime(tree: ProcessTree): number | undefined {
  if (!platform.hasProc) return undefined;
  return tree.scan().members.reduce((sum, { pid }) => sum + (cpuTimeOf(pid, 'with its ended children') ?? 0), 0);
}

/** Returns resident memory in bytes; 0 for a process that has just exited. */
function residentOf(pid: number): number {
  const proportional = /^Pss:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? '');
  const total = proportional ?? /^VmRSS:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '');
  return Number(total?.[1] ?? 0) * 1024;
}
