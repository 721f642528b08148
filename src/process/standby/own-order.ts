/**
 * Finds out between which of its packages a run has executed code of its own: only there it can have configured one. The order
 * in which files were loaded is that of the run; what stands between two imports is read from the files.
 */

import { createRequire, isBuiltin } from 'node:module';
import path from 'node:path';
import type { LoadFacts } from '../../preload/protocol.ts';
import { attempt } from '../../shared/errors.ts';
import type { OwnCode, OwnImport } from './own-code.ts';

export interface OrderSources {
  readonly facts: LoadFacts;
  readonly codeOf: (file: string) => OwnCode;
  /** Some file may load others in the name of another one. */
  readonly loadsForOthers: boolean;
  /** Returns the file that a relative name stands for. */
  readonly ownFileFor: (name: string, from: string) => string | undefined;
  /** Returns the index of the entry with which a file of a package was loaded. */
  readonly entryOf: (file: string) => number | undefined;
  /** Names of exports of a file that cannot be read without running code. */
  readonly accessorsOf: (file: string) => readonly string[];
}

/** An own file takes part in the order from one entry to another one. */
interface Part {
  readonly file: string;
  readonly from: number;
  to: number;
}

interface Load {
  readonly file: string;
  readonly parent: string | undefined;
  /** Undefined for an own file. */
  readonly entry: number | undefined;
}

export class OwnOrder {
  readonly #sources: OrderSources;
  readonly #loads: readonly Load[];
  readonly #positions: ReadonlyMap<string, number>;
  readonly #children = new Map<string, number[]>();
  /** The number of times that own code has run before each entry. */
  readonly #runs: number[] = [];
  readonly #parts: Part[] = [];
  /** The load that comes next. */
  #next = 0;
  #runsSoFar = 0;

