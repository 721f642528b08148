/**
 * The children of this process, for systems on which they cannot be found once it is dead: it names them when it ends,
 * and waits until devwatch has ended them. Their pids cannot have been given to other processes by then.
 */

import type { ChildProcess } from 'node:child_process';
import type { Channel } from './protocol.ts' with { 'resolution-mode': 'import' };

const { subscribe } = require('node:diagnostics_channel') as typeof import('node:diagnostics_channel');

const children = new Set<ChildProcess>();
let channel: Channel | undefined;

const isAlive = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid !== undefined && exitCode === null && signalCode === null;

/** Watches which children the program starts, and when it ends. */
function watchChildren(devwatch: Channel): void {
  channel = devwatch;
  subscribe('child_process', (message) => {
    watchEnd();
    for (const child of children) if (child.pid !== undefined && !isAlive(child)) children.delete(child);
    children.add((message as { readonly process: ChildProcess }).process);
  });
}

let isEndWatched = false;

/** Names the children after all handlers of `exit` have run, and before Node prints an error that was not caught. */
function watchEnd(): void {
  if (isEndWatched) return;
  isEndWatched = true;
  const emit = new Proxy(process.emit, {
    apply(target, self, args: unknown[]) {
      try {
        return Reflect.apply(target, self, args);
      } finally {
        if (args[0] === 'exit' && (process as { readonly _exiting?: boolean })._exiting === true) nameChildren();
      }
    },
  });
  Object.defineProperty(process, 'emit', { value: emit, configurable: true, writable: true });
}

/** Names the children that are alive, and waits for their end. */
function nameChildren(): void {
  const pids = [...children].filter(isAlive).flatMap(({ pid }) => pid ?? []);
  children.clear();
  if (pids.length > 0) channel?.request({ type: 'leaves', pids });
}

export type { nameChildren, watchChildren };

module.exports = { nameChildren, watchChildren };
