/**
 * The lines of the program's own files that load other files. Where they change, packages may be loaded in another order,
 * or others. What packages remember of each other inside themselves (a registry, plugins) cannot be seen from outside, so
 * that such a restart takes nothing that was loaded ahead.
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { exactStampOf } from '../../shared/file-stamp.ts';

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
}

export class ImportLines {
  readonly #files: Map<string, Known>;
  readonly #isDoubtful: boolean;

  /**
   * @param own files that the program has loaded; those that its ES modules load are found by their import lines
   * @param since epoch ms of the start of the run that has loaded them
   * @param previous lines that have been read before
   */
  constructor(own: readonly string[], since: number, previous?: ImportLines) {
    this.#files = new Map();
    let isDoubtful = false;
    const files = new Set(own);
    for (const file of files) {
      const stamp = exactStampOf(file);
      if (stamp === '') continue; // A name that a loader has made up.
      const known = previous === undefined ? undefined : previous.#files.get(file);
      const lines = known?.stamp === stamp ? known.lines : readLines(file);
      this.#files.set(file, { stamp, lines });
      // The run may have loaded what was there before.
      isDoubtful ||= known?.lines !== lines && changedSince(file, since);
      if (files.size < maxFiles) for (const one of importedBy(file, lines)) files.add(one);
    }
    this.#isDoubtful = isDoubtful;
  }

  /** Whether the program loads files by the same lines as in the run that is known. */
  areUnchanged(): boolean {
    if (this.#isDoubtful) return false;
    for (const [file, { stamp, lines }] of this.#files) {
      const now = exactStampOf(file);
      if (now !== stamp && (now === '' || readLines(file) !== lines)) return false;
    }
    return true;
  }
}

const readLines = (file: string): string =>
  importLinesOf(attempt(() => fs.readFileSync(file, 'utf8')) ?? '').join('\n');

const changedSince = (file: string, since: number): boolean =>
  (attempt(() => fs.statSync(file).ctimeMs) ?? Number.POSITIVE_INFINITY) >= since - maxTickMs;

/** Files that a file imports by relative names. */
function importedBy(file: string, lines: string): string[] {
  return lines.split('\n').flatMap((line) => {
    const [, name] = relative.exec(line) ?? [];
    if (name === undefined) return [];
    const wanted = path.resolve(path.dirname(file), name);
    const names = endings.map((ending) => wanted + ending);
    // In TypeScript, `./a.js` may stand for `./a.ts`.
    if (/\.[cm]?js$/.test(wanted)) names.push(wanted.replace(/js$/, 'ts'), wanted.replace(/js$/, 'tsx'));
    const found = names.find((one) => attempt(() => fs.statSync(one).isFile()));
    return found === undefined ? [] : [found];
  });
}
