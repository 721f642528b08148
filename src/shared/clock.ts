/** Time as the parts that wait see it; tests inject a virtual one. */
export interface Clock {
  /** Milliseconds that only grow; the origin means nothing. */
  now(): number;
  /** Calls `callback` once after `ms` milliseconds, unless the returned function is called first. */
  after(ms: number, callback: () => void): CancelTimer;
  /** Calls `callback` once all events that have come in are handled; after a delay of the loop, timers come before them. */
  soon(callback: () => void): CancelTimer;
}

/** The longest timer that Node takes, in ms; a longer one fires at once. */
export const maxTimerMs: number = 2 ** 31 - 1;

export type CancelTimer = () => void;

/** The process's own clock. Its timers keep the event loop alive. */
export const systemClock: Clock = {
  // Node loads 12 modules for `performance`: 0.15 MB.
  now() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  soon(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
};
