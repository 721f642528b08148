/**
 * Packages that were loaded ahead of time, hidden in Node's module cache. An accessor stands for each file: it checks, when
 * Node's loader asks for the file, that all is as it was, and hands the file over with all that it needs. If anything is
 * different, Node finds nothing, and loads the file itself.
 */

import type { Misfit } from '../protocol.ts' with { 'resolution-mode': 'import' };
import type { Checks, differenceFor as DifferenceFor } from './checks.cts';
import type { Change, Ground, isInherited as IsInherited, redo as Redo } from './ground.cts';
import type { HandedOver as HandedOverClass } from './handed-over.cts';
import type {
  askerOf as AskerOf,
  cache as Cache,
  forgetLookup as ForgetLookup,
  isInstalled as IsInstalled,
  LoadedModule,
  ModuleClass,
  noteLookup as NoteLookup,
  shortName as ShortName,
} from './internals.cts';
import type {
  adoptParent as AdoptParent,
  askingFile as AskingFile,
  parentOf as ParentOf,
  setParent as SetParent,
} from './parents.cts';
import type { EntryRecord, FileRecord, Recorder } from './recorder.cts';
import type {
  closureOf as ClosureOf,
  isAccessor as IsAccessor,
  mentions as Mentions,
  needsForgotten as NeedsForgotten,
  Units as UnitsClass,
  witnessesOf as WitnessesOf,
} from './related-files.cts';
import type { set as SetVariable } from './variables.cts';

const { differenceFor } = require('./checks.cjs') as { differenceFor: typeof DifferenceFor };
const { isInherited, redo } = require('./ground.cjs') as { isInherited: typeof IsInherited; redo: typeof Redo };
const { HandedOver } = require('./handed-over.cjs') as { HandedOver: typeof HandedOverClass };
const { askerOf, cache, forgetLookup, isInstalled, nodeModule, noteLookup, shortName } = require('./internals.cjs') as {
  askerOf: typeof AskerOf;
  cache: typeof Cache;
  forgetLookup: typeof ForgetLookup;
  isInstalled: typeof IsInstalled;
  nodeModule: ModuleClass;
  noteLookup: typeof NoteLookup;
  shortName: typeof ShortName;
};
const { adoptParent, askingFile, parentOf, setParent } = require('./parents.cjs') as {
  adoptParent: typeof AdoptParent;
  askingFile: typeof AskingFile;
  parentOf: typeof ParentOf;
  setParent: typeof SetParent;
};
const { closureOf, isAccessor, mentions, needsForgotten, Units, witnessesOf } = require('./related-files.cjs') as {
  closureOf: typeof ClosureOf;
  isAccessor: typeof IsAccessor;
  mentions: typeof Mentions;
  needsForgotten: typeof NeedsForgotten;
  Units: typeof UnitsClass;
  witnessesOf: typeof WitnessesOf;
};
const { set: setVariable } = require('./variables.cjs') as { set: typeof SetVariable };
const { defineProperty, deleteProperty } = Reflect;

interface HiddenContext {
  readonly ground: Ground;
  readonly checks: Checks;
  readonly entries: readonly EntryRecord[];
  /** In the order in which they were loaded. */
  readonly records: readonly FileRecord[];
  readonly lookups: Recorder['lookups'];
  readonly symbols: Readonly<Record<string, symbol>>;
  /** Properties that the program itself is known to change: only files that mention the name can notice. */
  readonly learned: readonly string[];
  /** A file is asked for that cannot be loaded again in this process. Does not return, where that can be helped. */
  readonly onMisfit: (misfit: Misfit) => void;
}

/** The results, for devwatch. */
interface Adoption {
  files: number;
  /** Those of the files that the program asks for itself. */
  readonly entries: string[];
  /** Reasons why files were loaded by the program itself. */
  readonly cold: string[];
  /** Variables that had other values than ahead of time. */
  readonly differed: Set<string>;
  /** Names of properties that the program has changed before it asked for packages. */
  learned: readonly string[];
}

const maxReasons = 20;

