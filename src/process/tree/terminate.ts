/**
 * Ends a process tree, and proves it.
 *
 * - `told`: the terminal has already sent SIGINT to every member; only watch them end.
 * - `asked`: the stop signal to every member once, also to those that appear later (a helper
 *   started inside the signal handler), each with SIGCONT, for a stopped process only notes
 *   a signal.
 * - `killed`: SIGKILL, in one step where the tree has one; else freeze every member as it is
 *   found, so that none forks away, and kill; again until nothing is left.
 *
 * It is over when a look finds no member and nothing was born unseen during it. `exit` of the
 * root is only a reason to look: a grandchild may live on, and `close` may never come while one
 * holds the output open.
 */

import type { CancelTimer, Clock } from '../../shared/clock.ts';
import type { StopStage, Survivor } from '../../shared/events.ts';
import { type Member, memberKey, type ProcessTree } from './tree.ts';

export interface EndingOptions {
  readonly tree: ProcessTree;
  readonly signal: NodeJS.Signals;
  /** Asks the root process in another way than by the signal. */
  readonly askRoot?: { readonly pid: number; readonly ask: () => void } | undefined;
  readonly clock: Clock;
  /** Called once. `survivors` could not be ended: other users' processes, or ones stuck in the kernel. */
  readonly onGone: (survivors: readonly Survivor[]) => void;
}

export interface TreeEnding {
  /** Goes on to a stage; never back. */
  push(stage: StopStage): void;
  /** The root has exited: look at once. */
  rootExited(): void;
}

/** Between two looks, in ms: short at first, for most programs end in a few milliseconds. */
const firstPause = 4;
const longestPause = 50;
/** A look may take this share of the time at most. */
const lookShare = 0.2;
/** From the first SIGKILL to giving up on what does not die, in ms. */
const killDeadline = 2000;

export function endTree({ tree, signal, askRoot, clock, onGone }: EndingOptions): TreeEnding {
  let stage: StopStage = 'delivered';
  let pause = firstPause;
  let timer: CancelTimer | undefined;
  let killedAt = 0;
  let over = false;
  const asked = new Set<string>();
  const denied = new Set<string>();

  function send(member: Member, name: NodeJS.Signals): void {
    if (tree.signal(member, name) === 'denied') denied.add(memberKey(member));
  }

  function ask(member: Member): void {
    if (stage !== 'terminating' || asked.has(memberKey(member))) return;
    asked.add(memberKey(member));
    if (member.pid === askRoot?.pid) askRoot.ask();
    else send(member, signal);
    if (process.platform !== 'win32') send(member, 'SIGCONT');
  }

  function freeze(member: Member): void {
    if (tree.killAll === undefined && process.platform !== 'win32') send(member, 'SIGSTOP');
  }

  function look(): void {
    if (over) return;
    const began = clock.now();
    const { members, proven } = tree.look(stage === 'killing' ? freeze : ask);
    if (members.length === 0 && proven) {
      finish([]);
      return;
    }
    if (stage === 'killing') {
      if (tree.killAll === undefined) for (const member of members) send(member, 'SIGKILL');
      else tree.killAll();
      if (began - killedAt >= killDeadline) {
        finish(members);
        return;
      }
    }
    schedule(clock.now() - began);
  }

  function schedule(lookTook: number): void {
    timer?.();
    timer = clock.after(Math.max(pause, lookTook / lookShare), look);
    pause = Math.min(pause * 1.5, longestPause);
  }

  function finish(members: readonly Member[]): void {
    over = true;
    timer?.();
    tree.release?.();
    onGone(members.map((member) => tree.describe(member, denied.has(memberKey(member)))));
  }

  return {
    push(next) {
      if (next === 'killing' && stage !== 'killing') killedAt = clock.now();
      stage = next;
      pause = firstPause;
      look();
    },
    rootExited() {
      pause = firstPause;
      look();
    },
  };
}
