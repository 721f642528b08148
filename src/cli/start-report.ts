/** Waits for the result of a start or restart in the background, and describes it. */

import type { StartResult } from '../background/daemonize.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { Next } from '../shared/events.ts';
import { formatTime } from '../shared/format.ts';

/** After this time `start` and `restart` no longer wait for the program to be up. */
export const startTimeoutMs = 30_000;
/** If a start takes longer, a notice is printed. A program without a port counts as running after 3 s. */
const slowStartNoticeMs = 5000;

/** `late`: the result was not known in time. */
export type AwaitedResult = StartResult | { readonly state: 'late' };

/** Waits for the result, for 30 s at most. */
export async function awaitResult(name: string, starting: Promise<StartResult>): Promise<AwaitedResult> {
  const cancelNotice = systemClock.after(
    slowStartNoticeMs,
    () => void process.stderr.write(`${name} is not up yet · Ctrl-C leaves it running\n`),
  );
  try {
    return (await withDeadline(systemClock, startTimeoutMs, starting)) ?? { state: 'late' };
  } finally {
    cancelNotice();
  }
}

interface StartReport {
  /** Exit code. */
  readonly code: 0 | 1;
  /** Message, and the last output of a program that failed. */
  readonly lines: readonly string[];
}

interface ReportOptions {
  /** Adds "again": the program ran before. */
  readonly isRestart?: boolean;
  /** pid of devwatch. */
  readonly pid: number;
  /** Describes what devwatch does next, if that is known. */
  readonly describeNext?: (next: Next['kind']) => string;
}

/** Describes the result of a start or restart. */
export function describeResult(name: string, result: AwaitedResult, options: ReportOptions): StartReport {
  const { isRestart = false, pid, describeNext } = options;
  const again = isRestart ? ' again' : '';
  const logs = `logs: devwatch logs ${name}`;
  const report = (code: 0 | 1, ...parts: readonly (string | undefined)[]): StartReport => ({
    code,
    lines: [
      `${name} ${parts.filter((part) => part !== undefined).join(' · ')}`,
      ...('tail' in result ? (result.tail ?? []) : []).map((line) => `  ${line}`),
    ],
  });
  const where = `pid ${pid} · ${logs}`;
  switch (result.state) {
    case 'up': {
      const port = result.port === undefined ? undefined : `port ${result.port}`;
      return report(0, `is up${again} after ${formatTime(result.ms)}`, port, where);
    }
    case 'running':
      return report(0, `is running${again}`, where);
    case 'ended':
      return report(0, `has run${again} and ended`, describeNext?.(result.next), where);
    case 'failed':
      return report(1, `failed: ${result.reason}`, describeNext?.(result.next), where);
    case 'late':
      return report(1, `is not up${again} after ${formatTime(startTimeoutMs)}`, 'it keeps running', where);
    case 'gone':
      return report(1, `ended before it was up${again}`, logs);
  }
}