class HiddenPackages {
  readonly adoption: Adoption = { files: 0, entries: [], cold: [], differed: new Set(), learned: [] };
  readonly #context: HiddenContext;
  /** The entries whose effects have been made again. */
  readonly #applied = new Set<EntryRecord>();
  /** The files that can notice a change that the program is known to make. */
  readonly #suspects: ReadonlyMap<string, readonly FileRecord[]>;
  readonly #handedOver: HandedOverClass;
  readonly #units: UnitsClass;
  /** The content of modules before Node has linked them. */
  readonly #linked = new Map<FileRecord, Pick<LoadedModule, 'exports' | 'children'>>();
  #isOver = false;

  constructor(context: HiddenContext) {
    this.#context = context;
    const { entries, learned, records } = context;
    this.#handedOver = new HandedOver(context.ground, entries, records);
    this.#units = new Units(entries, records);
    this.#suspects = new Map(learned.map((name) => [name, records.filter((record) => mentions(record, name))]));
    for (const record of records) if (record.state === 'hidden' && !record.hasThrown) this.#hide(record);
  }

  /** Gives up everything that is still hidden. */
  dropAll(why: string): void {
    this.#note(why);
    for (const record of this.#context.records) this.drop(record);
  }

  /** Gives up the files of these names, and what uses them. */
  dropFiles(files: readonly string[]): void {
    if (files.length > 0) this.#note(`${files.length} files of packages have changed`);
    for (const record of this.#context.records) if (files.includes(record.file)) this.#reload(record);
  }

  /** Gives up a file, and all that use or remember it. If the program has got one of these, the process is of no use. */
  drop(record: FileRecord): void {
    if (record.state !== 'hidden') return;
    record.state = 'gone';
    const { file, module } = record;
    // It is found out when somebody asks for such a file.
    if (!record.isIncurable && !record.isLinked && isAccessor(file)) deleteProperty(nodeModule._cache, file);
    if (record.isLinked && module !== undefined && !record.isIncurable) {
      // Node's loader of ES modules has the module, and evaluates it.
      this.#empty(module);
      keep(file, module);
    }
    for (const user of record.users) this.drop(user);
    const witnesses = witnessesOf(record.entry, this.#context.records);
    if (witnesses.some(({ state, hasThrown }) => state === 'adopted' && !hasThrown)) this.#endFor(record);
    for (const one of witnesses) this.drop(one);
  }

  /**
   * Gives up a file that the program loads itself, and all that this uses: it has called that while it was loaded, and is
   * about to do so again.
   */
  #reload(record: FileRecord): void {
    const all = new Set([record]);
    for (const one of all) {
      for (const next of [...one.needs, ...one.users]) {
        if (next.state === 'hidden' && !next.isIncurable && (next.entry.isLate || !one.entry.isLate)) all.add(next);
      }
    }
    for (const one of all) this.drop(one);
  }

  /** The program has settled: what it has not asked for by now, it loads itself. */
  close(): void {
    this.#isOver = true;
    for (const record of this.#context.records) {
      if (record.isLinked) this.drop(record);
      else if (record.state !== 'adopted' && isAccessor(record.file)) deleteProperty(nodeModule._cache, record.file);
    }
    this.#context.checks.close();
  }

  #hide(record: FileRecord): void {
    const { file, module } = record;
    if (module === undefined) return;
    const get = (): LoadedModule | undefined => {
      try {
        const asker = askerOf(get);
        if (asker === undefined) return record.isLinked ? module : undefined;
        if (asker === 'link') return this.#link(record, module);
        const wasHidden = record.state === 'hidden';
        const asking = wasHidden ? askingFile(get) : undefined;
        const found = this.#lookUp(record, module, asking);
        if (wasHidden && record.state !== 'hidden' && found !== undefined) adoptParent(module, asking);
        return found;
      } catch {
        return undefined; // Node loads the file itself.
      }
    };
    const set = (value: LoadedModule): void => {
      // A mock: whatever uses the file has to see it.
      if (value !== module) this.#reload(record);
      cache(file, value);
    };
    defineProperty(nodeModule._cache, file, { configurable: true, enumerable: false, get, set });
  }

  /**
   * An ES module imports the file. Node evaluates it later, and asks again then: the checks belong there. Until then the module
   * looks as one that Node has made itself.
   */
  #link(record: FileRecord, module: LoadedModule): LoadedModule | undefined {
    const { file } = record;
    if (record.state !== 'hidden' || record.isLinked) return module;
    if (this.#context.checks.isLoaderChanged) {
      this.dropAll(`the program has changed ${this.#unforgivenMove(record)}`);
      return undefined;
    }
    record.isLinked = true;
    this.#handedOver.noteLink(record);
    const { exports, children } = module;
    this.#linked.set(record, { exports, children: [...children] });
    this.#empty(module);
    setParent(module, undefined);
    const accessor = Reflect.getOwnPropertyDescriptor(nodeModule._cache, file);
    deleteProperty(nodeModule._cache, file);
    for (const { folder, name } of this.#context.lookups.get(file)?.values() ?? []) forgetLookup(folder, name);
    defineProperty(nodeModule._cache, file, { ...accessor, enumerable: true });
    return module;
  }

  /** Returns the module, if Node's loader may have it. `asking`: the file that asks, undefined for an import. */
  #lookUp(record: FileRecord, module: LoadedModule, asking: string | undefined): LoadedModule | undefined {
    if (record.state === 'hidden' && record.isLinked && !isEmpty(module)) {
      // Hooks of the loader have given Node the code to evaluate.
      record.state = 'gone';
      keep(record.file, module);
      for (const user of record.users) this.drop(user);
      return module;
    }
    if (!this.#isOver && this.#adopt(record, asking)) return module;
    if (record.isIncurable) this.#endFor(record);
    return record.isLinked ? module : undefined;
  }

  #endFor({ entry, file }: FileRecord): void {
    if (isAccessor(file)) deleteProperty(nodeModule._cache, file);
    const { cold, learned } = this.adoption;
    this.#context.onMisfit({ file: entry.file, why: cold.at(-1) ?? '', learned });
  }

