/**
 * Finds out what happened to each file of a burst: editors and git save by deleting a file and creating it again, or by
 * a rename over it, which is a change of the file all the same. Needed where the kind of event decides (`events`).
 */

import type { Settings } from '../config/settings-types.ts';
import type { Clock } from '../shared/clock.ts';
import type { Change } from '../shared/events.ts';

/** A file that is created this soon after it was deleted has been replaced. */
const replacementMs = 2000;

/** The names that settings have for kinds of events. */
const names: Readonly<Record<Change['kind'], EventName>> = { add: 'add', change: 'change', unlink: 'delete' };

type EventName = Settings['events'][number];

/** Returns the name of a change in the settings. */
export const eventNameOf = ({ kind }: Change): EventName => names[kind];

/** Returns whether some kinds of events do not count. */
export const leavesOutEvents = ({ events }: Settings): boolean =>
  Object.values(names).some((name) => !events.includes(name));

export class EventKinds {
  readonly #clock: Pick<Clock, 'now'>;
  /** The first event of each file in the burst. */
  readonly #first = new Map<string, Change['kind']>();
  /** When files were deleted that have not been created again. */
  readonly #deleted = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Takes note of an event. */
  push({ path, kind }: Change): void {
    if (!this.#first.has(path)) this.#first.set(path, kind);
  }

  /** Returns the changes of a complete burst, each with the kind that all of its events amount to. */
  conclude(burst: readonly Change[]): readonly Change[] {
    const now = this.#clock.now();
    for (const [file, at] of this.#deleted) if (now - at > replacementMs) this.#deleted.delete(file);
    const changes = burst.map((change): Change => {
      const { path, kind } = change;
      const hasExisted = (this.#first.get(path) ?? kind) !== 'add' || this.#deleted.has(path);
      if (kind === 'unlink') this.#deleted.set(path, now);
      else this.#deleted.delete(path);
      return { ...change, kind: kind === 'unlink' ? kind : hasExisted ? 'change' : 'add' };
    });
    this.#first.clear();
    return changes;
  }
}