  constructor(sources: OrderSources) {
    this.#sources = sources;
    this.#loads = loadsOf(sources.facts);
    this.#positions = new Map(this.#loads.map(({ file }, index) => [file, index]));
    const isClear = sources.facts.isCommonJs && !sources.loadsForOthers;
    for (const [index, { parent }] of this.#loads.entries()) {
      if (parent === undefined || !this.#positions.has(parent)) continue;
      const children = this.#children.get(parent) ?? [];
      children.push(index);
      this.#children.set(parent, children);
    }
    while (isClear && !this.#isComplete && this.#next < this.#loads.length) {
      const { parent, entry } = this.#loads[this.#next] as Load;
      // The rest was loaded later on, by functions.
      if (entry !== undefined || (parent !== undefined && this.#positions.has(parent))) break;
      this.#visit(this.#next);
    }
  }

  /** Whether no code of the program has run between two entries. */
  isClear(from: number, to: number): boolean {
    const runs = this.#runs[to];
    return runs !== undefined && this.#runs[from] === runs;
  }

  /** The own files that decide on what runs between two entries. */
  filesBetween(from: number, to: number): readonly string[] {
    return this.#parts.filter((part) => part.from <= to && part.to >= from).map(({ file }) => file);
  }

  /** Whether all packages have been met: files behind them are of no interest. */
  get #isComplete(): boolean {
    return this.#runs.length === this.#sources.facts.entries.length;
  }

  #visit(index: number): void {
    const { file, entry } = this.#loads[index] as Load;
    this.#next += 1;
    if (entry !== undefined) this.#runs[entry] = this.#runsSoFar;
    else if (!this.#isComplete) this.#evaluate(file);
  }

  /** Follows the evaluation of an own file. */
  #evaluate(file: string): void {
    const code = this.#sources.codeOf(file);
    const part: Part = { file, from: this.#runs.length - 1, to: 0 };
    this.#parts.push(part);
    // Late ones are loaded by functions, when all of these are evaluated.
    const children = this.#children.get(file) ?? [];
    let at = 0;
    // Code loads those that no import names, or a compiler asks for them. It may do more between two of them.
    const visitUnnamed = (end: number): void => {
      for (; at < end; at += 1) {
        this.#run();
        if (children[at] === this.#next) this.#visit(this.#next);
      }
    };
    for (const one of code.imports) {
      if (one.isBehindCode) this.#run();
      if (isBuiltin(one.name)) continue;
      const target = this.#resolve(one.name, file);
      const position = target === undefined ? undefined : this.#positions.get(target);
      const found = position === undefined ? -1 : children.indexOf(position, at);
      if (found < 0) {
        if (!this.#isLoaded(target) && !this.#isInert(target)) this.#run();
      } else {
        if (found > at) {
          visitUnnamed(found);
          this.#run();
        }
        if (children[found] !== this.#next) break;
        this.#visit(this.#next);
        at = found + 1;
      }
      // The code may load it, if a compiler has left the import out.
      if ((one.canBeElided && code.loadsLater) || this.#readsAccessors(one, target)) this.#run();
    }
    visitUnnamed(children.length);
    if (!code.isInert) this.#run();
    part.to = this.#runs.length;
  }

  #run(): void {
    this.#runsSoFar += 1;
  }

  #isLoaded(target: string | undefined): boolean {
    if (target === undefined) return false;
    const entry = this.#sources.entryOf(target);
    if (entry !== undefined && entry < this.#runs.length) return true;
    return (this.#positions.get(target) ?? Number.POSITIVE_INFINITY) < this.#next;
  }

  /** Whether nothing happens if a compiler loads a file after all that it has left out. */
  #isInert(target: string | undefined, seen = new Set<string>()): boolean {
    if (target === undefined || isInstalled(target)) return false;
    if (seen.has(target)) return true;
    seen.add(target);
    const { imports, isInert } = this.#sources.codeOf(target);
    return (
      isInert &&
      imports.every(({ name }) => {
        if (isBuiltin(name)) return true;
        const file = this.#resolve(name, target);
        return this.#isLoaded(file) || this.#isInert(file, seen);
      })
    );
  }

  #readsAccessors({ reads }: OwnImport, target: string | undefined): boolean {
    if (reads.length === 0) return false;
    if (target === undefined) return true;
    if (!isInstalled(target)) {
      return this.#sources.facts.own.some(({ file }) => this.#sources.codeOf(file).hasAccessors);
    }
    const accessors = this.#sources.accessorsOf(target);
    return accessors.includes('*') || reads.some((name) => name === '*' || accessors.includes(name));
  }

  #resolve(name: string, from: string): string | undefined {
    if (/^\.{1,2}(?:\/|$)|^\//.test(name)) return this.#sources.ownFileFor(name, from);
    return attempt(() => createRequire(from).resolve(name)) ?? this.#aliased(name);
  }

  /** Returns the own file that is meant by a name such as `@/users/service`, where only one can be. */
  #aliased(name: string): string | undefined {
    const [, ...rest] = name.split('/');
    const ending = `/${(rest.length === 0 ? [name] : rest).join('/')}`;
    const found = this.#sources.facts.own.filter(({ file }) => {
      const bare = file.replaceAll('\\', '/').replace(/\.[cm]?[jt]sx?$/, '');
      return bare.endsWith(ending) || bare.endsWith(`${ending}/index`);
    });
    return found.length === 1 ? found[0]?.file : undefined;
  }
}

const isInstalled = (file: string): boolean => file.includes(`${path.sep}node_modules${path.sep}`);

/** Returns what was loaded, in order. */
function loadsOf({ entries, own }: LoadFacts): Load[] {
  const loads: Load[] = [];
  let entry = 0;
  const addEntries = (end: number): void => {
    for (; entry < Math.min(end, entries.length); entry += 1) {
      const { file, parent } = entries[entry] as LoadFacts['entries'][number];
      loads.push({ file, parent, entry });
    }
  };
  for (const { file, parent, entriesBefore } of own) {
    addEntries(entriesBefore);
    loads.push({ file, parent, entry: undefined });
  }
  addEntries(entries.length);
  return loads;
}
