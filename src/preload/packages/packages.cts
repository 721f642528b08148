/**
 * Loads packages ahead of time in a process that waits for its release, and hides them until the program asks for them, so
 * that the program cannot tell (docs/architecture.md). `load` each entry, `arm`, and `release`.
 */

import type { EntryReport, PackageEntry, PackageOrders, PreloadMessage, Release } from '../protocol.ts' with {
  'resolution-mode': 'import',
};
import type { observeCalls as ObserveCalls } from './calls.cts';
import type { Checks as ChecksClass } from './checks.cts';
import type { hideStreams as HideStreams, noticeDeeds as NoticeDeeds } from './deeds.cts';
import type { Entries as EntriesClass } from './entries.cts';
import type { recordFileReads as RecordFileReads } from './file-reads.cts';
import type { Ground as GroundClass, undo as Undo } from './ground.cts';
import type { Adoption, HiddenContext, HiddenPackages as HiddenPackagesClass } from './hidden.cts';
import type {
  isInstalled as IsInstalled,
  ModuleClass,
  packageFolderOf as PackageFolderOf,
  packageNameOf as PackageNameOf,
  symbolsOf as SymbolsOf,
} from './internals.cts';
import type { addressToLink as AddressToLink, listModules as ListModules, ProgramModules } from './linking.cts';
import type { canMakeMain as CanMakeMain, MainModule as MainModuleClass } from './main-module.cts';
import type { modulePackagesOf as ModulePackagesOf } from './module-packages.cts';
import type { Patches as PatchesClass } from './patches.cts';
import type { Pending, runPending as RunPending } from './pending.cts';
import type { EntryRecord, FileRecord, Recorder as RecorderClass } from './recorder.cts';
import type { observeResources as ObserveResources, Resources } from './resources.cts';
import type { RecordedVariables as RecordedVariablesClass } from './variables.cts';

const fs = require('node:fs') as typeof import('node:fs');
const { types } = require('node:util') as typeof import('node:util');
const { observeCalls } = require('./calls.cjs') as { observeCalls: typeof ObserveCalls };
const { Checks } = require('./checks.cjs') as { Checks: typeof ChecksClass };
const { hideStreams, noticeDeeds } = require('./deeds.cjs') as {
  hideStreams: typeof HideStreams;
  noticeDeeds: typeof NoticeDeeds;
};
const { Entries } = require('./entries.cjs') as { Entries: typeof EntriesClass };
const { recordFileReads } = require('./file-reads.cjs') as { recordFileReads: typeof RecordFileReads };
const { Ground, undo } = require('./ground.cjs') as { Ground: typeof GroundClass; undo: typeof Undo };
const { HiddenPackages } = require('./hidden.cjs') as { HiddenPackages: typeof HiddenPackagesClass };
const { isInstalled, nodeModule, packageFolderOf, packageNameOf, symbolsOf } = require('./internals.cjs') as {
  isInstalled: typeof IsInstalled;
  nodeModule: ModuleClass;
  packageFolderOf: typeof PackageFolderOf;
  packageNameOf: typeof PackageNameOf;
  symbolsOf: typeof SymbolsOf;
};
const { addressToLink, listModules } = require('./linking.cjs') as {
  addressToLink: typeof AddressToLink;
  listModules: typeof ListModules;
};
const { canMakeMain, MainModule } = require('./main-module.cjs') as {
  canMakeMain: typeof CanMakeMain;
  MainModule: typeof MainModuleClass;
};
const { modulePackagesOf } = require('./module-packages.cjs') as { modulePackagesOf: typeof ModulePackagesOf };
const { Patches } = require('./patches.cjs') as { Patches: typeof PatchesClass };
const { runPending } = require('./pending.cjs') as { runPending: typeof RunPending };
const { Recorder } = require('./recorder.cjs') as { Recorder: typeof RecorderClass };
const { observeResources } = require('./resources.cjs') as { observeResources: typeof ObserveResources };
const { RecordedVariables } = require('./variables.cjs') as { RecordedVariables: typeof RecordedVariablesClass };

// Node puts its symbols on modules: this file is one.
const symbols = symbolsOf(nodeModule._cache[__filename] ?? {});

/** Whether packages can be loaded ahead of time in this Node. */
const canPreload = (): boolean => canMakeMain(symbols);

/** `modules`: of packages, undefined if they are not known; `imported`: entries that need one which the program imports. */
type FoundModules = Pick<Extract<PreloadMessage, { type: 'audited' }>, 'modules' | 'imported' | 'modulePackages'>;

type Step = Pick<EntryRecord, 'added' | 'startedAt'>;

