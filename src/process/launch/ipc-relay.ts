import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';

/** Relays messages between devwatch's parent and the program, in both directions; returns a function that ends that. */
export function relayMessages(child: ChildProcess): () => void {
  if (process.send === undefined) return () => {};
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
  return () => {
    process.off('message', toProgram);
    process.off('disconnect', disconnect);
  };
}
