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
  if (latest?.record === record && latest.files.every(({ state }) => state === 'hidden')) return latest.files;
  const files = new Set<FileRecord>();
  const add = (one: FileRecord): void => {
    if (files.has(one) || one.state !== 'hidden') return;
    files.add(one);
    for (const needed of one.needs) add(needed);
  };
  add(record);
  latest = { record, files: [...files].sort((one, other) => one.index - other.index) };
  return latest.files;
}

/** Returns the files that may remember an entry: its own ones, and those of packages that it has called. */
function witnessesOf(entry: EntryRecord, records: readonly FileRecord[]): FileRecord[] {
  const isCalled = ({ file }: FileRecord): boolean => entry.calls.includes(packageFolderOf(file) ?? '');
  return records.filter((one) => one.entry === entry || (entry.calls.length > 0 && isCalled(one)));
}

interface AllFiles {
  readonly entries: readonly EntryRecord[];
  readonly records: readonly FileRecord[];
}

/** Returns the hidden files that are handed over, or given up, together with one: those that may remember each other. */
function unitOf(record: FileRecord, { entries, records }: AllFiles): FileRecord[] {
  const unit = new Set<EntryRecord>();
  const add = (entry: EntryRecord): void => {
    if (unit.has(entry)) return;
    unit.add(entry);
    const folders = new Set(entry.added.map(packageFolderOf));
    for (const other of entries) if (other.calls.some((folder) => folders.has(folder))) add(other);
  };
  for (const one of closureOf(record)) add(one.entry);
  return records.filter((one) => one.state === 'hidden' && unit.has(one.entry));
}

/** Whether no file stays behind that was loaded with these and uses one: it may have called that, and others may do so now. */
const isWhole = (files: readonly FileRecord[]): boolean =>
  files.every(({ entry, users }) =>
    [...users].every((one) => one.entry !== entry || one.state !== 'hidden' || files.includes(one)),
  );

/** Whether the accessor of a hidden file is in the cache: the program may have removed it. */
const isAccessor = (file: string): boolean =>
  Reflect.getOwnPropertyDescriptor(nodeModule._cache, file)?.get !== undefined;

/** Whether a hidden file, or one that it needs and that the program has got, has been removed from the cache. */
const needsForgotten = ({ file: own, needs, hasThrown: isNotThere }: FileRecord): boolean =>
  (!isNotThere && !isAccessor(own)) ||
  [...needs].some(
    ({ file, state, module, hasThrown }) => state === 'adopted' && !hasThrown && nodeModule._cache[file] !== module,
  );

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

export type { closureOf, isAccessor, isWhole, mentions, needsForgotten, unitOf, witnessesOf };

module.exports = { closureOf, isAccessor, isWhole, mentions, needsForgotten, unitOf, witnessesOf };
