/** Records, while packages are loaded, which file reads what, and which does what it could not do twice. */

import type { Change } from './ground.cts';
import type { callersOf as CallersOf, isInstalled as IsInstalled, LoadedModule } from './internals.cts';
import type { Readable } from './late-loads.cts';

const { callersOf, isInstalled } = require('./internals.cjs') as {
  callersOf: typeof CallersOf;
  isInstalled: typeof IsInstalled;
};

/** A file that was loaded ahead of time. */
interface FileRecord {
  readonly file: string;
  entry: EntryRecord;
  module: LoadedModule | undefined;
  /** Variables that it has read, with their values; `*` stands for the list of all names. */
  readonly variables: Map<string, string | undefined>;
  /** Files that it has read or looked for, other than by loading them as CommonJS modules, with their stamps. */
  readonly reads: Map<string, string>;
  /** Its evaluation has thrown: Node has forgotten the module, but not those that it needs. */
  hasThrown: boolean;
  /** The file that was being evaluated when this one was loaded. */
  loadedBy: string | undefined;
  /** Position in the order in which the files got into the module cache. */
  index: number;
  /**
   * `hidden`: waits for the program to ask for it. `adopted`: the program has it. `gone`: it is no longer valid, or the
   * program loads it itself.
   */
  state: 'hidden' | 'adopted' | 'gone';
  /** Node's loader of ES modules has the module already, without its exports. */
  isLinked: boolean;
  isEsModule: boolean;
  /** It cannot be loaded a second time in this process: an ES module, a native addon, or something of it stays. */
  isIncurable: boolean;
  readonly needs: Set<FileRecord>;
  readonly users: Set<FileRecord>;
}

interface Blame {
  readonly file: string;
  /** The predicate of a sentence about the file. */
  readonly why: string;
}

/** A file of a package that the program itself asks for, with all that was loaded for it. */
interface EntryRecord {
  readonly file: string;
  /** Files that were loaded for it. */
  added: string[];
  /** Why it is not handed over to the program. */
  readonly blames: Blame[];
  /** Changes of the environment, in order: name, old and new value. */
  readonly writes: { readonly key: string; readonly before: string | undefined; readonly after: string | undefined }[];
  /** Changes of what lies outside of it. */
  changes: Change[];
  /** The changes that are taken back, and made again when the program asks for it. */
  effects: Change[];
  /** Names of changes that cannot be taken back, and do no harm. */
  stays: readonly string[];
  /** Folders of packages whose functions it has called. */
  calls: readonly string[];
  /** It depends on the working folder; undefined if that is not known. */
  readsFolder: boolean | undefined;
  /** The program may have it only if it has been linked before anything was evaluated. */
  mustBeLinkedFirst: boolean;
  /** A function of a package has asked for it. */
  isLate: boolean;
  /** If it is late: what it could read of others. */
  readable: Readable | undefined;
  /** It has changed something for good that the program would find without it. */
  isRuinous: boolean;
  failed: string | undefined;
  /** Epoch ms. */
  readonly startedAt: number;
  ms: number;
}

interface Lookup {
  readonly folder: string;
  readonly name: string;
}

const stackDepth = 8;

class Recorder {
  readonly records: Map<string, FileRecord> = new Map();
  readonly entries: EntryRecord[] = [];
  /** By which names, from which folders, a file was looked up. */
  readonly lookups: Map<string, Map<string, Lookup>> = new Map();
  /** Files whose evaluation is under way. */
  readonly evaluating: string[] = [];
  /** The entry that is being loaded. */
  current: EntryRecord | undefined;
  /** Node looks for a file: what it reads for that is known from the cache folder's stamps. */
  isResolving = false;
  /** A stream of the process is being opened. */
  isOpeningStream = false;

  begin(file: string): EntryRecord {
    const entry: EntryRecord = {
      file,
      added: [],
      blames: [],
      writes: [],
      changes: [],
      effects: [],
      stays: [],
      calls: [],
      readsFolder: undefined,
      mustBeLinkedFirst: false,
      isLate: false,
      readable: undefined,
      isRuinous: false,
      failed: undefined,
      startedAt: Date.now(),
      ms: 0,
    };
    this.entries.push(entry);
    this.current = entry;
    return entry;
  }

  recordOf(file: string, entry: EntryRecord): FileRecord {
    let record = this.records.get(file);
    if (record === undefined) {
      record = {
        ...{ file, entry, module: undefined, loadedBy: undefined, index: -1, state: 'gone' as const },
        ...{ variables: new Map(), reads: new Map(), needs: new Set(), users: new Set() },
        ...{ hasThrown: false, isLinked: false, isEsModule: false, isIncurable: false },
      };
      this.records.set(file, record);
    }
    return record;
  }

  /** A file of a folder has looked up another one. */
  noteLookup(file: string, folder: string, name: string): void {
    let lookups = this.lookups.get(file);
    if (lookups === undefined) {
      lookups = new Map();
      this.lookups.set(file, lookups);
    }
    lookups.set(`${folder}\0${name}`, { folder, name });
  }

  /** Speaks against the file that is being evaluated. */
  blame(why: string, file: string = this.evaluating.at(-1) ?? this.current?.file ?? ''): void {
    const { current } = this;
    if (current === undefined) return;
    if (!current.blames.some((one) => one.file === file && one.why === why)) current.blames.push({ file, why });
  }

  /** Takes back the latest blame of this kind. */
  excuse(why: string): void {
    const { blames } = this.current ?? { blames: [] as Blame[] };
    const at = blames.findLastIndex((one) => one.why === why);
    if (at >= 0) blames.splice(at, 1);
  }

  /** Calls back with each file that takes part in a read, as those do that call a function of another one. */
  noteReaders(below: (...args: never[]) => unknown, note: (record: FileRecord) => void): void {
    const { current, evaluating } = this;
    if (current === undefined) return;
    const files = new Set([evaluating.at(-1) ?? current.file]);
    for (const site of callersOf(below, stackDepth)) {
      const name = site.getFileName() ?? '';
      files.add(name.startsWith('file://') ? decodeURIComponent(name.slice('file://'.length)) : name);
    }
    for (const file of files) if (isInstalled(file)) note(this.recordOf(file, current));
  }
}

export type { EntryRecord, FileRecord, Lookup, Recorder };

module.exports = { Recorder };
