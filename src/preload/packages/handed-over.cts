/**
 * Packages that the program has got, and that others use while they are loaded. The program may have configured them; the
 * others were loaded ahead of time without the configuration.
 */

import type { isStill as IsStill, Shape, shapeOf as ShapeOf } from './exports.cts';
import type { Ground } from './ground.cts';
import type { packageFolderOf as PackageFolderOf } from './internals.cts';
import type { isUnchanged as IsUnchanged } from './late-loads.cts';
import type { EntryRecord, FileRecord } from './recorder.cts';
import type { closureOf as ClosureOf } from './related-files.cts';

const { isStill, shapeOf } = require('./exports.cjs') as {
  isStill: typeof IsStill;
  shapeOf: typeof ShapeOf;
};
const { isUnchanged } = require('./late-loads.cjs') as { isUnchanged: typeof IsUnchanged };
const { closureOf } = require('./related-files.cjs') as { closureOf: typeof ClosureOf };
const { packageFolderOf } = require('./internals.cjs') as { packageFolderOf: typeof PackageFolderOf };

class HandedOver {
  readonly #ground: Ground;
  readonly #shapes = new Map<FileRecord, Shape>();
  /** The exports of these files: the program may put something else in their place (`require.cache[file].exports = …`). */
  readonly #exports = new Map<FileRecord, unknown>();
  /** The places of entries in the order in which they were loaded. */
  readonly #places: ReadonlyMap<string, number>;
  /** Their files. */
  readonly #entries: readonly FileRecord[];
  /** The places at which the program has asked for packages, by their folders. */
  readonly #asked = new Map<string, number>();
  /** The last of these places. */
  #latest = -1;
  /** Entries that Node has linked before it has evaluated anything that was loaded ahead of time. */
  readonly #linkedFirst = new Set<string>();
  #isEvaluating = false;

  constructor(ground: Ground, entries: readonly EntryRecord[], records: readonly FileRecord[]) {
    this.#ground = ground;
    this.#places = new Map(entries.map(({ file }, place) => [file, place]));
    this.#entries = records.filter(({ file }) => this.#places.has(file));
  }

