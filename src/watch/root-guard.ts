/** Notices when a watched root is no longer the folder that it was: removed, made again, renamed, mounted, or behind another link. */

import path from 'node:path';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { timestampSlackMs } from './disk.ts';
import { isAnyOnMount } from './shared-mounts.ts';
import { createLook, type Step, stepsTo, Ways } from './ways.ts';

export interface RootGuardOptions {
  readonly clock: Clock;
  /** Absolute. */
  readonly roots: readonly string[];
  /** Interval in ms at which the roots are polled; undefined where the kernel reports events as Linux does. */
  readonly pollInterval: number | undefined;
  /** Called with the roots that are other folders now, or are gone. */
  readonly onMoved: (roots: readonly string[]) => void;
}

/** The steps to a root, as they were at a time (epoch ms). */
interface Way {
  readonly at: number;
  readonly steps: readonly Step[];
}

/** Interval where no watches are left. */
const fallbackIntervalMs = 1000;
/** No event tells that a file system is mounted or unmounted. Rare, so that devwatch may rest a little longer. */
const mountIntervalMs = 2000;

export class RootGuard {
  readonly #options: RootGuardOptions;
  readonly #known = new Map<string, Way>();
  readonly #ways: Ways | undefined;
  #cancelPoll: CancelTimer = () => {};
  #isClosed = false;

  constructor(options: RootGuardOptions) {
    const { roots, pollInterval } = options;
    this.#options = options;
    const onExhausted = (): void => this.#poll(fallbackIntervalMs);
    // A write changes no step of a way.
    const onEvent = (type: string, paths: ReadonlySet<string>): void => void (type === 'rename' && this.#check(paths));
    this.#ways = pollInterval === undefined ? new Ways({ onEvent, onExhausted }) : undefined;
    this.#read(roots);
    const places = [...this.#known.values()].flatMap(({ steps }) => steps.at(-1) ?? []);
    const mayBeUnmounted = isAnyOnMount(places.map(({ folder, name }) => path.join(folder, name)));
    if (pollInterval !== undefined) this.#poll(pollInterval);
    else if (mayBeUnmounted) this.#poll(mountIntervalMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelPoll();
    this.#ways?.close();
  }

  #check(roots: Iterable<string>): void {
    const look = createLook();
    const moved = [...roots].filter((root) => !leadsToTheSame(this.#known.get(root), stepsTo(root, look)));
    if (moved.length === 0) return;
    this.#read(moved);
    this.#options.onMoved(moved);
  }

  /** Takes the present ways to these roots as known. A folder is subscribed to before it is relied on. */
  #read(roots: readonly string[]): void {
    do {
      const at = Date.now();
      const look = createLook();
      for (const root of roots) this.#known.set(root, { at, steps: stepsTo(root, look) });
    } while (this.#ways?.follow(new Map([...this.#known].map(([root, { steps }]) => [root, steps]))) === true);
  }

  #poll(intervalMs: number): void {
    this.#cancelPoll();
    if (this.#isClosed) return;
    this.#cancelPoll = this.#options.clock.after(intervalMs, () => {
      this.#check(this.#known.keys());
      this.#poll(intervalMs);
    });
  }
}

/** Is what a way leads to still what was there before? A folder may get the inode number of the one that it replaces. */
function leadsToTheSame(known: Way | undefined, now: readonly Step[]): boolean {
  const { steps: before = [], at = 0 } = known ?? {};
  return (
    before.length === now.length &&
    now.every(({ identity, bornMs }, index) => {
      const step = before[index];
      const isYoung = identity !== '' && bornMs !== step?.bornMs && bornMs >= at - timestampSlackMs;
      return identity === step?.identity && !isYoung;
    })
  );
}
