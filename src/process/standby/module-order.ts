/**
 * Finds out which packages a program of ES modules gets before any code runs that could configure one: Node evaluates all that
 * a file imports statically before the code of that file. TypeScript leaves out imports of types; so a package counts only if
 * each import of it comes early, and the program still imports it statically (`mustBeLinkedFirst` in preload/protocol.ts).
 */

import fs from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import path from 'node:path';
import type { LoadFacts, ModulePackages } from '../../preload/protocol.ts';
import { attempt } from '../../shared/errors.ts';
import { packageOf } from './audits.ts';
import type { OwnCode } from './own-code.ts';

export interface ModuleOrderSources {
  readonly script: string;
  readonly facts: LoadFacts;
  readonly codeOf: (file: string) => OwnCode;
  /** Returns the files that a relative name may stand for. */
  readonly ownFilesFor: (name: string, from: string) => readonly string[];
  /** Names of exports of a file that cannot be read without running code: Node reads all of them. */
  readonly accessorsOf: (file: string) => readonly string[];
  readonly packages: ModulePackages;
}

const isInstalled = (file: string): boolean => file.includes(`${path.sep}node_modules${path.sep}`);
const isBare = (name: string): boolean => /^(?:@[\w.~-]+\/)?[\w~-][\w.~-]*(?:\/[\w./~-]+)?$/.test(name);
const packageIn = (name: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? '';

export class ModuleOrder {
  readonly #sources: ModuleOrderSources;
  readonly #imported: ReadonlySet<string>;
  /** Packages that may be evaluated before any code, and behind some. */
  readonly #early = new Set<string>();
  readonly #late = new Set<string>();
  /** Files and packages that are evaluated before any code for sure. */
  readonly #certain = new Set<string>();
  readonly #inert = new Set<string>();
  readonly #files = new Set<string>();
  readonly #visits = new Set<string>();
  /** Code may have run that knows packages. */
  #hasActed = false;
  /** Some file or name is not understood. */
  #isUnknown = false;

  constructor(sources: ModuleOrderSources) {
    this.#sources = sources;
    const { entries, own } = sources.facts;
    this.#imported = new Set(entries.filter(({ kind }) => kind === 'import').map(({ file }) => file));
    // A script loads packages as it likes.
    this.#isUnknown = own.some(({ file }) => path.extname(file) !== '.json');
    this.#visit(sources.script, true);
    // Names may be aliases.
    this.#isUnknown ||= sources.packages.own.some((file) => !this.#files.has(file));
  }

  /** Whether no code has run before the program gets a package, if that is linked before anything is evaluated. */
  isFirst(file: string): boolean {
    if (this.#isUnknown || !this.#early.has(file) || this.#late.has(file)) return false;
    const name = packageOf(file);
    const { asked, needed } = this.#sources.packages;
    return asked.includes(name) && !needed.includes(name);
  }

  /** The own files that must not get code which runs when they are evaluated. */
  get inertFiles(): ReadonlySet<string> {
    return this.#inert;
  }

  /** @param isCertain it is evaluated here, if it is not yet */
  #visit(file: string, isCertain: boolean): void {
    const visit = JSON.stringify([file, isCertain, this.#hasActed]);
    if (this.#isUnknown || this.#certain.has(file) || this.#visits.has(visit)) return;
    this.#visits.add(visit);
    this.#files.add(file);
    if (isCertain && !this.#hasActed) this.#certain.add(file);
    const { imports, laterImports, isInert } = this.#sources.codeOf(file);
    if (laterImports === undefined) {
      this.#isUnknown = true;
      return;
    }
    const first = imports.filter(({ isStatic }) => isStatic);
    for (const { name, canBeElided } of first) this.#import(name, file, isCertain && !canBeElided);
    for (const name of laterImports) {
      if (!first.some((one) => one.name === name)) this.#import(name, file, false);
    }
    // Its code loads the rest, by `require`.
    if (!isInert || first.length < imports.length) this.#hasActed = true;
    else if (!this.#hasActed) this.#inert.add(file);
  }

  #import(name: string, from: string, isCertain: boolean): void {
    if (isBuiltin(name)) return;
    if (isBare(name)) this.#importPackage(name, from, isCertain);
    else {
      const [file, ...others] = /^\.{1,2}\/[^?#%\\]+$/.test(name) ? this.#sources.ownFilesFor(name, from) : [];
      // Node names files by their real paths.
      const isClear = file !== undefined && others.length === 0 && !isInstalled(file);
      if (isClear && attempt(() => fs.realpathSync(file)) === file) this.#visit(file, isCertain);
      else this.#isUnknown = true;
    }
  }

  #importPackage(name: string, from: string, isCertain: boolean): void {
    const { packages, accessorsOf } = this.#sources;
    if (packages.names.includes(packageIn(name))) {
      if (packages.acting.includes(packageIn(name))) this.#hasActed = true;
      return;
    }
    const file = attempt(() => createRequire(from).resolve(name));
    if (file === undefined || !isInstalled(file)) {
      // An alias of a file of the program.
      this.#isUnknown = true;
      return;
    }
    if (!this.#imported.has(file)) {
      this.#hasActed = true;
      return;
    }
    if (!this.#hasActed) {
      this.#early.add(file);
      if (isCertain) this.#certain.add(file);
    } else if (!this.#certain.has(file)) this.#late.add(file);
    if (accessorsOf(file).length > 0) this.#hasActed = true;
  }
}
