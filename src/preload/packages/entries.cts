/** Loads what the program asked for in its last run, one entry after the other, and judges each. */

import type { PackageEntry } from '../protocol.ts' with { 'resolution-mode': 'import' };
import type { Calls } from './calls.cts';
import type { Exports as ExportsClass } from './exports.cts';
import type { Change, Ground, GroundState, redo as Redo, undo as Undo } from './ground.cts';
import type {
  isInstalled as IsInstalled,
  LoadedModule,
  ModuleClass,
  packageFolderOf as PackageFolderOf,
  packageNameOf as PackageNameOf,
  withoutDeprecation as WithoutDeprecation,
} from './internals.cts';
import type { isSame as IsSame, Objects, readAll as ReadAll, readableFor as ReadableFor } from './late-loads.cts';
import type { MainModule } from './main-module.cts';
import type { EntryRecord, Recorder } from './recorder.cts';
import type { Resources } from './resources.cts';
import type { RecordedVariables } from './variables.cts';

const fs = require('node:fs') as typeof import('node:fs');
const { types } = require('node:util') as typeof import('node:util');
const { Exports } = require('./exports.cjs') as { Exports: typeof ExportsClass };
const { isSame, readAll, readableFor } = require('./late-loads.cjs') as {
  isSame: typeof IsSame;
  readAll: typeof ReadAll;
  readableFor: typeof ReadableFor;
};
const { redo, undo } = require('./ground.cjs') as { redo: typeof Redo; undo: typeof Undo };
const { isInstalled, nodeModule, packageFolderOf, packageNameOf, withoutDeprecation } = require('./internals.cjs') as {
  isInstalled: typeof IsInstalled;
  nodeModule: ModuleClass;
  packageFolderOf: typeof PackageFolderOf;
  packageNameOf: typeof PackageNameOf;
  withoutDeprecation: typeof WithoutDeprecation;
};

/** Properties of `node:module` that decide how files are found and loaded. */
const loaderKeys = new Set(
  '_load _resolveFilename _findPath _nodeModulePaths _resolveLookupPaths _initPaths wrap runMain _preloadModules register registerHooks createRequire _extensions _cache _pathCache globalPaths'.split(
    ' ',
  ),
);
const hooksLoader = 'hooks the module loader';
/** Extensions whose loading a package must not change. */
const commonExtensions = new Set(['.js', '.json', '.node', '.ts']);

interface EntriesContext {
  readonly ground: Ground;
  readonly recorder: Recorder;
  readonly resources: Resources;
  readonly variables: RecordedVariables;
  readonly main: MainModule;
  /** Only in an audit. */
  readonly calls: Calls | undefined;
  readonly isAudit: boolean;
}

class Entries {
  readonly #context: EntriesContext;
  readonly #exports: ExportsClass;
  /** The ground behind the entries that have been loaded. */
  #state: GroundState;
  #serial = 0;
  /** In an audit: what all modules have exported before the latest file that is late. */
  #objects: Objects | undefined;

  constructor(context: EntriesContext) {
    this.#context = context;
    this.#exports = new Exports(context.ground, context.recorder);
    this.#state = context.ground.capture();
  }

