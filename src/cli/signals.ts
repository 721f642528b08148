/** Signals to devwatch: Ctrl-C and its relatives, suspension, signals for the program, and npm's missing SIGTERM. */

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import type { ProgramSet } from '../run/program-set.ts';
import { forwardedSignals } from '../run/runner.ts';
import { systemClock } from '../shared/clock.ts';
import type { Reporter } from '../terminal/reporter.ts';

/** The same signal within this time is the same Ctrl-C: npm forwards the one that the terminal has already sent. */
const samePressMs = 200;
/** If stopping takes longer, say how to kill. */
const slowStopNoticeMs = 1500;
/** Under npm, devwatch looks this often whether its parent is still alive. */
const parentPollIntervalMs = 1000;

const stopSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** @param onStop called at each signal that stops devwatch */
export function handleSignals(group: ProgramSet, reporter: Reporter, onStop: () => void): void {
  const lastAt = new Map<NodeJS.Signals, number>();
  for (const signal of stopSignals) {
    process.on(signal, () => {
      const now = systemClock.now();
      if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < samePressMs) return;
      lastAt.set(signal, now);
      setTimeout(() => reporter.print('still stopping · press Ctrl-C again to kill'), slowStopNoticeMs).unref();
      onStop();
      group.stop({ kind: 'signal', signal });
    });
  }
  for (const signal of forwardedSignals) process.on(signal, () => group.signal(signal));
  // On a terminal the program is in devwatch's process group: the terminal sends it these signals.
  if (isatty(0) || !('SIGTSTP' in constants.signals)) return;
  process.on('SIGWINCH', () => group.signal('SIGWINCH'));
  process.on('SIGTSTP', () => {
    group.signal('SIGSTOP', 'tree');
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => group.signal('SIGCONT', 'tree'));
}

/**
 * Stops devwatch when npm's shell ends. npm forwards SIGTERM only to the shell that runs the script, which dies without
 * forwarding it (npm/cli#5776).
 */
export function stopWithNpm(group: ProgramSet): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    group.stop({ kind: 'signal', signal: 'SIGTERM' });
  }, parentPollIntervalMs).unref();
}

/** Returns a controller that is aborted by Ctrl-C, and when the reader of stdout has closed it. */
export function abortOnInterrupt(): AbortController {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  process.stdout.once('error', () => abort.abort());
  return abort;
}
