/**
 * Terminates a process tree, and proves that it is gone.
 *
 * - `delivered`: the terminal has already sent SIGINT to every member; only wait for them to exit.
 * - `terminating`: send the stop signal once to every member, also to those that appear later (a helper started by a
 *   signal handler). SIGCONT follows, because a stopped process only queues a signal.
 * - `killing`: SIGKILL, in one step where the tree has one; else stop every member as soon as it is found, so that it
 *   cannot fork, then kill; repeat until nothing is left.
 *
 * The tree is gone when a scan finds no member and no process was born unseen during the scan. The root's `exit` is
 * only a reason to scan: a grandchild may live on, and `close` may never come while one holds the output open.
 */

import type { CancelTimer, Clock } from '../../shared/clock.ts';
import { createDeferred } from '../../shared/deferred.ts';
import type { StopStage, Survivor } from '../../shared/events.ts';
import { platform } from '../platform.ts';
import { type Member, memberKey, type ProcessTree } from './tree.ts';

export interface TerminationOptions {
  readonly tree: ProcessTree;
  readonly signal: NodeJS.Signals;
  /** Asks the root process to exit by other means than the signal; `ask` returns false if that was not possible. */
  readonly askRoot?: { readonly pid: number; readonly ask: () => boolean } | undefined;
  readonly clock: Clock;
  /** Called once. `survivors` could not be ended: they belong to other users, or are stuck in the kernel. */
  readonly onGone: (survivors: readonly Survivor[]) => void;
}

/** Pauses between two scans, in ms: short at first, because most programs exit within a few milliseconds. */
const minPauseMs = 4;
const maxPauseMs = 50;
/** Scanning takes at most this share of the time. */
const maxScanShare = 0.2;
/** Time from the first SIGKILL until the members that are left count as survivors. */
const killDeadlineMs = 2000;

/** The termination of a tree in stages; the caller decides when to escalate. */
export class Termination {
  readonly #options: TerminationOptions;
  #stage: StopStage = 'delivered';
  #pauseMs = minPauseMs;
  #cancelScan: CancelTimer | undefined;
  #killedAt = 0;
  #isGone = false;
  readonly #asked = new Set<string>();
  readonly #denied = new Set<string>();

  constructor(options: TerminationOptions) {
    this.#options = options;
  }

  /** Enters a stage, which must not be before the present one, and scans at once. */
  escalate(stage: StopStage): void {
    if (stage === 'killing' && this.#stage !== 'killing') this.#killedAt = this.#options.clock.now();
    this.#stage = stage;
    this.scanNow();
  }

  /** Scans at once, as after the exit of the root. */
  scanNow(): void {
    this.#pauseMs = minPauseMs;
    this.#scan();
  }

  #scan(): void {
    if (this.#isGone) return;
    const { tree, clock } = this.#options;
    const startedAt = clock.now();
    const isKilling = this.#stage === 'killing';
    const { members, proven } = tree.scan((member) => (isKilling ? this.#freeze(member) : this.#ask(member)));
    const isEmpty = members.length === 0 && proven;
    if (isKilling && !isEmpty) this.#kill(members);
    if (isEmpty || (isKilling && startedAt - this.#killedAt >= killDeadlineMs)) this.#finish(members);
    else this.#schedule(clock.now() - startedAt);
  }

  #schedule(scanTookMs: number): void {
    this.#cancelScan?.();
    const pauseMs = Math.max(this.#pauseMs, scanTookMs / maxScanShare);
    this.#cancelScan = this.#options.clock.after(pauseMs, () => this.#scan());
    this.#pauseMs = Math.min(this.#pauseMs * 1.5, maxPauseMs);
  }

  #ask(member: Member): void {
    const { signal, askRoot } = this.#options;
    if (this.#stage !== 'terminating' || this.#asked.has(memberKey(member))) return;
    this.#asked.add(memberKey(member));
    if (member.pid !== askRoot?.pid || !askRoot.ask()) this.#send(member, signal);
    if (platform.isPosix) this.#send(member, 'SIGCONT');
  }

  #kill(members: readonly Member[]): void {
    const { tree } = this.#options;
    const left = tree.killAll?.(members) ?? members;
    for (const member of left) this.#send(member, 'SIGKILL');
  }

  #freeze(member: Member): void {
    if (this.#options.tree.killAll === undefined && platform.isPosix) this.#send(member, 'SIGSTOP');
  }

  #send(member: Member, signal: NodeJS.Signals): void {
    if (this.#options.tree.signal(member, signal) === 'denied') this.#denied.add(memberKey(member));
  }

  #finish(survivors: readonly Member[]): void {
    const { tree, onGone } = this.#options;
    this.#isGone = true;
    this.#cancelScan?.();
    onGone(survivors.map((member) => tree.describe(member, this.#denied.has(memberKey(member)))));
    // The next run need not wait for it.
    tree.release?.();
  }
}

/**
 * Sends a tree the stop signal, and SIGKILL to what is left of it after a grace period; 0 sends SIGKILL at once. `gone`
 * resolves to the members that could not be ended; call `scanNow` after the root's exit for a shorter wait.
 */
export function terminateTree(
  tree: ProcessTree,
  { signal, graceMs, clock }: { readonly signal: NodeJS.Signals; readonly graceMs: number; readonly clock: Clock },
): { readonly gone: Promise<readonly Survivor[]>; readonly scanNow: () => void } {
  const gone = createDeferred<readonly Survivor[]>();
  const termination = new Termination({ tree, signal, clock, onGone: gone.resolve });
  const cancelKill = graceMs === 0 ? undefined : clock.after(graceMs, () => termination.escalate('killing'));
  termination.escalate(graceMs === 0 ? 'killing' : 'terminating');
  return { gone: gone.promise.finally(cancelKill), scanNow: () => termination.scanNow() };
}
