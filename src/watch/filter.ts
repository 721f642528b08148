/**
 * Decides which paths matter: watch globs, ignore globs, extensions and default ignores, compiled once. Pure: it
 * considers names only, never the disk.
 *
 * The dialect, the same for `watch` and `ignore`:
 * - Patterns are relative to their base folder, with `/`; a leading `./` is removed; `..` and absolute paths reach
 *   outside.
 * - A folder means everything below it.
 * - A pattern without a slash matches at every depth (`*.test.js`; in `ignore` also plain names, `dist`), as in
 *   .gitignore; in `ignore` also in watched folders outside its base. A plain name in `watch` is a path: `src`,
 *   `server.js`.
 * - `!pattern` takes back what earlier patterns of the list matched; the last match wins. In `ignore` it also lifts a
 *   default that it names: `!dist`, `!.github`, `!node_modules/pkg`, but not `!keep.js`.
 * - A pattern that is literally the path matches it, so `pages/[id].js` needs no escapes.
 * - Names that start with a dot are names like any other.
 */

import path from 'node:path';
import type { Verdict } from '../shared/events.ts';
import { isIgnoredFile, isIgnoredFolder } from './default-ignores.ts';
import type { OtherCheckouts } from './other-checkouts.ts';
import { isAtOrBelow, isBelow, lengthOfPrefix, toPosix } from './paths.ts';
import { compile, literalFile, literalFolder, matches, matchesAnyDepth, type Pattern } from './pattern.ts';

/** Patterns, and the absolute folder that they are relative to. */
export interface PatternList {
  readonly patterns: readonly string[];
  readonly base: string;
}

/** Returns the rule by which git ignores an absolute POSIX path; undefined when git does not. */
export type GitIgnores = (file: string, isFolder: boolean) => string | undefined;

export interface FilterOptions {
  readonly watch: PatternList;
  readonly ignore: PatternList;
  /** Further absolute folders to watch by the same rules. */
  readonly folders?: readonly string[];
  /** Files that git ignores do not count, unless a pattern names them, or the ignored folder that holds them. */
  readonly gitIgnores?: GitIgnores | undefined;
  /** Files in these do not count, unless a pattern names the checkout that holds them. */
  readonly otherCheckouts?: OtherCheckouts | undefined;
  /** Absolute folders in which nothing counts, as far as they lie below a root. */
  readonly pseudoFileSystems?: readonly string[];
  /** Extensions without the dot; null means every file. They do not apply to a pattern that names an extension itself. */
  readonly extensions: readonly string[] | null;
  /** Absolute paths of files that count wherever they are, unless `ignore` names them. */
  readonly always?: readonly string[];
  /** The script's absolute path: a folder that is ignored by default but holds it (`dist`) is watched, except node_modules. */
  readonly script?: string | undefined;
  /** Called with a pattern that takes too long to match, and matches nothing from then on. */
  readonly onGiveUp?: ((pattern: string) => void) | undefined;
}

type Rejection = Extract<Verdict, { readonly watched: false }>;

const outside: Rejection = { watched: false, reason: 'outside' };

/** Reasons why a pattern that matches a file does not select it, the most telling one first. */
const reasons: readonly string[] = [
  'excluded',
  'ignored-by-default',
  'other-checkout',
  'gitignored',
  'extension',
  'outside',
];

const gitIgnoreName = '.gitignore';

/** The compiled patterns. The constructor throws a TypeError when picomatch cannot parse one. */
export class Filter {
  /** The folders (or single files) from which everything relevant can be reached; none lies inside another. */
  readonly roots: readonly string[];
  readonly extensions: readonly string[] | null;
  readonly otherCheckouts: OtherCheckouts | undefined;
  readonly #watch: readonly Pattern[];
  readonly #always: readonly Pattern[];
  readonly #ignore: readonly Pattern[];
  /** The negated patterns of `ignore`. */
  readonly #lifts: readonly Pattern[];
  readonly #gitIgnores: GitIgnores | undefined;
  /** POSIX paths; those below a root alone. */
  readonly #pseudo: readonly string[];
  readonly #extensionSet: ReadonlySet<string> | undefined;
  /** Files of these names may count whatever their extension; null means all files. */
  readonly #names: ReadonlySet<string> | null;

