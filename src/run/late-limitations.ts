/** Limitations that have turned out while the program runs, until something shows that they are over. */

import type { DevwatchEvent, Feature, Limitation } from '../shared/events.ts';

export class LateLimitations {
  readonly #current = new Map<string, Limitation>();

  get list(): readonly Limitation[] {
    return [...this.#current.values()];
  }

  /** Takes each event of a program. */
  onEvent(event: DevwatchEvent): void {
    if (event.type === 'limitation') {
      const { type: _, ...limitation } = event;
      this.#current.set(JSON.stringify(limitation), limitation);
    }
    // The next run may open its ports in another way.
    if (event.type === 'start') this.#end('held ports');
    if (event.type === 'standby') this.#end('standby');
    if (event.type === 'standby' && event.packages !== undefined) this.#end('packages');
  }

  #end(feature: Feature): void {
    for (const [key, { features }] of this.#current) if (features.includes(feature)) this.#current.delete(key);
  }
}
