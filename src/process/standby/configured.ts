/**
 * Decides which entries depend on what the program may have configured in another package: in a closure, which cannot be seen
 * from outside. Such an entry calls the package while it is loaded, and code of the program has run in between.
 */

import type { LoadFacts, ModulePackages } from '../../preload/protocol.ts';
import { type AuditedEntry, folderOf, packageOf } from './audits.ts';
import { type ImportLines, ownFileFor, ownFilesFor } from './import-lines.ts';
import { ModuleOrder } from './module-order.ts';
import { OwnOrder } from './own-order.ts';

interface Sources {
  readonly facts: LoadFacts;
  readonly entries: readonly AuditedEntry[];
  readonly imports: ImportLines;
  readonly script: string;
  /** Of a program of ES modules; undefined if its order is not clear. */
  readonly modulePackages: ModulePackages | undefined;
  /** Whether an entry may be loaded ahead of time as far as it is known from elsewhere. */
  readonly isKept: (entry: AuditedEntry) => boolean;
}

export interface Configured {
  /** Entries that the program loads itself, and why. */
  readonly left: ReadonlyMap<string, string>;
  /** Files of the program in which code must stay where it is, because entries are loaded ahead of time that rely on it. */
  readonly ordered: ReadonlySet<string>;
  /** Entries that the program may have only if it has linked them before anything was evaluated. */
  readonly linkedFirst: ReadonlySet<string>;
}

/** Returns the first entry with which files of each package were loaded, by folder. */
function firstLoads(entries: readonly AuditedEntry[]): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const [index, { files }] of entries.entries()) {
    for (const file of files) {
      const folder = folderOf(file);
      if (folder !== undefined && !first.has(folder)) first.set(folder, index);
    }
  }
  return first;
}

export function findConfigured(sources: Sources): Configured {
  const { entries, imports, isKept } = sources;
  const facts = auditedOf(sources.facts, entries);
  const order = lazily(() => orderOf(facts, entries, imports));
  const moduleOrder = lazily(() => moduleOrderOf(facts, sources));
  const first = firstLoads(entries);
  const left = new Map<string, string>();
  const ordered = new Set<string>();
  const linkedFirst = new Set<string>();
  /** Packages that a cold entry belongs to or calls, with the last index of one. */
  const touchedByCold = new Map<string, number>();
  const leftOut = new Map(entries.flatMap((one) => (isKept(one) ? [] : [[one.file, one]])));
  for (const [index, entry] of entries.entries()) {
    const { file, needs } = entry;
    // Ahead of time it loads what it shares with entries that are left out.
    const calls = [...new Set([entry, ...needs.flatMap((one) => leftOut.get(one) ?? [])].flatMap((one) => one.calls))];
    const needed = needs.find((one) => left.has(one));
    const relied: string[] = [];
    const why = !isKept(entry)
      ? undefined
      : needed === undefined
        ? reasonIn(file, calls, index, relied)
        : `needs ${packageOf(needed)}, which ${left.get(needed)}`;
    if (why !== undefined) left.set(file, why);
    if (why === undefined && isKept(entry)) for (const one of relied) ordered.add(one);
    // Others act before it, if they are loaded ahead of time.
    else for (const folder of [folderOf(file) ?? '', ...calls]) touchedByCold.set(folder, index);
  }
  return { left, ordered, linkedFirst };

  function reasonIn(file: string, calls: readonly string[], index: number, relied: string[]): string | undefined {
    const risky = calls.filter((folder) => {
      if (!isAsked(folder, index)) return false;
      const since = first.get(folder) ?? 0;
      if ((touchedByCold.get(folder) ?? -1) >= since) return true;
      if (entries.slice(since, index).some((one) => one.asksProgram)) return true;
      if (moduleOrder()?.isFirst(file) === true) {
        linkedFirst.add(file);
        relied.push(...(moduleOrder()?.inertFiles ?? []));
        return false;
      }
      if (!order().isClear(since, index)) return true;
      relied.push(...order().filesBetween(since, index));
      return false;
    });
    if (risky.length === 0) return undefined;
    return `uses ${namesOf(risky)} while it loads, which the program may have configured before`;
  }

  /** Whether the program may have asked for a package before an entry: packages ask for others, too. */
  function isAsked(folder: string, index: number): boolean {
    if (entries.slice(0, index).some((one) => folderOf(one.file) === folder)) return true;
    const before = facts.own.filter(({ entriesBefore }) => entriesBefore <= index).map(({ file }) => file);
    return imports.mention(packageOf(folder), before);
  }
}

function namesOf(folders: readonly string[]): string {
  const names = folders.slice(0, 3).map(packageOf);
  return `${names.join(', ')}${folders.length > names.length ? ', …' : ''}`;
}

/** Returns the facts without files that loaders have loaded: they are not audited. */
function auditedOf(facts: LoadFacts, entries: readonly AuditedEntry[]): LoadFacts {
  const audited = new Set(entries.map(({ file }) => file));
  const own = facts.own.map((one) => {
    const before = facts.entries.slice(0, one.entriesBefore).filter(({ file }) => audited.has(file));
    return { ...one, entriesBefore: before.length };
  });
  return { ...facts, entries, own };
}

/** Files are read for an order: only if it matters. */
function lazily<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function moduleOrderOf(
  facts: LoadFacts,
  { script, imports, entries, modulePackages }: Sources,
): ModuleOrder | undefined {
  if (facts.isCommonJs || modulePackages === undefined) return undefined;
  const accessors = new Map(entries.map((one) => [one.file, one.accessors]));
  return new ModuleOrder({
    ...{ script, facts, ownFilesFor, packages: modulePackages },
    codeOf: (file) => imports.codeOf(file),
    accessorsOf: (file) => accessors.get(file) ?? ['*'],
  });
}

function orderOf(facts: LoadFacts, entries: readonly AuditedEntry[], imports: ImportLines): OwnOrder {
  const byFile = new Map<string, number>();
  for (const [index, { files }] of entries.entries()) {
    for (const file of files) if (!byFile.has(file)) byFile.set(file, index);
  }
  const accessors = new Map(entries.map((one) => [one.file, one.accessors]));
  return new OwnOrder({
    ...{ facts, ownFileFor, loadsForOthers: imports.loadsForOthers },
    codeOf: (file) => imports.codeOf(file),
    entryOf: (file) => byFile.get(file),
    accessorsOf: (file) => accessors.get(file) ?? ['*'],
  });
}