  constructor({ watch, ignore, folders = [], always = [], script, ...options }: FilterOptions) {
    const { gitIgnores, extensions, onGiveUp } = options;
    const patterns = watch.patterns.map((text) => compile(text, watch.base, 'watch', onGiveUp));
    const linked = folders.map((folder) => literalFolder(toPosix(folder)));
    this.#watch = [...scriptFolders(script, patterns), ...linked, ...patterns];
    this.#always = always.map(literalFile);
    const positive = [...this.#watch.filter((pattern) => !pattern.negated), ...this.#always];
    const roots = outermost(positive.map((pattern) => pattern.base));
    this.roots = roots.map((root) => path.normalize(root));
    this.#ignore = compileIgnores(ignore, roots, onGiveUp);
    this.#lifts = this.#ignore.filter((pattern) => pattern.negated);
    this.#gitIgnores = gitIgnores;
    const { pseudoFileSystems = [] } = options;
    this.#pseudo = pseudoFileSystems.filter((folder) => roots.some((root) => isBelow(folder, root)));
    this.otherCheckouts = options.otherCheckouts;
    this.extensions = extensions;
    this.#extensionSet = extensions === null ? undefined : new Set(extensions);
    const names = positive.map((pattern) => nameOf(pattern.literal));
    const takesAllNames = extensions === null || positive.some((pattern) => pattern.namesFiles);
    this.#names = takesAllNames ? null : new Set(gitIgnores === undefined ? names : [...names, gitIgnoreName]);
  }

  /** Does a change of this file restart the program? Absolute path with the platform's separators. */
  accepts(file: string): boolean {
    return this.mayAccept(nameOf(toPosix(file))) && this.explain(file).watched;
  }

  /** Checks a name without its folder, cheaply: false only if `accepts` is false in every folder. Most names fail here. */
  mayAccept(name: string): boolean {
    return this.#names === null || hasExtension(name, this.#extensionSet) || this.#names.has(name);
  }

  /** Can anything below this folder be relevant? */
  mayContain(file: string): boolean {
    const folder = toPosix(file);
    if (this.#pseudoAround(folder) !== undefined) return false;
    const lifting = this.#lifts.filter((lift) => isAtOrBelow(lift.base, folder) || isAtOrBelow(folder, lift.base));
    if (lifting.length === 0 && lastMatch(this.#ignore, folder)?.negated === false) return false;
    const excluded = this.#watch.findLastIndex((pattern) => pattern.negated && matches(pattern, folder));
    if (this.#always.some((pattern) => isBelow(pattern.base, folder))) return true;
    return this.#watch.some((pattern, index) => {
      if (pattern.negated || index < excluded) return false;
      if (isAtOrBelow(pattern.base, folder)) return true;
      if (!isBelow(folder, pattern.base)) return false;
      if (hidingDefault(`${folder}/`, pattern, lifting) !== undefined) return false;
      // The topmost folder of another checkout may: one day its .git may be gone.
      if (this.#otherCheckout(folder, pattern, lifting) !== undefined) return false;
      if (lifting.length === 0 && this.#gitRule(folder, true, pattern) !== undefined) return false;
      const segments = folder.slice(lengthOfPrefix(pattern.base)).split('/');
      return segments.length < pattern.depth || matches(pattern, folder);
    });
  }

  /** Returns the verdict on a file, with its reason. */
  explain(nativeFile: string): Verdict {
    const file = toPosix(nativeFile);
    const isGitIgnore = this.#gitIgnores !== undefined && nameOf(file) === gitIgnoreName;
    if (isGitIgnore) return { watched: true, pattern: gitIgnoreName };
    const pseudo = this.#pseudoAround(file);
    if (pseudo !== undefined) return { watched: false, reason: 'pseudo-file-system', pattern: pseudo };
    const ignored = lastMatch(this.#ignore, file);
    if (ignored?.negated === false) return { watched: false, reason: 'ignored', pattern: ignored.text };
    const lifting = this.#lifts.length === 0 ? this.#lifts : this.#lifts.filter((pattern) => matches(pattern, file));
    let rejection = outside;
    let selecting: Pattern | undefined;
    for (const pattern of this.#watch) {
      if (!matches(pattern, file)) continue;
      const next = this.#rejectionBy(pattern, file, lifting);
      if (next === undefined) selecting = pattern;
      else if (pattern.negated) selecting = undefined;
      if (next !== undefined && isAsTelling(next, rejection)) rejection = next;
    }
    selecting ??= this.#always.find((pattern) => pattern.matchesItself(file));
    return selecting === undefined ? rejection : { watched: true, pattern: selecting.text };
  }

  #pseudoAround(file: string): string | undefined {
    return this.#pseudo.find((folder) => isAtOrBelow(file, folder));
  }

  /** Returns why a watch pattern that matches the file does not select it; undefined if it does. */
  #rejectionBy(pattern: Pattern, file: string, lifting: readonly Pattern[]): Rejection | undefined {
    if (pattern.negated) return { watched: false, reason: 'excluded', pattern: pattern.text };
    const byDefault = hidingDefault(file, pattern, lifting);
    if (byDefault !== undefined) return { watched: false, reason: 'ignored-by-default', pattern: byDefault };
    const isLiteral = file === pattern.literal;
    const checkout = isLiteral ? undefined : this.#otherCheckout(file, pattern, lifting);
    if (checkout !== undefined) return { watched: false, reason: 'other-checkout', pattern: checkout };
    const byGit = isLiteral || lifting.length > 0 ? undefined : this.#gitRule(file, false, pattern);
    if (byGit !== undefined) return { watched: false, reason: 'gitignored', pattern: byGit };
    const isNamed = isLiteral || (pattern.namesFiles && pattern.matchesItself(file));
    return isNamed || hasExtension(nameOf(file), this.#extensionSet)
      ? undefined
      : { watched: false, reason: 'extension' };
  }

  /** Returns the other checkout between the pattern's base and the path, relative to the base, unless the pattern names it. */
  #otherCheckout(file: string, pattern: Pattern, lifting: readonly Pattern[]): string | undefined {
    const parent = file.slice(0, file.lastIndexOf('/'));
    const top = this.otherCheckouts
      ?.around(parent)
      .find((folder) => isBelow(folder, pattern.base) && !isNamed(folder, nameOf(folder), pattern, lifting));
    return top?.slice(lengthOfPrefix(pattern.base)).concat('/');
  }

  /** Returns git's rule that hides the path, or a folder between it and the pattern's base. */
  #gitRule(file: string, isFolder: boolean, pattern: Pattern): string | undefined {
    if (this.#gitIgnores === undefined) return undefined;
    for (let end = file.indexOf('/', lengthOfPrefix(pattern.base)); end >= 0; end = file.indexOf('/', end + 1)) {
      const rule = this.#gitIgnores(file.slice(0, end), true);
      if (rule !== undefined) return rule;
    }
    return this.#gitIgnores(file, isFolder);
  }
}

const nameOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

const lastMatch = (patterns: readonly Pattern[], file: string): Pattern | undefined =>
  patterns.findLast((pattern) => matches(pattern, file));

/** Compiles the patterns of `ignore`. Those that match at any depth also apply in every watched folder outside the base. */
function compileIgnores(
  { patterns, base }: PatternList,
  roots: readonly string[],
  onGiveUp: FilterOptions['onGiveUp'],
): Pattern[] {
  const outside = roots.filter((root) => !isAtOrBelow(root, toPosix(base)) && !isAtOrBelow(toPosix(base), root));
  return patterns.flatMap((text) =>
    matchesAnyDepth(text, 'ignore')
      ? [base, ...outside].map((folder) => compile(text, folder, 'ignore', onGiveUp))
      : [compile(text, base, 'ignore', onGiveUp)],
  );
}

/** Returns, for each watched folder in which a default hides the script, the folder that is hidden. */
function scriptFolders(script: string | undefined, patterns: readonly Pattern[]): Pattern[] {
  if (script === undefined) return [];
  const file = toPosix(script);
  return patterns.flatMap((pattern) => {
    if (pattern.negated || !matches(pattern, file)) return [];
    const hidden = hidingDefault(file, pattern, []);
    if (hidden === undefined || hidden === 'node_modules/' || !hidden.endsWith('/')) return [];
    for (let end = file.indexOf('/', lengthOfPrefix(pattern.base)); end >= 0; end = file.indexOf('/', end + 1)) {
      const folder = file.slice(0, end);
      if (hidingDefault(`${folder}/`, pattern, []) !== undefined) return [literalFolder(folder)];
    }
    return [];
  });
}

/**
 * Returns the default rule that hides `file` (a folder ends with a slash) from a watch pattern, unless the pattern or
 * one of `lifting` (the patterns of `ignore` that could take the rule back) names it; undefined when none does.
 */
function hidingDefault(file: string, pattern: Pattern, lifting: readonly Pattern[]): string | undefined {
  let start = lengthOfPrefix(pattern.base);
  for (let end = file.indexOf('/', start); end >= 0; end = file.indexOf('/', start)) {
    const folder = file.slice(start, end);
    if (isIgnoredFolder(folder) && !isNamed(file.slice(0, end), folder, pattern, lifting))
      return folder[0] === '.' ? '.*/' : `${folder}/`;
    start = end + 1;
  }
  const name = file.slice(start);
  return isIgnoredFile(name) && !isNamed(file, name, pattern, lifting) ? name : undefined;
}

/** Do these patterns write out the name of a path, or does one that lifts match it? */
const isNamed = (file: string, name: string, pattern: Pattern, lifting: readonly Pattern[]): boolean =>
  pattern.names.has(name) || lifting.some((lift) => lift.names.has(name) || lift.matchesItself(file));

/** Compares the text after any dot of the name, because an extension may itself have dots (`d.ts`). */
function hasExtension(name: string, extensions: ReadonlySet<string> | undefined): boolean {
  if (extensions === undefined) return true;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    if (extensions.has(name.slice(dot + 1))) return true;
  }
  return false;
}

const isAsTelling = (one: Rejection, other: Rejection): boolean =>
  reasons.indexOf(one.reason) <= reasons.indexOf(other.reason);

function outermost(folders: readonly string[]): string[] {
  const sorted = [...new Set(folders)].sort();
  return sorted.filter((folder) => !sorted.some((other) => isBelow(folder, other)));
}