  /** Loads the file as the program did. Never throws. */
  load(entry: PackageEntry): EntryRecord {
    const { recorder, resources, variables, calls, isAudit } = this.#context;
    const { touches = [] } = entry;
    // Only an audit looks at everything. What it has found decides how closely to look later on.
    const looksAround = isAudit || entry.hasEffects === true;
    if (!isAudit) this.#exports.remember(touches);
    const before = new Set(Object.keys(nodeModule._cache));
    const copy = variables.copy();
    const isNewLate = isAudit && entry.isLate === true && !(entry.file in nodeModule._cache);
    if (isNewLate) this.#objects = readAll(this.#context.ground, this.#objects);
    calls?.begin();
    const record = recorder.begin(entry.file);
    // Relative paths are noted as well.
    record.readsFolder = isAudit ? false : entry.readsFolder;
    record.calls = entry.calls ?? [];
    record.mustBeLinkedFirst = entry.mustBeLinkedFirst === true;
    record.isLate = entry.isLate === true;
    const begin = process.hrtime.bigint();
    try {
      this.#evaluate(entry);
    } catch (error) {
      record.failed = messageOf(error);
    }
    record.ms = Number(process.hrtime.bigint() - begin) / 1e6;
    resources.settle();
    recorder.current = undefined;
    const called = calls?.end();
    variables.addUnseenWrites(copy, record);
    this.#addFiles(record, before);
    if (looksAround) record.changes = this.#changesBy(record, isAudit || touches.length > 0);
    judge(record, recorder);
    const used = isAudit ? usedByEsModules(record, recorder) : undefined;
    if (used !== undefined) record.blames.push({ file: record.file, why: `is an ES module that uses ${used}` });
    // A file that was there already is not loaded later after all (process/standby/audits.ts).
    if (record.isLate && record.added.length > 0) this.#noteReadable(record);
    if (called !== undefined) {
      const isOther = (folder: string): boolean => record.isLate || folder !== packageFolderOf(entry.file);
      record.calls = [...called.folders].filter(isOther);
      record.readsFolder = called.folderIsRead === undefined ? undefined : called.folderIsRead || record.readsFolder;
    }
    return record;
  }

  /** Returns a change of the ground that no entry accounts for. */
  unexplained(): string | undefined {
    return this.#context.ground.differences(this.#state).find(({ kind }) => kind !== 'lazy')?.name;
  }

  #evaluate({ file, parent, kind, isLate }: PackageEntry): void {
    const asking = kind === 'import' || parent === undefined ? undefined : this.#context.main.parentFor(parent, isLate);
    if (asking === undefined) nodeModule._load(file, undefined, false);
    else asking.require(file);
    // Callbacks that the package has left for the end of the turn have their effects now, too.
    const { _tickCallback: drain } = process as { _tickCallback?: () => void };
    withoutDeprecation(() => drain?.call(process));
  }

  /** Without what the entry itself has changed: the program has not done so before. */
  #noteReadable(record: EntryRecord): void {
    const atFirst = this.#objects;
    const { ground, isAudit } = this.#context;
    for (const change of record.effects.toReversed()) undo(change);
    const readable = readableFor(record, ground);
    for (const change of record.effects) redo(change);
    record.readable = readable;
    const isKnown =
      readable !== undefined && (!isAudit || (atFirst !== undefined && isSame(atFirst, readable.objects)));
    if (!isKnown) record.blames.push({ file: record.file, why: 'may read or change what cannot be seen' });
  }

  #addFiles(record: EntryRecord, before: ReadonlySet<string>): void {
    const { recorder } = this.#context;
    record.added = Object.keys(nodeModule._cache).filter((file) => !before.has(file));
    for (const file of record.added) {
      const module = nodeModule._cache[file];
      const one = recorder.recordOf(file, record);
      one.entry = record;
      one.module = module;
      one.index = this.#serial;
      // ES modules load some files without a call of `load`, such as JSON.
      if (file !== record.file) one.loadedBy ??= record.file;
      one.isEsModule = isEsModule(module);
      one.isIncurable ||= file.endsWith('.node') || one.isEsModule;
      this.#serial += 1;
    }
  }

  #changesBy(record: EntryRecord, withExports: boolean): Change[] {
    const { ground, isAudit } = this.#context;
    const changes = ground.differences(this.#state);
    if (changes.length > 0) this.#state = ground.capture();
    const foreign = withExports ? this.#exports.changesBy(record) : [];
    if (isAudit) this.#exports.remember(record.added);
    return [...changes, ...foreign];
  }
}

const messageOf = (error: unknown): string => {
  const [line = ''] = String((error as Error | undefined)?.message ?? error).split('\n');
  return line.slice(0, 120);
};