  /** Hands the file over, with all that it needs, if everything is as it was. */
  #adopt(record: FileRecord, asking: string | undefined): boolean {
    if (record.state !== 'hidden') return false;
    const moved = this.#unforgivenMove(record);
    if (moved !== undefined) {
      this.dropAll(`the program has changed ${moved}`);
      return false;
    }
    if (this.#context.checks.isElsewhere) this.#dropReadersOfFolder();
    for (const one of this.#units.of(record)) {
      const difference = differenceFor(one);
      if (difference === undefined) continue;
      this.#note(difference.why);
      if (difference.variable !== undefined) this.adoption.differed.add(difference.variable);
      this.#reload(one);
    }
    for (const one of closureOf(record).filter(needsForgotten)) {
      this.#note(`${shortName(one.file)} uses a module that is no longer in the module cache`);
      this.drop(one);
    }
    const isAskedByProgram = asking === undefined || !isInstalled(asking);
    for (const [one, why] of this.#handedOver.misfits(record, isAskedByProgram)) {
      this.#note(`${shortName(one.file)} ${why}`);
      this.#reload(one);
    }
    if (!this.#fitsOrder(record) || !this.#fitsEffects(record)) return false;
    const files = closureOf(record);
    for (const entry of new Set(files.map(({ entry }) => entry))) this.#applyEffects(entry);
    for (const one of files) this.#handOver(one);
    this.#handedOver.add(record, files, isAskedByProgram);
    noteLookup(record.file);
    return true;
  }

  /** The program has changed its working folder. */
  #dropReadersOfFolder(): void {
    const readers = this.#context.records.filter((one) => one.state === 'hidden' && one.entry.readsFolder !== false);
    if (readers.length === 0) return;
    this.#note(`${readers.length} files may have read the working folder, which is another one now`);
    for (const one of readers) this.drop(one);
  }

  /** Whether Node would load the files in the same order: it begins with the one that is asked for. */
  #fitsOrder(record: FileRecord): boolean {
    const files = closureOf(record);
    if (this.#units.areWhole(files) && files.every(({ index, hasThrown }) => hasThrown || index >= record.index))
      return true;
    this.#note(`${shortName(record.file)} was loaded with ${shortName(record.entry.file)}, in another order`);
    for (const one of files) if (one.entry.isLate || !record.entry.isLate) this.drop(one);
    return false;
  }

