/**
 * The processes of the machine that can belong to no tree of this devwatch: those that are older than any of its programs,
 * and zombies. Once pids have wrapped around, most processes have higher pids than a new tree. They are read once, not at
 * each restart.
 */

import { isDead, type ProcessStat } from './proc.ts';

/** Returns a test whether pids have only ascended since now, when this was the last one, until another one. */
type AscentSince = (pid: number) => (now: number) => boolean;

export class UnrelatedProcesses {
  readonly #ascentSince: AscentSince;
  readonly #pids = new Set<number>();
  /** Start time of the oldest root, in clock ticks since boot. */
  #oldestRoot = Number.POSITIVE_INFINITY;
  /** The last pid before the first process was noted. */
  #seenTo = 0;
  #isAscending: (now: number) => boolean = () => false;
  #now = 0;

  /** @param ascentSince as in proc.ts; tests replace it */
  constructor(ascentSince: AscentSince) {
    this.#ascentSince = ascentSince;
  }

  /** A tree has been started; its root's start time is given in clock ticks since boot. */
  addRoot(startTime: number): void {
    this.#oldestRoot = Math.min(this.#oldestRoot, startTime);
  }

  /**
   * To be called at the beginning of each look, before pids are listed, with the last pid: others may have been given away
   * again since the look before.
   */
  revise(lastPid: number): void {
    if (!this.#isAscending(lastPid)) {
      this.#pids.clear();
      this.#seenTo = lastPid;
      this.#isAscending = this.#ascentSince(lastPid);
    }
    this.#now = lastPid;
  }

  /** Whether the process with this pid, which has just been listed, is one that has been noted. */
  includes(pid: number): boolean {
    return this.#pids.has(pid) && (pid <= this.#seenTo || pid > this.#now);
  }

  /** Notes a process that was read since `revise`, if it can belong to no tree. */
  note(stat: Pick<ProcessStat, 'pid' | 'startTime' | 'state'>): void {
    if (isDead(stat) || Number(stat.startTime) < this.#oldestRoot) this.#pids.add(stat.pid);
  }
}
