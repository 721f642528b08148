/** Waits with a deadline of their own, so that a failure names what was awaited and what was there instead. */

/** Below vitest's own time-out of a test, which would name neither. Longer for the recipes, which compile with frameworks. */
const deadlineMs = Number(process.env.DEVWATCH_TEST_DEADLINE_MS ?? 20_000);

const pollIntervalMs = 4;

/** Reports what has happened so far, one entry a line. */
export type Report = () => readonly string[];

const noReport: Report = () => [];

const failure = (what: string, report: Report): Error =>
  new Error([`waited ${deadlineMs / 1000} s for: ${what}`, ...report()].join('\n  '));

/**
 * Awaits a promise.
 *
 * @throws when it has not settled within the deadline; the message holds `what` and the report
 */
export async function within<T>(what: string, promise: Promise<T>, report: Report = noReport): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failure(what, report)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export type Condition = () => boolean | Promise<boolean>;

/**
 * Polls until a condition holds, for facts of the kernel and the file system, which announce themselves to nobody.
 * Without a description the failure quotes the condition.
 *
 * @throws when it does not hold within the deadline
 */
export function until(condition: Condition): Promise<void>;
export function until(what: string, condition: Condition, report?: Report): Promise<void>;
export async function until(first: string | Condition, second?: Condition, report: Report = noReport): Promise<void> {
  const condition = typeof first === 'string' ? second : first;
  if (condition === undefined) throw new TypeError('until needs a condition');
  const endAt = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endAt) throw failure(String(first), report);
    await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
  }
}
