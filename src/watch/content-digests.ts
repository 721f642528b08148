/** Distinguishes saves that change the content of a file from those that do not. */

import fs from 'node:fs';
import type { Change } from '../shared/events.ts';
import { fingerprintOf, inSlices, statsOf, timestampSlackMs } from './disk.ts';

export interface Digests {
  /**
   * Reads these files, and takes their content as known, except for files touched at or after `since` (epoch ms):
   * the program may have loaded an earlier content.
   */
  learn(files: Iterable<string>, since: number, isCancelled: () => boolean): Promise<void>;
  /** Returns the changes that gave a file another content than the known one; the new content is known from then on. */
  changed(changes: readonly Change[]): readonly Change[];
}

/** Returns digests that know no file yet. */
export function createDigests(): Digests {
  const known = new Map<string, string | undefined>();

  function* learning(files: Iterable<string>, since: number): Generator<void> {
    for (const file of files) {
      const fingerprint = fingerprintOf(file);
      // After the content was read: a write between the two must not pass for known.
      const touchedAt = statsOf(file, fs.statSync)?.ctimeMs ?? Number.POSITIVE_INFINITY;
      if (!known.has(file) && touchedAt < since - timestampSlackMs) known.set(file, fingerprint);
      yield;
    }
  }

  return {
    learn: (files, since, isCancelled) => inSlices(learning(files, since), isCancelled),
    changed: (changes) =>
      changes.filter(({ path }) => {
        const before = known.get(path);
        const now = fingerprintOf(path);
        known.set(path, now);
        return before !== now;
      }),
  };
}