  /**
   * Whether the effects of other entries are there now that were there when these files were loaded, and no part alone of
   * an entry with effects is asked for.
   */
  #fitsEffects(record: FileRecord): boolean {
    const files = closureOf(record);
    for (const entry of new Set(files.map(({ entry }) => entry))) {
      for (const earlier of this.#context.entries) {
        if (earlier === entry) break;
        if (!changesGround(earlier) || this.#applied.has(earlier)) continue;
        this.#note(`${shortName(record.file)} was loaded behind ${shortName(earlier.file)}, which has effects`);
        for (const one of files) this.drop(one);
        return false;
      }
      if (!hasEffects(entry) || this.#applied.has(entry) || record.file === entry.file) continue;
      this.#note(`${shortName(record.file)} was loaded with ${shortName(entry.file)}, which has effects`);
      for (const one of this.#context.records) if (one.entry === entry) this.drop(one);
    }
    return record.state === 'hidden';
  }

  #applyEffects(entry: EntryRecord): void {
    if (this.#applied.has(entry)) return;
    this.#applied.add(entry);
    for (const { key, after } of entry.writes) setVariable(key, after);
    const { checks } = this.#context;
    for (const change of entry.effects) {
      redo(change);
      if (change.object !== undefined) checks.expect(change.object, change.key, change.name);
      // Packages that the program asks for behind a late one have been loaded without its changes.
      if (change.file !== undefined && !entry.isLate) this.#handedOver.update(change.file);
    }
    if (entry.effects.length > 0) checks.expectLoader();
  }

  #handOver(record: FileRecord): void {
    const { file, module } = record;
    if (module === undefined) return;
    record.state = 'adopted';
    if (record.hasThrown) return;
    const linked = this.#linked.get(record);
    if (linked !== undefined) {
      module.exports = linked.exports;
      module.children.push(...linked.children);
    }
    module.loaded = true;
    // Node takes the mark off itself when it evaluates a module that it has linked.
    if (!record.isLinked) this.#mark(module, false);
    if (record.isLinked) keep(file, module);
    else cache(file, module);
    this.adoption.files += 1;
    if (parentOf(module) === undefined) noteLookup(file);
    if (file === record.entry.file) this.adoption.entries.push(file);
  }

  /** Names a change that every package could have noticed. A known one is noticed only by files that mention it. */
  #unforgivenMove({ entry }: FileRecord): string | undefined {
    const { checks, learned } = this.#context;
    if (checks.moved() === undefined) return undefined;
    const changes = checks.changes();
    const isKnown = (change: Change): boolean => learned.includes(change.name) && !isInherited(change);
    const hooks = checks.isLoaderChanged ? [`module loader at ${entry.file}`] : [];
    const news = [...changes.filter((change) => !isKnown(change)).map(({ name }) => name), ...hooks];
    this.adoption.learned = [...new Set([...this.adoption.learned, ...news])];
    if (news.length > 0) return checks.moved();
    for (const { object, key, name } of changes) {
      const suspects = this.#suspects.get(name) ?? [];
      if (suspects.length > 0) this.#note(`${suspects.length} files may notice that the program has changed ${name}`);
      for (const record of suspects) this.drop(record);
      if (object !== undefined) checks.expect(object, key, name);
    }
    return checks.moved();
  }

  /** Makes a module as new, for Node to evaluate it. */
  #empty(module: LoadedModule): void {
    module.exports = {};
    module.children.length = 0;
    module.loaded = false;
    this.#mark(module, true);
  }

  #mark(module: LoadedModule, isLinked: boolean): void {
    const { kIsCachedByESMLoader } = this.#context.symbols;
    if (kIsCachedByESMLoader === undefined) return;
    if (isLinked || Object.hasOwn(module, kIsCachedByESMLoader)) module[kIsCachedByESMLoader] = isLinked;
  }

  #note(why: string): void {
    if (this.adoption.cold.length < maxReasons) this.adoption.cold.push(why);
  }
}

/** Whether nobody has evaluated a module that Node has linked. */
const isEmpty = ({ loaded, exports }: LoadedModule): boolean =>
  !loaded && typeof exports === 'object' && exports !== null && Reflect.ownKeys(exports).length === 0;

/** Sets a value of the module cache where it is. */
const keep = (file: string, value: LoadedModule): boolean =>
  defineProperty(nodeModule._cache, file, { configurable: true, enumerable: true, writable: true, value });

const changesGround = ({ effects }: EntryRecord): boolean => effects.some(({ kind }: Change) => kind !== 'lazy');
const hasEffects = (entry: EntryRecord): boolean => changesGround(entry) || entry.writes.length > 0;

export type { Adoption, HiddenContext, HiddenPackages };

module.exports = { HiddenPackages };
