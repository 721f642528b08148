/** Memory, CPU time and writes of a process tree. */

import type { Clock } from '../../shared/clock.ts';
import { platform } from '../platform.ts';
import type { ProcessTree } from './tree.ts';

/**
 * Returns the resident memory of a tree's members in bytes, 0 when there are none; undefined where that
 * is unknown. Memory that several processes share counts once, except for members of other users,
 * of which only the total is readable.
 */
export function treeMemory(tree: ProcessTree): number | undefined {
  return platform.usage.memoryOf(tree.scan().members.map(({ pid }) => pid));
}

/** Returns the CPU time in ms that a tree's members and their exited children have used; undefined where that is unknown. */
export function treeCpuTime(tree: ProcessTree): number | undefined {
  return platform.usage.cpuTimeOf(tree.scan().members.map(({ pid }) => pid));
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
   * undefined where that is unknown. A file in memory (tmpfs) does not count.
   */
  read(): number | undefined {
    if (platform.usage.writtenBy([]) === undefined) return undefined;
    const now = this.#clock.now();
    if (now - this.#listedAt >= membersMs) {
      this.#members = this.#tree.scan().members.map(({ pid }) => pid);
      this.#listedAt = now;
    }
    return platform.usage.writtenBy(this.#members);
  }
}