  /** Node links what an ES module of the program imports. */
  noteLink({ file }: FileRecord): void {
    if (!this.#isEvaluating) this.#linkedFirst.add(file);
  }

  /**
   * Gives those files, of all that are about to be handed over, which do not fit the program, and why.
   *
   * @param record what Node looks for
   */
  *misfits(record: FileRecord, isAskedByProgram: boolean): Generator<readonly [FileRecord, string]> {
    this.#isEvaluating = true;
    // Each one that is given changes what the file needs.
    for (const one of this.#lateLinks(closureOf(record))) yield [one, 'is no longer imported before code runs'];
    for (const one of this.#changedLate(closureOf(record))) yield [one, 'is loaded later, when others have changed'];
    for (const one of this.#affected(closureOf(record)))
      yield [one, 'uses a package that the program has changed before'];
    for (const one of this.#outOfOrder(record, closureOf(record), isAskedByProgram)) {
      yield [one, 'is loaded in another order than in the last run'];
    }
  }

  /**
   * Remembers what files export, before the program gets them: those that files of other entries use.
   *
   * @param record what Node looks for
   * @param files with what it needs
   * @param isAskedByProgram the program itself asks, and not a package
   */
  add(record: FileRecord, files: readonly FileRecord[], isAskedByProgram: boolean): void {
    const folder = packageFolderOf(record.file);
    if (isAskedByProgram && folder !== undefined) {
      const place = this.#askedAt(record);
      if (!this.#asked.has(folder)) this.#asked.set(folder, place);
      this.#latest = Math.max(this.#latest, place);
    }
    for (const one of files) {
      const isUser = ({ entry, state }: FileRecord): boolean =>
        entry !== one.entry && state === 'hidden' && !entry.isLate;
      if (has(one.users, isUser)) this.#remember(one);
    }
  }

  /** A package has changed what this file exports, as it did ahead of time. */
  update(file: string): void {
    for (const record of this.#shapes.keys()) if (record.file === file) this.#remember(record);
  }

  /** Returns the files that packages load later, if anything has changed that they could read. */
  #changedLate(files: readonly FileRecord[]): FileRecord[] {
    const entries = new Set(files.map(({ entry }) => entry));
    const changed = [...entries].filter(
      ({ isLate, readable }) => isLate && (readable === undefined || !isUnchanged(readable, this.#ground)),
    );
    return files.filter(({ entry }) => changed.includes(entry));
  }

  #lateLinks(files: readonly FileRecord[]): FileRecord[] {
    return files.filter(({ entry }) => entry.mustBeLinkedFirst && !this.#linkedFirst.has(entry.file));
  }

  /** Returns those of the files that need something which the program has changed. */
  #affected(files: readonly FileRecord[]): FileRecord[] {
    const areChanged = new Map<FileRecord, boolean>();
    const isChanged = (record: FileRecord): boolean => {
      const shape = this.#shapes.get(record);
      if (shape === undefined) return false;
      let result = areChanged.get(record);
      if (result === undefined) {
        result = record.module?.exports !== this.#exports.get(record) || !isStill(shape);
        areChanged.set(record, result);
      }
      return result;
    };
    return files.filter((record) => has(record.needs, (one) => one.entry !== record.entry && isChanged(one)));
  }

  /**
   * Returns files that are not what they would be if they were loaded now, because the program asks in another order than in
   * the last run. It may have configured a package, in a way that only its functions know, before one is loaded that uses it;
   * or a package has used one, and may have changed it, that the program gets before.
   *
   * @param record what Node looks for
   * @param files with what it needs
   */
  #outOfOrder(record: FileRecord, files: readonly FileRecord[], isAskedByProgram: boolean): FileRecord[] {
    const late = files.filter((one) => {
      const place = this.#loadedAt(one);
      return this.#latest > place && reaches(one, 'needs', (needed) => this.#wasAskedAfter(place, needed));
    });
    if (!isAskedByProgram) return late;
    const place = this.#askedAt(record);
    const isMissing = (one: FileRecord): boolean => one.state !== 'adopted' && this.#loadedAt(one) < place;
    if (!this.#entries.some((one) => one !== record && isMissing(one))) return late;
    const folder = packageFolderOf(record.file);
    const isUser = (one: FileRecord): boolean => isMissing(one) && !files.includes(one);
    const used = files.filter((one) => packageFolderOf(one.file) === folder && reaches(one, 'users', isUser));
    return [...late, ...used];
  }

  /** Whether the program has asked for the package of a file, which has been handed over, behind a place. */
  #wasAskedAfter(place: number, { file, state }: FileRecord): boolean {
    return state === 'adopted' && (this.#asked.get(packageFolderOf(file) ?? '') ?? -1) > place;
  }

  /** A file that is no entry was not expected. */
  #askedAt({ file }: FileRecord): number {
    return this.#places.get(file) ?? Number.POSITIVE_INFINITY;
  }

  #loadedAt({ entry }: FileRecord): number {
    return this.#places.get(entry.file) ?? 0;
  }

  #remember(record: FileRecord): void {
    this.#exports.set(record, record.module?.exports);
    this.#shapes.set(record, shapeOf(record.module?.exports, this.#ground));
  }
}

/** Whether a condition holds for one of these. */
function has(files: Iterable<FileRecord>, holds: (one: FileRecord) => boolean): boolean {
  for (const one of files) if (holds(one)) return true;
  return false;
}

/** Whether a condition holds for something that a file needs, directly or not, or for what uses it. */
function reaches(from: FileRecord, by: 'needs' | 'users', holds: (one: FileRecord) => boolean): boolean {
  const seen = new Set([from]);
  for (const one of seen) {
    if (one !== from && holds(one)) return true;
    for (const next of one[by]) seen.add(next);
  }
  return false;
}

export type { HandedOver };

module.exports = { HandedOver };
