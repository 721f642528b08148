/** Memory, CPU time and writes of a process tree. */

import fs from 'node:fs';
import type { Clock } from '../../shared/clock.ts';
import { attempt } from '../../shared/errors.ts';
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

/** A tree's members are listed no more often than this: the list takes up to 6 ms to make, and a save may be waiting. */
const membersMs = 1000;

/** Counts what a tree writes to files, cheaply enough for 50 times a second. */
export class TreeWrites {
  readonly #tree: ProcessTree;
  readonly #clock: Clock;
  #members: readonly number[];
  #listedAt: number;

  /** @param root the only member so far, if that is known: a process that has just been started */
  constructor(tree: ProcessTree, clock: Clock, root?: number) {
    this.#tree = tree;
    this.#clock = clock;
    this.#members = root === undefined ? [] : [root];
    this.#listedAt = root === undefined ? Number.NEGATIVE_INFINITY : clock.now();
  }

  /**
   * Returns the bytes that the members and their children that have been waited for have written to files, in whole pages;
   * undefined without /proc. A file in memory (tmpfs) does not count.
   */
  read(): number | undefined {
    if (!platform.hasProc) return undefined;
    const now = this.#clock.now();
    if (now - this.#listedAt >= membersMs) {
      this.#members = this.#tree.scan().members.map(({ pid }) => pid);
      this.#listedAt = now;
    }
    return this.#members.reduce((sum, pid) => sum + writtenBy(pid), 0);
  }
}

/**
 * Returns the bytes that children of devwatch which have ended have written to files; undefined without /proc. The kernel
 * adds them to the count of the process, but not to those of its threads, which devwatch's own writes are in.
 */
export function writtenByEndedChildren(): number | undefined {
  if (!platform.hasProc) return undefined;
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

const writtenBy = (process: number | string): number =>
  Number(/^write_bytes: (\d+)$/m.exec(readProc(`/proc/${process}/io`) ?? '')?.[1] ?? 0);

/** Returns resident memory in bytes; 0 for a process that has just exited. */
function residentOf(pid: number): number {
  const proportional = /^Pss:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? '');
  const total = proportional ?? /^VmRSS:\s*(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '');
  return Number(total?.[1] ?? 0) * 1024;
}
