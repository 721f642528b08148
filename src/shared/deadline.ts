import type { Clock } from './clock.ts';

/** Waits for `work`, but no longer than `ms` milliseconds. Resolves to undefined when the time is up first. */
export async function withDeadline<Value>(clock: Clock, ms: number, work: Promise<Value>): Promise<Value | undefined> {
  let cancel = (): void => {};
  const timeUp = new Promise<undefined>((resolve) => {
    cancel = clock.after(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([work, timeUp]);
  } finally {
    cancel();
  }
}
