/** Messages over Node's IPC between the process that started devwatch and the program. */

import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';

/** Relays messages between devwatch's parent and the program, in both directions. */
export function relayMessages(child: ChildProcess): void {
  if (process.send === undefined) return;
  const toProgram = (message: Serializable, handle: SendHandle): void => {
    if (child.connected) child.send(message, handle);
  };
  const disconnect = (): void => {
    if (child.connected) child.disconnect();
  };
  child.on('message', (message, handle) => {
    if (process.connected) process.send?.(message, handle);
  });
  process.on('message', toProgram);
  process.on('disconnect', disconnect);
  child.once('exit', () => {
    process.off('message', toProgram);
    process.off('disconnect', disconnect);
  });
}
