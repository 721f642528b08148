/** Memory and writes of a process, from Linux's /proc. */

import fs from 'node:fs';
import { attempt } from '../../shared/errors.ts';
import { readProc } from './proc.ts';

/**
 * Returns the bytes that children of devwatch which have ended have written to files; the kernel
 * adds them to the count of the process, but not to those of its threads, which devwatch's own writes are in.
 */
export function writtenByEndedChildren(): number {
  const total = writtenBy('self');
  // Neither has written since: the threads, a dozen files, need not be read before each run.
  if (total === latest.total) return latest.byChildren;
  const threads = attempt(() => fs.readdirSync('/proc/self/task')) ?? [];
  const own = threads.reduce((sum, thread) => sum + writtenBy(`self/task/${thread}`), 0);
  latest = { total, byChildren: Math.max(0, total - own) };
  return latest.byChildren;
}

/** What `writtenByEndedChildren` has found at its latest call. */
let latest = { total: -1, byChildren: 0 };

/** Returns the bytes that a process, or the one that a path below /proc names, has written to files; see `UsageFacts`. */
export const writtenBy = (process: number | string): number =>
  Number(/^write_bytes: (\d+)$/m.exec(readProc(`/proc/${process}/io`) ?? '')?.[1] ?? 0);

/** Returns resident memory in bytes; 0 for a process that has just exited. */
export function residentOf(pid: number): number {
  const proportional = /^Pss:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? '');
  const total = proportional ?? /^VmRSS:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '');
  return Number(total?.[1] ?? 0) * 1024;
}
