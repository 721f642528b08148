/** Tells a save that changes something from one that leaves the content as it was. */

import fs from 'node:fs';
import type { Change } from '../shared/events.ts';
import { digestOf, inSlices, statsOf, timestampSlack } from './disk.ts';

export interface Digests {
  /**
   * Takes the content of these files as known, save for those touched at or after `since` (epoch ms):
   * what runs may have the content from before that.
   */
  learn(files: Iterable<string>, since: number, cancelled: () => boolean): Promise<void>;
  /** Those of the changes after which a file has another content than was known; it is known from then on. */
  changed(changes: readonly Change[]): readonly Change[];
}

/** Knows nothing at first. */
export function createDigests(): Digests {
  const known = new Map<string, string | undefined>();

  function* learning(files: Iterable<string>, since: number): Generator<void> {
    for (const file of files) {
      const digest = digestOf(file);
      // Asked after the content was read: a write in between must not pass for known.
      const touchedAt = statsOf(file, fs.statSync)?.ctimeMs ?? Number.POSITIVE_INFINITY;
      if (!known.has(file) && touchedAt < since - timestampSlack) known.set(file, digest);
      yield;
    }
  }

  return {
    learn: (files, since, cancelled) => inSlices(learning(files, since), cancelled),
    changed: (changes) =>
      changes.filter(({ path }) => {
        const before = known.get(path);
        const now = digestOf(path);
        known.set(path, now);
        return before !== now;
      }),
  };
}
