/** A clock that stands still until a test moves it. */

import type { Clock } from '../../src/shared/clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time on, and calls on the way what is due, in the order of its times. */
  advance(ms: number): void;
  /** How many timers wait. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export function createClock(): VirtualClock {
  let now = 1000;
  const timers = new Set<Timer>();

  function nextUntil(end: number): Timer | undefined {
    const [first] = [...timers].filter((timer) => timer.at <= end).sort((one, other) => one.at - other.at);
    return first;
  }

  function after(ms: number, callback: () => void): () => void {
    const timer = { at: now + ms, callback };
    timers.add(timer);
    return () => timers.delete(timer);
  }

  return {
    now: () => now,
    after,
    soon: (callback) => after(0, callback),
    advance(ms) {
      const end = now + ms;
      for (let timer = nextUntil(end); timer !== undefined; timer = nextUntil(end)) {
        timers.delete(timer);
        now = Math.max(now, timer.at);
        timer.callback();
      }
      now = end;
    },
    get pending() {
      return timers.size;
    },
  };
}
