import type { Change } from '../shared/events.ts';
import { fingerprintOf, inSlices, maxComparedBytes, statsOf, timestampSlackMs } from './disk.ts';

/** The contents of one burst of changes that are compared: meanwhile devwatch hears no signal. */
const maxBurstBytes = 50_000_000;

/** Distinguishes saves that change the content of a file from those that do not. */
export class Digests {
  readonly #known = new Map<string, string | undefined>();

  /**
   * Reads these files, and takes their content as known, except for files touched at or after `since` (epoch ms):
   * the program may have loaded an earlier content.
   */
  learn(files: Iterable<string>, since: number, isCancelled: () => boolean): Promise<void> {
    return inSlices(this.#learning(files, since), isCancelled);
  }

  /** Returns the changes that gave a file another content than the known one; the new content is known from then on. */
  changed(changes: readonly Change[]): readonly Change[] {
    let left = maxBurstBytes;
    return changes.filter(({ path }) => {
      const before = this.#known.get(path);
      const now = fingerprintOf(path, Math.min(left, maxComparedBytes));
      left = Math.max(0, left - (statsOf(path)?.size ?? 0));
      this.#known.set(path, now);
      return before !== now;
    });
  }

  *#learning(files: Iterable<string>, since: number): Generator<void> {
    for (const file of files) {
      const fingerprint = fingerprintOf(file);
      // After the content was read: a write between the two must not pass for known.
      const touchedAt = statsOf(file)?.ctimeMs ?? Number.POSITIVE_INFINITY;
      if (!this.#known.has(file) && touchedAt < since - timestampSlackMs) this.#known.set(file, fingerprint);
      yield;
    }
  }
}
