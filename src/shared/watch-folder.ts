/**
 * Subscriptions to folders, and what they do to each other. On macOS all subscriptions of a process share one event
 * stream, which libuv replaces whenever one is opened or closed: what happens in between is not reported to anybody.
 */

import fs from 'node:fs';

const listeners = new Set<() => void>();

/** Subscribes to a folder like `fs.watch`, and tells all who asked that a stream of events has been replaced. Throws like `fs.watch`. */
export function watchFolder(
  folder: string,
  options: { readonly recursive?: boolean; readonly persistent?: boolean } = {},
): fs.FSWatcher {
  const subscription = fs.watch(folder, options);
  interrupt();
  return subscription.once('close', interrupt);
}

function interrupt(): void {
  for (const listener of listeners) listener();
}

/** Calls `listener` whenever a subscription is opened or closed; returns a function that ends this. */
export function onInterruption(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