class PackagePreloading {
  readonly #orders: PackageOrders;
  readonly #recorder = new Recorder();
  readonly #patches: PatchesClass;
  readonly #resources: Resources;
  readonly #variables: RecordedVariablesClass;
  readonly #main: MainModuleClass;
  readonly #ground: GroundClass;
  readonly #entries: EntriesClass;
  readonly #onMisfit: HiddenContext['onMisfit'];
  readonly #wasProcessCopied: () => boolean;
  /** Names that Node has looked up before. */
  readonly #paths = new Set(Object.keys(nodeModule._pathCache));
  readonly #pending: Pending;
  #wasProcessCopiedToLink = false;
  /** The latest step of the linking. */
  #latestStep: Step | undefined;
  #hidden: HiddenPackagesClass | undefined;
  #checks: ChecksClass | undefined;

  /** @param onMisfit called when this process is of no use, because what it has loaded cannot be loaded again */
  constructor(orders: PackageOrders, onMisfit: HiddenContext['onMisfit']) {
    this.#orders = orders;
    this.#onMisfit = onMisfit;
    this.#pending = runPending();
    // Loads a module of Node: before the ground is looked at.
    const calls = orders.isAudit ? observeCalls() : undefined;
    this.#ground = new Ground(nodeModule);
    this.#main = new MainModule(orders.script, orders.isCommonJs, symbols, () =>
      this.#recorder.blame('asks for what the program exports'),
    );
    this.#variables = new RecordedVariables(this.#recorder, orders.variables);
    this.#patches = new Patches(() => this.#recorder.current !== undefined);
    this.#variables.noteNativeReads(this.#patches);
    recordFileReads(this.#recorder, this.#patches, orders.script);
    this.#wasProcessCopied = noticeDeeds(this.#recorder, this.#patches, orders.isAudit);
    this.#resources = observeResources(this.#recorder, orders.isAudit);
    this.#entries = new Entries({
      ground: this.#ground,
      recorder: this.#recorder,
      resources: this.#resources,
      variables: this.#variables,
      main: this.#main,
      calls,
      isAudit: orders.isAudit,
    });
  }

  /** Loads what the program asked for; never throws. */
  load(entry: PackageEntry): EntryReport {
    const record = this.#entries.load(entry);
    const { records } = this.#recorder;
    const changes = record.effects.filter(({ kind }) => kind !== 'lazy');
    const files = record.added.map((file) => records.get(file));
    const variables = new Set(files.flatMap((one) => [...(one?.variables.keys() ?? [])]));
    return {
      file: record.file,
      ms: Math.round(record.ms),
      files: [...record.added, ...installedReads(files)],
      blames: record.blames,
      hasEffects: record.effects.length > 0 || record.stays.length > 0,
      effects: [...changes.map(({ name }) => name), ...record.stays].slice(0, maxNames),
      touches: [...new Set(changes.flatMap((change) => change.file ?? []))],
      changesOnlyExports:
        record.stays.length + record.writes.length === 0 && changes.every((change) => change.file !== undefined),
      isExtension: isExtension(record, records),
      variables: [...variables].slice(0, maxNames),
      ...(this.#orders.isAudit && {
        calls: record.calls,
        readsFolder: record.readsFolder,
        accessors: accessorsOf(records.get(record.file)?.module?.exports),
      }),
      isIncurable: files.some((one) => one?.isIncurable === true),
      isRuinous: record.isRuinous,
    };
  }

  /** Entries that need a file which is blamed. */
  get blamedEntries(): readonly string[] {
    const { entries, records } = this.#recorder;
    const additions = entries.filter((one) => isExtension(one, records)).flatMap(({ file }) => records.get(file) ?? []);
    return this.#entriesThatNeed(new Set([...this.#blamedRecords(), ...additions]));
  }

  /** For each entry that was loaded, the other ones whose files it needs. */
  get neededEntries(): Readonly<Record<string, readonly string[]>> {
    this.#link();
    const { entries, records } = this.#recorder;
    const needs = entries.map(({ file }): [string, readonly string[]] => {
      const seen = new Set<FileRecord>();
      const add = (record: FileRecord): void => {
        if (seen.has(record)) return;
        seen.add(record);
        for (const one of record.needs) add(one);
      };
      const record = records.get(file);
      if (record !== undefined) add(record);
      const others = new Set([...seen].map(({ entry }) => entry.file));
      others.delete(file);
      return [file, [...others]];
    });
    return Object.fromEntries(needs);
  }

  /** Takes back all that packages have changed, and hides them. */
  arm(): void {
    const { entries, records } = this.#recorder;
    const unexplained = this.#entries.unexplained();
    for (const { changes } of entries.toReversed()) for (const change of changes.toReversed()) undo(change);
    this.#resources.close();
    this.#patches.restore();
    this.#variables.restore();
    this.#forgetPaths();
    this.#link();
    const order = [...records.values()].sort((one, other) => one.index - other.index);
    for (const record of order) {
      const { file, module } = record;
      const isCached = module !== undefined && nodeModule._cache[file] === module;
      if (isCached || (record.hasThrown && module !== undefined)) record.state = 'hidden';
      if (isCached || record.index >= 0) Reflect.deleteProperty(nodeModule._cache, file);
    }
    const lazy = entries.flatMap(({ effects }) => effects.filter(({ kind }) => kind === 'lazy'));
    this.#main.arm();
    this.#checks = new Checks(this.#ground, lazy);
    this.#hidden = new HiddenPackages({
      ground: this.#ground,
      checks: this.#checks,
      entries,
      records: order,
      lookups: this.#recorder.lookups,
      symbols,
      learned: this.#orders.learned,
      onMisfit: this.#onMisfit,
    });
    for (const record of this.#blamedRecords()) this.#hidden.drop(record);
    if (unexplained !== undefined) this.#hidden.dropAll(`something has changed ${unexplained}`);
  }

  /** Yields the address of a module to import, and returns what is found out about ES modules. */
  *findModules(): Generator<string, FoundModules, unknown> {
    if (this.#orders.isCommonJs) return this.judgeModules();
    const list = listModules();
    return this.judgeModules(list.end(yield addressToLink([this.#orders.script])));
  }

  /** @param list the ES modules of the program; undefined if they are not known */
  judgeModules(list?: ProgramModules): FoundModules {
    // A script requires what it needs.
    if (this.#orders.isCommonJs) return { modules: [] };
    // An import of an ES module that is evaluated already gets it without a question.
    const isImported = ({ file, isEsModule }: FileRecord): boolean =>
      isEsModule && (list === undefined || list.imported.has(packageNameOf(file)));
    const records = [...this.#recorder.records.values()];
    const imported = this.#entriesThatNeed(new Set(records.filter(isImported)));
    const scripts = records.filter(({ isEsModule }) => !isEsModule).map(({ file }) => file);
    return { modules: list?.modules, imported, modulePackages: list && modulePackagesOf(list, scripts) };
  }

  /**
   * Yields the address of a module to import, by which Node links ES modules. Returns the CommonJS modules that Node has read
   * for them. Packages are hidden by then.
   */
  *linkModules(files: readonly string[]): Generator<string, readonly string[], unknown> {
    const patches = new Patches(() => true);
    const wasCopied = hideStreams(patches, () => true);
    const before = new Set(Object.keys(nodeModule._cache));
    const startedAt = Date.now();
    yield addressToLink(files);
    patches.restore();
    this.#wasProcessCopiedToLink ||= wasCopied();
    if (this.#checks !== undefined) {
      this.#checks.onHooks = () => {
        const why = 'the program hooks the module loader';
        this.#onMisfit({ file: files[0] ?? '', why, learned: ['module.register'] });
      };
    }
    const read = Object.keys(nodeModule._cache).filter((file) => !before.has(file));
    this.#latestStep = { added: [...files, ...read], startedAt };
    return read;
  }

  /**
   * The program is about to begin.
   *
   * @param ownChanges what devwatch itself has changed since `arm`: object and key
   */
  release(
    { changedFiles = [], dropsPackages }: Pick<Release, 'changedFiles' | 'dropsPackages'>,
    ownChanges: readonly (readonly [object, string])[],
  ): void {
    for (const [object, key] of ownChanges) this.#checks?.expect(object, key, key);
    const [relinked] = this.#latestStep === undefined ? [] : this.#changedMeanwhile(this.#latestStep);
    if (relinked !== undefined) this.#onMisfit({ file: relinked, why: 'a file of a package has changed', learned: [] });
    const latest = this.#recorder.entries.at(-1);
    const changed = [...changedFiles, ...(latest === undefined ? [] : this.#changedMeanwhile(latest))];
    if (dropsPackages !== undefined) this.#hidden?.dropAll(dropsPackages);
    else if (changed.length > 0) this.#hidden?.dropFiles(changed);
    if (this.#wasProcessCopied() || this.#wasProcessCopiedToLink) nodeModule.syncBuiltinESMExports();
    this.#pending.release();
  }

  /** The program has settled. Returns what it has taken over. */
  close(): Adoption | undefined {
    this.#hidden?.close();
    return this.#hidden?.adoption;
  }

  /** Files of the latest step that may have changed since they were read: devwatch may not have known of them yet. */
  #changedMeanwhile({ added, startedAt }: Step): string[] {
    return added.filter((file) => {
      try {
        return fs.statSync(file).ctimeMs >= startedAt - maxTickMs;
      } catch {
        return true;
      }
    });
  }

  /** By the order in which Node looks up what ES modules import, facts tell in which order they are evaluated. */
  #forgetPaths(): void {
    if (this.#orders.isCommonJs) return;
    const { _pathCache: paths } = nodeModule;
    for (const key of Object.keys(paths)) if (!this.#paths.has(key)) delete paths[key];
  }

  /** Ties each file to those that it needs. */
  #link(): void {
    const { records } = this.#recorder;
    for (const record of records.values()) {
      for (const { filename, id } of record.module?.children ?? []) {
        const needed = records.get(filename ?? id);
        if (needed !== undefined && needed !== record) record.needs.add(needed);
      }
      // The children of a module do not include what an ES module imports.
      const loader = record.loadedBy === undefined ? undefined : records.get(record.loadedBy);
      if (loader !== undefined && loader !== record) loader.needs.add(record);
    }
    for (const record of records.values()) for (const one of record.needs) one.users.add(record);
  }

  /** Returns the files of the entries that have one of these among what they need. */
  #entriesThatNeed(files: ReadonlySet<FileRecord>): string[] {
    this.#link();
    const isTainted = (record: FileRecord, seen: Set<FileRecord>): boolean => {
      if (seen.has(record)) return false;
      seen.add(record);
      return files.has(record) || [...record.needs].some((one) => isTainted(one, seen));
    };
    return this.#recorder.entries.flatMap(({ file }) => {
      const record = this.#recorder.records.get(file);
      return record !== undefined && isTainted(record, new Set()) ? [file] : [];
    });
  }

  /** Files that must not be handed over; the whole entry, where no file of it alone is at fault. */
  #blamedRecords(): FileRecord[] {
    const { entries, records } = this.#recorder;
    const filesOf = ({ file, blames, effects, added }: EntryRecord): readonly string[] => {
      const isWhole = blames.some((one) => one.file === file) || effects.some(({ kind }) => kind !== 'lazy');
      return isWhole ? [...added, file] : blames.map((one) => one.file);
    };
    return entries
      .filter(({ blames }) => blames.length > 0)
      .flatMap(filesOf)
      .flatMap((file) => records.get(file) ?? []);
  }
}

/**
 * Whether an entry is a few files that may change an entry of the same package, which the program has got before: a language
 * or a plugin that registers itself. That may be in a closure, which cannot be seen from outside.
 */
function isExtension({ file, added, isLate }: EntryRecord, records: ReadonlyMap<string, FileRecord>): boolean {
  const folder = packageFolderOf(file);
  // A late one calls nothing, and so adds nothing.
  return (
    !isLate &&
    added.length <= maxExtensionFiles &&
    added.some((one) =>
      records.get(one)?.module?.children.some(({ filename }) => {
        const needed = records.get(filename ?? '')?.entry.file;
        return needed !== undefined && needed !== file && packageFolderOf(needed) === folder;
      }),
    )
  );
}

/** Returns the names of properties that run code when they are read: accessors, but those that only return a value. */
function accessorsOf(exports: unknown): readonly string[] {
  if ((typeof exports !== 'object' && typeof exports !== 'function') || exports === null) return [];
  if (types.isProxy(exports)) return ['*'];
  if (types.isModuleNamespaceObject(exports)) return [];
  const names = Object.entries(Object.getOwnPropertyDescriptors(exports)).flatMap(([name, { get }]) =>
    get === undefined || returnsValue.test(Function.prototype.toString.call(get)) ? [] : [name],
  );
  return names.length > maxAccessors ? ['*'] : names;
}

/** As compilers write the accessor of an export. */
const returnsValue =
  /^(?:function\s*[\w$]*\s*\(\)\s*\{\s*return [\w$]+(?:\.[\w$]+)?;?\s*\}|\(\) => [\w$]+(?:\.[\w$]+)?)$/;
const maxAccessors = 100;

/** Larger entries are parts of a package rather than additions to it. */
const maxExtensionFiles = 10;

/** Returns files of packages that were read, such as data, and ES modules that other ones import. */
const installedReads = (records: readonly (FileRecord | undefined)[]): string[] => {
  const reads = records.flatMap((record) => [...(record?.reads ?? [])]);
  return [...new Set(reads.flatMap(([file, stamp]) => (stamp !== '' && isInstalled(file) ? [file] : [])))];
};

/** Stamps of files advance in ticks of the kernel's clock, of up to 10 ms. */
const maxTickMs = 10;
/** Enough for a person who wants to know why. */
const maxNames = 30;

export type { canPreload, PackagePreloading };

module.exports = { canPreload, PackagePreloading };
