/**
 * The lines of the program's own files that load other files. Where they change, packages may be loaded in another order,
 * or others. What packages remember of each other inside themselves (a registry, plugins) cannot be seen from outside, so
 * that such a restart takes nothing that was loaded ahead. Where packages rely on it, code that runs between the lines counts
 * as well.
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { exactStampOf } from '../../shared/file-stamp.ts';
import { keepsOrder, loadsForOthers, type OwnCode, ownCodeOf, unknownCode } from './own-code.ts';

const loading =
  /\b(?:require|import)\s*(?:\.\s*resolve\s*)?\(\s*[^)]*\)|\bfrom\s*(['"])[^'"\n]+\1|\bimport\s*(['"])[^'"\n]+\2/g;
const relative = /['"](\.{1,2}\/[^'"\n]*)['"]/;

/** Returns what loads other files in a text, in order. */
const importLinesOf = (code: string): readonly string[] =>
  [...code.matchAll(loading)].map(([line]) => line.replaceAll(/\s+/g, ' '));

/** Extensions that an import may leave out, or name otherwise. */
const endings = ['', '.js', '.ts', '.mjs', '.mts', '.cjs', '.cts', '.tsx', '.jsx', '/index.js', '/index.ts'];
const maxFiles = 2000;
/** Stamps of files advance in ticks of the kernel's clock, of up to 10 ms. */
const maxTickMs = 10;

interface Known {
  readonly stamp: string;
  readonly lines: string;
  readonly loadsForOthers: boolean;
}

interface Past {
  readonly codes: ReadonlyMap<string, OwnCode>;
  readonly doubtful: ReadonlySet<string>;
}

export class ImportLines {
  readonly #files: Map<string, Known>;
  /** The code of files that somebody has asked for. */
  readonly #codes: Map<string, OwnCode>;
  readonly #isDoubtful: boolean;
  /** Files that the run may have loaded with another content. */
  readonly #doubtful = new Set<string>();

  /**
   * @param own files that the program has loaded; those that its ES modules load are found by their import lines
   * @param since epoch ms of the start of the run that has loaded them
   * @param previous lines that have been read before
   */
  constructor(own: readonly string[], since: number, previous?: ImportLines) {
    this.#files = new Map();
    this.#codes = new Map();
    let isDoubtful = false;
    const past = previous && { files: previous.#files, codes: previous.#codes, doubtful: previous.#doubtful };
    const files = new Set(own);
    for (const file of files) {
      const stamp = exactStampOf(file);
      if (stamp === '') continue; // A name that a loader has made up.
      const known = past?.files.get(file);
      const isSame = known?.stamp === stamp;
      const { lines, loadsForOthers } = isSame ? known : readFile(file);
      this.#files.set(file, { stamp, lines, loadsForOthers });
      const code = isSame ? past?.codes.get(file) : undefined;
      if (code !== undefined) this.#codes.set(file, code);
      // The run may have loaded what was there before.
      if (changedSince(file, since)) {
        isDoubtful ||= known?.lines !== lines;
        if (!isSame || past?.doubtful.has(file) === true) this.#addDoubt(file, past);
      }
      if (files.size < maxFiles) for (const one of importedBy(file, lines)) files.add(one);
    }
    this.#isDoubtful = isDoubtful;
  }

  /** All lines, by the files that they are in. */
  get text(): string {
    return JSON.stringify([...this.#files].map(([file, { lines }]) => [file, lines]));
  }

  /**
   * Whether the program loads files by the same lines as in the run that is known.
   *
   * @param ordered files in which code must stand at the same places as well
   */
  areUnchanged(ordered: ReadonlySet<string> = new Set()): boolean {
    if (this.#isDoubtful || [...ordered].some((file) => this.#doubtful.has(file))) return false;
    for (const [file, { stamp, lines }] of this.#files) {
      const now = exactStampOf(file);
      if (now === stamp) continue;
      const text = now === '' ? undefined : readText(file);
      if (text === undefined || linesIn(text) !== lines) return false;
      if (ordered.has(file) && !keepsOrder(this.codeOf(file), ownCodeOf(file, text))) return false;
    }
    return true;
  }

  /** Whether some file may load others in the name of another one. */
  get loadsForOthers(): boolean {
    return [...this.#files.values()].some((known) => known.loadsForOthers);
  }

  /** Returns the code of a file as it was when the run had settled; unknown code if it has changed since. */
  codeOf(file: string): OwnCode {
    const known = this.#codes.get(file);
    if (known !== undefined) return known;
    const text = exactStampOf(file) === this.#files.get(file)?.stamp ? readText(file) : undefined;
    const code = text === undefined ? unknownCode : ownCodeOf(file, text);
    this.#codes.set(file, code);
    return code;
  }

  /** Whether one of these files may import a package by its name. */
  mention(name: string, files: readonly string[]): boolean {
    const mentions = [`'${name}'`, `"${name}"`, `'${name}/`, `"${name}/`, '`'];
    return files.some((file) => {
      const lines = this.#files.get(file)?.lines;
      return lines === undefined || mentions.some((one) => lines.includes(one));
    });
  }

  /** A file has changed since the run began. It has loaded what is there now, unless that differs from what is known. */
  #addDoubt(file: string, past: Past | undefined): void {
    const before = past?.codes.get(file);
    const isKnown = before !== undefined && past?.doubtful.has(file) === false;
    if (!isKnown || !keepsOrder(before, this.codeOf(file))) this.#doubtful.add(file);
  }
}

const readText = (file: string): string | undefined => attempt(() => fs.readFileSync(file, 'utf8'));

const linesIn = (text: string): string => importLinesOf(text).join('\n');

function readFile(file: string): Pick<Known, 'lines' | 'loadsForOthers'> {
  const text = readText(file) ?? '';
  return { lines: linesIn(text), loadsForOthers: loadsForOthers(text) };
}

const changedSince = (file: string, since: number): boolean =>
  (attempt(() => fs.statSync(file).ctimeMs) ?? Number.POSITIVE_INFINITY) >= since - maxTickMs;

/** Files that a file imports by relative names. */
const importedBy = (file: string, lines: string): string[] =>
  lines.split('\n').flatMap((line) => {
    const [, name] = relative.exec(line) ?? [];
    return (name === undefined ? undefined : ownFileFor(name, file)) ?? [];
  });

/** Returns the file that a path in an import stands for. */
export const ownFileFor = (name: string, from: string): string | undefined => namesFor(name, from).find(isFile);

/** Returns all files that a path in an import may stand for: loaders differ in which one they take. */
export const ownFilesFor = (name: string, from: string): readonly string[] => namesFor(name, from).filter(isFile);

const isFile = (name: string): boolean => attempt(() => fs.statSync(name).isFile()) === true;

function namesFor(name: string, from: string): string[] {
  const wanted = path.resolve(path.dirname(from), name);
  const names = endings.map((ending) => wanted + ending);
  // In TypeScript, `./a.js` may stand for `./a.ts`.
  if (/\.[cm]?js$/.test(wanted)) names.push(wanted.replace(/js$/, 'ts'), wanted.replace(/js$/, 'tsx'));
  return names;
}