/** An export named `module.exports` hides the namespace of the ES module. */
function isEsModule(module: LoadedModule | undefined): boolean {
  try {
    return types.isModuleNamespaceObject(module?.exports) || module?.filename?.endsWith('.mjs') === true;
  } catch {
    return false;
  }
}

/** Decides which changes are made again when the program asks for the entry, and what speaks against handing it over. */
function judge(record: EntryRecord, recorder: Recorder): void {
  const { changes, added, file } = record;
  const blame = (why: string): void => void record.blames.push({ file, why });
  if (record.failed !== undefined) blame(`cannot be loaded ahead of time (${record.failed})`);
  if (changes.some(changesLoader)) blame(hooksLoader);
  if (changes.some(({ removed }) => removed !== undefined)) blame('removes listeners of process');
  const staying = changes.filter(
    ({ kind, before, after }) =>
      kind === 'property' && before === undefined && after?.configurable === false && after.writable !== true,
  );
  const fixed = changes.filter(
    (change) =>
      (change.kind === 'setting' && change.after === undefined) ||
      change.kind === 'prototype' ||
      (staying.includes(change) && !isHidden(change)),
  );
  record.isRuinous = fixed.some((change) => staying.includes(change));
  if (fixed.length > 0) {
    const names = fixed.slice(0, 3).map(({ name }) => name);
    blame(`changes ${names.join(', ')}${fixed.length > names.length ? ', …' : ''}`);
  }
  record.stays = staying.map(({ name }) => name);
  const undeletable = changes.some(({ kind, before, after }) => {
    return kind === 'property' && before === undefined && after?.configurable === false;
  });
  if (undeletable) {
    for (const one of added) recorder.recordOf(one, record).isIncurable = true;
  }
  record.effects = changes.filter((change) => !fixed.includes(change) && !staying.includes(change));
}

/** Finds the names that an ES module may import or require, as far as its text tells. */
const specifiers = /(?:\bfrom|\bimport|\()\s*(['"`])((?:@[^'"`/\s]+\/)?[^'"`/\s]+)(?:\/[^'"`\s]*)?\1/g;

/**
 * Returns the name of a package that was loaded before, and that an ES module of the entry may use. Node does not tell which
 * modules an ES module has got that were loaded already: what the program does to them in between would not be noticed.
 */
function usedByEsModules({ added, file }: EntryRecord, { records }: Recorder): string | undefined {
  const own = new Set([...added, file]);
  const ownRecords = [...own].flatMap((one) => records.get(one) ?? []);
  const modules = ownRecords.flatMap((one) => (one.isEsModule ? [one.file] : []));
  if (modules.length === 0) return undefined;
  // Node reads the ES modules that they import, without adding them to the cache.
  const imported = ownRecords.flatMap(({ reads }) => [...reads.keys()].filter((one) => !own.has(one)));
  const texts = [...modules, ...imported].filter((one) => /\.[cm]?js$/.test(one) && isInstalled(one)).map(textOf);
  const before = new Set(
    [...records.values()].flatMap((one) =>
      own.has(one.file) || one.module === undefined ? [] : packageNameOf(one.file),
    ),
  );
  return texts
    .flatMap((text) => [...text.matchAll(specifiers)])
    .map(([, , name = '']) => name)
    .find((name) => before.has(name));
}

function textOf(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const changesLoader = ({ name, key, kind }: Change): boolean => {
  if (kind === 'lazy') return false;
  if (name.startsWith('Module.prototype.')) return true;
  if (name.startsWith('module.')) return loaderKeys.has(String(key));
  return name.startsWith('require.extensions.') && commonExtensions.has(String(key));
};

/** Whether only somebody who knows the name finds the property: a symbol, or a name such as `__package__`. */
const isHidden = ({ key, name }: Change): boolean =>
  (typeof key === 'symbol' || /^__.*__$/.test(key)) &&
  !/^(?:Symbol|Function\.prototype|Object\.prototype|Array\.prototype)\./.test(name);

export type { Entries };

module.exports = { Entries };
