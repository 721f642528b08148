/**
 * Packages that the program has got, and that others use while they are loaded. The program may have configured them; the
 * others were loaded ahead of time without the configuration.
 */

import type { isSameShape as IsSameShape, Shape, shapeOf as ShapeOf } from './exports.cts';
import type { Ground } from './ground.cts';
import type { FileRecord } from './recorder.cts';

const { isSameShape, shapeOf } = require('./exports.cjs') as {
  isSameShape: typeof IsSameShape;
  shapeOf: typeof ShapeOf;
};

class HandedOver {
  readonly #ground: Ground;
  readonly #shapes = new Map<FileRecord, Shape>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Remembers what a file exports, before the program gets it; only if files of later entries use it. */
  add(record: FileRecord): void {
    if ([...record.users].some(({ entry }) => entry !== record.entry)) this.#remember(record);
  }

  /** A package has changed what this file exports, as it did ahead of time. */
  update(file: string): void {
    for (const record of this.#shapes.keys()) if (record.file === file) this.#remember(record);
  }

  /** Returns those of the files that need something which the program has changed. */
  affected(files: readonly FileRecord[]): FileRecord[] {
    const areChanged = new Map<FileRecord, boolean>();
    const isChanged = (record: FileRecord): boolean => {
      const shape = this.#shapes.get(record);
      if (shape === undefined) return false;
      let result = areChanged.get(record);
      if (result === undefined) {
        result = !isSameShape(shape, shapeOf(record.module?.exports, this.#ground));
        areChanged.set(record, result);
      }
      return result;
    };
    return files.filter((record) => [...record.needs].some((one) => one.entry !== record.entry && isChanged(one)));
  }

  #remember(record: FileRecord): void {
    this.#shapes.set(record, shapeOf(record.module?.exports, this.#ground));
  }
}

export type { HandedOver };

module.exports = { HandedOver };
