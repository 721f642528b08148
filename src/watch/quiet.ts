/**
 * When is a burst of changes over? One save spans at most 0.6 ms of events, `sed -i` leaves
 * gaps of 11 ms, a checkout 24, a formatter run 28 (measured on ext4). So the window adapts to
 * what has come in: a single file that is there and holds something is answered fast, one that
 * may be half saved a little later, and a burst is left to finish.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Change } from '../shared/events.ts';

export interface QuietOptions {
  readonly clock: Clock;
  /** A fixed window in ms; undefined lets it adapt. Asked for each time, for settings may change. */
  readonly delay: () => number | undefined;
  /** Whether something is known to be still writing, such as a git operation that holds its lock. */
  readonly busy: () => boolean;
  /** How long, in ms, the rest of a save of this path may take; 0 where it looks complete. */
  readonly restOfSave: (path: string) => number;
  /** The burst is over; each path stands once, with what happened to it last. */
  readonly onQuiet: (changes: readonly Change[]) => void;
}

export interface QuietWindow {
  push(change: Change): void;
  /** Forgets what has come in and never calls back again. */
  close(): void;
}

/**
 * On an idle machine 2 would do. On a busy one who saves many files may be interrupted after the first, for as
 * long as Linux lets another one compute: 3 ms, or a tick of 4.
 */
const singleWindow = 5;
const severalWindow = 60;
const burstWindow = 120;
/** Timers count in whole ms: what is due sooner than this is due now, or it would be waited for twice as long. */
const timerSlack = 0.5;
/** A program that writes without pause must not put a restart off for ever. */
const longestBurst = 2000;
/** What comes so soon after the end of a burst, in ms, shows that it was not over. */
const resumption = 100;
/** A lock that nobody holds any more (a killed git) must not either: not while nothing is written, … */
const longestLock = 2000;
/** … and not while somebody else goes on writing. A checkout of 80,000 files takes about 20 s. */
const longestLockedBurst = 30_000;

/**
 * The window in ms that fits what has come in so far: 5 for one file, 60 for several files, more
 * than 8 events or a burst that seemed to be over and goes on, 120 for more than 100 events or while something is known to be writing.
 */
export function adaptiveWindow(files: number, events: number, busy: boolean, resumed: boolean): number {
  if (busy || events > 100) return burstWindow;
  if (files > 1 || events > 8 || resumed) return severalWindow;
  return singleWindow;
}

export function createQuietWindow({ clock, delay, busy, restOfSave, onQuiet }: QuietOptions): QuietWindow {
  let changes = new Map<string, Change>();
  let events = 0;
  let firstAt = 0;
  let lastAt = 0;
  let endedAt = Number.NEGATIVE_INFINITY;
  let timer: CancelTimer | undefined;
  let closed = false;

  function dueAt(): number {
    const window = delay() ?? adaptiveWindow(changes.size, events, false, firstAt - endedAt < resumption);
    return Math.min(lastAt + window, firstAt + Math.max(window, longestBurst));
  }

  /** What is due is looked at once more when all that has come in meanwhile is known. */
  function wait(ms: number): CancelTimer {
    return clock.after(ms, () => {
      timer = clock.soon(check);
    });
  }

  function check(): void {
    timer = undefined;
    const now = clock.now();
    const due = dueAt() - now;
    const left = due > timerSlack ? due : Math.min(singleWindow, restOfSaves(now - lastAt));
    if (left > 0) {
      timer = wait(left);
    } else if (delay() === undefined && now - lastAt < longestLock && now - firstAt < longestLockedBurst && busy()) {
      timer = wait(adaptiveWindow(changes.size, events, true, false));
    } else {
      const burst = [...changes.values()];
      changes = new Map();
      events = 0;
      endedAt = now;
      onQuiet(burst);
    }
  }

  /** How much longer, after a pause of so many ms, what looks half saved may take. One that is complete tells that none is. */
  function restOfSaves(pause: number): number {
    if (delay() !== undefined) return 0;
    let rest = Number.POSITIVE_INFINITY;
    for (const path of changes.keys()) {
      rest = Math.min(rest, restOfSave(path) - pause);
      if (rest <= 0) return 0;
    }
    return rest;
  }

  return {
    push(change) {
      if (closed) return;
      lastAt = clock.now();
      if (events === 0) firstAt = lastAt;
      events += 1;
      changes.set(change.path, change);
      // One timer for the whole burst: it looks at the clock when it fires and waits on.
      timer ??= wait(Math.max(0, dueAt() - lastAt));
    },
    close() {
      closed = true;
      timer?.();
    },
  };
}
