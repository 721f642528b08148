/** Finds hidden files that belong together: what one needs, what may remember it, and what may notice a change. */

import type { ModuleClass, packageFolderOf as PackageFolderOf } from './internals.cts';
import type { EntryRecord, FileRecord } from './recorder.cts';

const fs = require('node:fs') as typeof import('node:fs');
const { nodeModule, packageFolderOf } = require('./internals.cjs') as {
  nodeModule: ModuleClass;
  packageFolderOf: typeof PackageFolderOf;
};

/** The result of the latest `closureOf`, which is asked for several times, one after the other. */
let latest: { readonly record: FileRecord; readonly files: readonly FileRecord[] } | undefined;

/** Returns the hidden files that a file needs, itself included, in the order in which they were loaded. */
function closureOf(record: FileRecord): readonly FileRecord[] {
  // A file that is not hidden any more never is again.
  if (latest?.record === record && areHidden(latest.files)) return latest.files;
  const found = new Set<FileRecord>();
  const add = (one: FileRecord): void => {
    if (one.state !== 'hidden' || found.has(one)) return;
    found.add(one);
    for (const needed of one.needs) add(needed);
  };
  add(record);
  const files = [...found];
  // Mostly they are: files are loaded as they are needed.
  if (!areInOrder(files)) files.sort((one, other) => one.index - other.index);
  latest = { record, files };
  return files;
}

function areHidden(files: readonly FileRecord[]): boolean {
  for (const { state } of files) if (state !== 'hidden') return false;
  return true;
}

function areInOrder(files: readonly FileRecord[]): boolean {
  let last = Number.NEGATIVE_INFINITY;
  for (const { index } of files) {
    if (index < last) return false;
    last = index;
  }
  return true;
}

/** Returns the files that may remember an entry: its own ones, and those of packages that it has called. */
function witnessesOf(entry: EntryRecord, records: readonly FileRecord[]): FileRecord[] {
  const isCalled = ({ file }: FileRecord): boolean => entry.calls.includes(packageFolderOf(file) ?? '');
  return records.filter((one) => one.entry === entry || (entry.calls.length > 0 && isCalled(one)));
}

/** Finds the files that are handed over, or given up, together: those that may remember each other. */
class Units {
  readonly #files = new Map<EntryRecord, FileRecord[]>();
  /** The entries that have called files of an entry while they were loaded. */
  readonly #callers: ReadonlyMap<EntryRecord, readonly EntryRecord[]>;

  /** To be made before the program waits: it looks at all files. */
  constructor(entries: readonly EntryRecord[], records: readonly FileRecord[]) {
    for (const record of records) {
      const files = this.#files.get(record.entry);
      if (files === undefined) this.#files.set(record.entry, [record]);
      else files.push(record);
    }
    const calling = entries.filter(({ calls }) => calls.length > 0);
    this.#callers = new Map(
      entries.map((entry) => {
        const folders = new Set(entry.added.map(packageFolderOf));
        return [entry, calling.filter(({ calls }) => calls.some((folder) => folders.has(folder)))];
      }),
    );
  }

  /** Returns the hidden files that belong together with a file, which is hidden itself. */
  of(record: FileRecord): FileRecord[] {
    const unit = new Set<EntryRecord>();
    for (const { entry } of closureOf(record)) unit.add(entry);
    for (const entry of unit) for (const other of this.#callers.get(entry) ?? []) unit.add(other);
    return [...unit].flatMap((entry) => this.#hiddenOf(entry));
  }

  /** Whether no file stays behind that was loaded with these and uses one: it may have called that, and others may do so now. */
  areWhole(files: readonly FileRecord[]): boolean {
    const entries = new Set(files.map(({ entry }) => entry));
    const hidden = [...entries].flatMap((entry) => this.#hiddenOf(entry));
    // Mostly nothing stays behind at all.
    if (hidden.length === files.length) return true;
    const all = new Set(files);
    for (const staying of hidden) {
      if (all.has(staying)) continue;
      for (const one of staying.needs) if (one.entry === staying.entry && all.has(one)) return false;
    }
    return true;
  }

  #hiddenOf(entry: EntryRecord): FileRecord[] {
    return (this.#files.get(entry) ?? []).filter(({ state }) => state === 'hidden');
  }
}

/** Whether the accessor of a hidden file is in the cache: the program may have removed it. */
const isAccessor = (file: string): boolean =>
  Reflect.getOwnPropertyDescriptor(nodeModule._cache, file)?.get !== undefined;

/** Whether a hidden file, or one that it needs and that the program has got, has been removed from the cache. */
function needsForgotten({ file: own, needs, hasThrown: isNotThere }: FileRecord): boolean {
  if (!isNotThere && !isAccessor(own)) return true;
  for (const { file, state, module, hasThrown } of needs) {
    if (state === 'adopted' && !hasThrown && nodeModule._cache[file] !== module) return true;
  }
  return false;
}

/** Whether a file contains the last part of the name of a property, `process.emit` or `globalThis.Symbol(key)`. */
function mentions({ file, state }: FileRecord, name: string): boolean {
  if (state !== 'hidden') return false;
  const [word = name] = /[^.()]+(?=\)?$)/.exec(name) ?? [];
  try {
    return fs.readFileSync(file, 'utf8').includes(word);
  } catch {
    return true;
  }
}

export type { closureOf, isAccessor, mentions, needsForgotten, Units, witnessesOf };

module.exports = { closureOf, isAccessor, mentions, needsForgotten, Units, witnessesOf };
