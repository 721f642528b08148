/** Runs after the loaders that `--import` names, and waits there (see parking.cts). */

import { pathToFileURL } from 'node:url';
import type { Parking } from './parking.cts';

const key: unique symbol = Symbol.for('devwatch.park');
const { [key]: parking } = globalThis as { [key]?: Parking };
Reflect.deleteProperty(globalThis, key);

if (parking !== undefined) {
  for (const sample of parking.makeSamples()) {
    // Some Node versions cannot compile the sample; only its side effect matters.
    await import(pathToFileURL(sample).href).catch(() => {});
  }
  const steps = parking.steps(true);
  for (let step = steps.next(); step.done !== true; ) {
    const error: unknown = await import(step.value).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    step = steps.next(error);
  }
}
