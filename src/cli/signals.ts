/** Signals to devwatch: Ctrl-C and its relatives, suspension, signals for the program, and npm's missing SIGTERM. */

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { isForeground, leadsForeground } from '../process/launch/tty.ts';
import { platform } from '../process/platform.ts';
import type { ProgramSet } from '../run/program-set.ts';
import { forwardedSignals } from '../run/runner.ts';
import { type StopRequest, StopRequests } from '../run/stop-requests.ts';
import { systemClock } from '../shared/clock.ts';
import type { StopReason } from '../shared/events.ts';
import type { Reporter } from '../terminal/reporter.ts';
import { exitCodes } from './print.ts';

/** Under npm, devwatch looks this often whether its parent is still alive. */
const parentPollIntervalMs = 1000;

/** SIGBREAK is Ctrl-Break on Windows. */
const stopSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGBREAK'];

/** Handles all signals to devwatch. @param onStop called once, at the first one that stops it */
export function handleSignals(group: ProgramSet, reporter: Reporter, onStop: () => void): StopRequests {
  const requests = new StopRequests({
    clock: systemClock,
    isDirect: leadsForeground,
    onStop(reason) {
      const isHangup = reason.kind === 'signal' && reason.signal === 'SIGHUP';
      if (isHangup) reporter.print('the terminal was closed (SIGHUP) · devwatch start runs it in the background');
      onStop();
      group.stop(reason);
    },
    onOffer: (request) => reporter.print(`still stopping · ${howToKill(request)}`),
    onKill: (reason) => group.kill(reason),
  });
  for (const signal of stopSignals) process.on(signal, () => requests.take(signal));
  stopWithNpm(requests);
  passOnSignals(group);
  return requests;
}

const howToKill = (request: StopRequest): string =>
  isForeground() ? 'press Ctrl-C again to kill' : `send ${request === 'q' ? 'SIGTERM' : request} again to kill`;

/** Passes signals on to the programs that would reach them without devwatch. */
function passOnSignals(group: ProgramSet): void {
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
 * Ends this process as the reason asks: by the signal, so that a shell that runs devwatch in a loop ends the loop and
 * begins a new line for its prompt; else by an exit code. SIGQUIT would write a core dump.
 *
 * @param reason undefined after an error of devwatch itself
 */
export function endProcess(reason: StopReason | undefined): void {
  if (reason?.kind === 'signal' && reason.signal !== 'SIGQUIT' && platform.isPosix) {
    process.removeAllListeners(reason.signal);
    // Does not return, unless this process is the first one of a container, which such signals do not end.
    process.kill(process.pid, reason.signal);
  }
  process.exit(exitCodeOf(reason));
}

function exitCodeOf(reason: StopReason | undefined): number {
  switch (reason?.kind) {
    case undefined:
      return exitCodes.failed;
    case 'requested':
      return 0;
    case 'signal':
      return 128 + constants.signals[reason.signal];
    case 'program': {
      const { code, signal } = reason.outcome;
      return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
    }
  }
}

/**
 * Stops devwatch when npm's shell ends. npm forwards SIGTERM only to the shell that runs the script, which dies without
 * forwarding it (npm/cli#5776).
 */
function stopWithNpm(requests: StopRequests): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    requests.stop('SIGTERM');
  }, parentPollIntervalMs).unref();
}

/** Returns a controller that is aborted by Ctrl-C, and when the reader of stdout has closed it. */
export function abortOnInterrupt(): AbortController {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  process.stdout.once('error', () => abort.abort());
  return abort;
}
