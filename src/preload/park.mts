/** Stands behind the loaders that `--import` names, and waits there (see parking.cts). */

import { pathToFileURL } from 'node:url';
import type { PackageFile } from './orders.ts';

interface Parking {
  readonly packages: readonly PackageFile[];
  makeSamples(): readonly string[];
  requireHere(file: string): unknown;
  fail(item: PackageFile, error: unknown): never;
  park(): void;
}

const place: unique symbol = Symbol.for('devwatch.park');
const { [place]: parking } = globalThis as { [place]?: Parking };
Reflect.deleteProperty(globalThis, place);

if (parking !== undefined) {
  for (const sample of parking.makeSamples()) {
    // Not every Node compiles it, and it is not what the program is about.
    await import(pathToFileURL(sample).href).catch(() => {});
  }
  for (const item of parking.packages) {
    try {
      if (item.kind === 'require') parking.requireHere(item.file);
      else await import(pathToFileURL(item.file).href);
    } catch (error) {
      parking.fail(item, error);
    }
  }
  parking.park();
}
