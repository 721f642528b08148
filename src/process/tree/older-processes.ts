/**
 * The processes that are older than any tree of this devwatch, so that none of them can belong to one. Once pids have
 * wrapped around, most processes of the machine have higher pids than a new tree. They are read once, not at each restart.
 */

/** Knows how pids are given out; tests replace it. */
export interface PidOrder {
  readonly lastPid: () => number;
  /** Returns a test whether pids have only ascended since now, when this was the last one. */
  readonly ascentSince: (pid: number) => () => boolean;
}

export class OlderProcesses {
  readonly #order: PidOrder;
  readonly #pids = new Set<number>();
  /** Start time of the oldest root, in clock ticks since boot. */
  #oldestRoot = Number.POSITIVE_INFINITY;
  /** The last pid before the first process was noted. */
  #seenTo = 0;
  #isAscending: () => boolean = () => false;
  #now = 0;

  constructor(order: PidOrder) {
    this.#order = order;
  }

  /** A tree has been started; its root's start time is given in clock ticks since boot. */
  addRoot(startTime: number): void {
    this.#oldestRoot = Math.min(this.#oldestRoot, startTime);
  }

  /** To be called at the beginning of each look, before pids are listed: a pid may have been given to another process since. */
  revise(): void {
    if (!this.#isAscending()) {
      this.#pids.clear();
      this.#seenTo = this.#order.lastPid();
      this.#isAscending = this.#order.ascentSince(this.#seenTo);
    }
    this.#now = this.#order.lastPid();
  }

  /** Whether the process with this pid, which has just been listed, is one that has been noted. */
  includes(pid: number): boolean {
    return this.#pids.has(pid) && (pid <= this.#seenTo || pid > this.#now);
  }

  /** Notes a process that was read since `revise`, if it is older than all trees. */
  note(pid: number, startTime: number): void {
    if (startTime < this.#oldestRoot) this.#pids.add(pid);
  }
}
