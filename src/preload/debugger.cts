/**
 * Knows whether a debugger can be attached to this process. Node lets a process whose program has ended wait until its
 * debugger disconnects: also one that sends itself a deadly signal, or calls `process.exit()` at a signal of devwatch.
 */

import type { reach as Reach } from './node-bindings.cts';

const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };

type Inspector = (name: 'inspector') => { url(): string | undefined };

/** Node's internals, of which programs replace `reallyExit` as well (signal-exit). */
type Process = Pick<NodeJS.Process, 'kill'> &
  NodeJS.EventEmitter & {
    readonly _exiting?: boolean;
    reallyExit(code: number): never;
  };

const own = process as unknown as Process;

/** Returns whether the inspector is open: by a flag, SIGUSR1 or the program. `node:inspector` would take 1 ms to load. */
const isInspected = (): boolean => reach((binding: Inspector) => binding('inspector').url()) !== undefined;

/**
 * Calls back once, when nothing of the program will run any more, if the inspector is open then: by a flag or a preload
 * before this one, or later by SIGUSR1 or the program.
 */
function reportEnd(onEnd: () => void): void {
  if (isInspected()) {
    watchEnd(onEnd);
    return;
  }
  // Node emits this for the workers of `cluster`.
  const onMessage = ({ cmd }: { cmd?: string }): void => {
    if (cmd !== 'NODE_DEBUG_ENABLED') return;
    own.off('internalMessage', onMessage);
    watchEnd(onEnd);
  };
  own.on('internalMessage', onMessage);
}

/** Replaces functions that a program can see. */
function watchEnd(onEnd: () => void): void {
  let isReported = false;
  const report = (): void => {
    if (isReported || !isInspected()) return;
    isReported = true;
    onEnd();
  };
  own.emit = new Proxy(own.emit, {
    apply(emit, self, args: unknown[]) {
      try {
        return Reflect.apply(emit, self, args);
      } finally {
        // The event loop is empty, or an error was not caught.
        if (args[0] === 'exit' && own._exiting === true) report();
      }
    },
  });
  own.reallyExit = new Proxy(own.reallyExit, {
    apply(exit, self, args: unknown[]) {
      report();
      return Reflect.apply(exit, self, args);
    },
  });
  own.kill = new Proxy(own.kill, {
    apply(kill, self, args: [pid: number, signal?: string | number]) {
      const [pid, signal = 'SIGTERM'] = args;
      const isDeadly = pid === process.pid && signal !== 0 && own.listenerCount(String(signal)) === 0;
      if (isDeadly) report();
      return Reflect.apply(kill, self, args);
    },
  });
}

export type { isInspected, reportEnd };

module.exports = { isInspected, reportEnd };
