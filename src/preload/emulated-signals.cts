/** Signals of devwatch on systems that have none (Windows): messages, which have the effect of signals. */

import type { nameChildren as NameChildren } from './children.cts';

/** Numbers of the signals that programs get beside their names; Windows does not know them all. */
const numbers: Readonly<Record<string, number>> = {
  ...{ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGUSR1: 10, SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15 },
  ...{ SIGCHLD: 17, SIGCONT: 18, SIGTSTP: 20, SIGURG: 23, SIGWINCH: 28, SIGIO: 29, SIGPWR: 30 },
};

/** Signals that end no program which does not handle them. */
const harmless: readonly string[] = ['SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH'];

/** Calls the program's handlers of a signal, or ends this process if there are none. @param kill Node's own `process.kill` */
function takeSignal(signal: NodeJS.Signals, kill: typeof process.kill): void {
  if (process.listenerCount(signal) > 0) {
    (process as NodeJS.EventEmitter).emit(signal, signal, numbers[signal]);
    return;
  }
  if (harmless.includes(signal)) return;
  (require('./children.cjs') as { nameChildren: typeof NameChildren }).nameChildren();
  Reflect.apply(kill, process, [process.pid, 'SIGKILL']);
}

export type { takeSignal };

module.exports = { takeSignal };
