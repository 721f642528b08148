/**
 * Decides which paths matter: watch globs, ignore globs, extensions and default ignores, compiled
 * once. Pure: it considers names only, never the disk.
 *
 * The dialect, the same for `watch` and `ignore`:
 * - Patterns are relative to their base folder, with `/`; a leading `./` is removed; `..` and
 *   absolute paths reach outside.
 * - A folder means everything below it.
 * - A pattern without a slash matches at every depth (`*.test.js`; in `ignore` also plain names,
 *   `dist`), as in .gitignore; in `ignore` also in watched folders outside its base. A plain name
 *   in `watch` is a path: `src`, `server.js`.
 * - `!pattern` takes back what earlier patterns of the list matched; the last match wins. In
 *   `ignore` it also lifts a default that it names: `!dist`, `!.github`, `!node_modules/pkg`, but
 *   not `!keep.js`.
 * - A pattern that is literally the path matches it, so `pages/[id].js` needs no escapes.
 * - Names that start with a dot are names like any other.
 */

import path from 'node:path';
import type { Verdict } from '../shared/events.ts';
import { isIgnoredFile, isIgnoredFolder } from './default-ignores.ts';
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
  /** Extensions without the dot; null means every file. They do not apply to a pattern that names an extension itself. */
  readonly extensions: readonly string[] | null;
  /** Absolute paths of files that count wherever they are, unless `ignore` names them. */
  readonly always?: readonly string[];
  /** The script's absolute path: a folder that is ignored by default but holds it (`dist`) is watched, except node_modules. */
  readonly script?: string | undefined;
}

export interface Filter {
  /** The folders (or single files) from which everything relevant can be reached; none lies inside another. */
  readonly roots: readonly string[];
  readonly extensions: readonly string[] | null;
  /** Does a change of this file restart the program? Absolute path with the platform's separators. */
  accepts(file: string): boolean;
  /** Checks a name without its folder, cheaply: false only if `accepts` is false in every folder. */
  mayAccept(name: string): boolean;
  /** Can anything below this folder be relevant? */
  mayContain(folder: string): boolean;
  /** Returns the verdict on a file, with its reason. */
  explain(file: string): Verdict;
}

/** Reasons why a pattern that matches a file does not select it, the most telling one first. */
const reasons = ['excluded', 'ignored-by-default', 'gitignored', 'extension'] as const;
type Reason = (typeof reasons)[number];

/**
 * Compiles the patterns.
 *
 * @throws TypeError when picomatch cannot parse a pattern
 */
export function createFilter(options: FilterOptions): Filter {
  return new PatternFilter(options);
}

class PatternFilter implements Filter {
  readonly #watch: readonly Pattern[];
  readonly #always: readonly Pattern[];
  readonly #ignore: readonly Pattern[];
  /** The negated patterns of `ignore`. */
  readonly #lifts: readonly Pattern[];
  readonly #gitIgnores: GitIgnores | undefined;
  readonly #extensionSet: ReadonlySet<string> | null;
  readonly #literalNames: ReadonlySet<string>;
  readonly #anyNamesFiles: boolean;
  readonly roots: readonly string[];
  readonly extensions: readonly string[] | null;

  constructor(options: FilterOptions) {
    const patterns = options.watch.patterns.map((text) => compile(text, options.watch.base, 'watch'));
    this.#watch = [
      ...scriptFolders(options.script, patterns),
      ...(options.folders ?? []).map((folder) => literalFolder(toPosix(folder))),
      ...patterns,
    ];
    this.#always = (options.always ?? []).map(literalFile);
    const positive = [...this.#watch.filter((pattern) => !pattern.negated), ...this.#always];
    const roots = outermost(positive.map((pattern) => pattern.base));
    this.#ignore = compileIgnores(options.ignore, roots);
    this.#lifts = this.#ignore.filter((pattern) => pattern.negated);
    this.#gitIgnores = options.gitIgnores;
    this.extensions = options.extensions;
    this.#extensionSet = options.extensions === null ? null : new Set(options.extensions);
    this.#literalNames = new Set(positive.map((pattern) => nameOf(pattern.literal)));
    this.#anyNamesFiles = positive.some((pattern) => pattern.namesFiles);
    this.roots = roots.map((root) => path.normalize(root));
  }

  accepts(file: string): boolean {
    const posix = toPosix(file);
    return this.mayAccept(nameOf(posix)) && this.#explain(posix).watched;
  }

  /** Most files of a project fail here, before any pattern is tried. */
  mayAccept(name: string): boolean {
    return (
      this.#extensionSet === null ||
      this.#anyNamesFiles ||
      hasExtension(name, this.#extensionSet) ||
      this.#literalNames.has(name) ||
      this.#hasGitRules(name)
    );
  }

  explain(file: string): Verdict {
    return this.#explain(toPosix(file));
  }

  mayContain(file: string): boolean {
    const folder = toPosix(file);
    const lifting = this.#lifts.filter((lift) => isAtOrBelow(lift.base, folder) || isAtOrBelow(folder, lift.base));
    if (lifting.length === 0 && lastMatch(this.#ignore, folder)?.negated === false) return false;
    const excluded = this.#watch.findLastIndex((pattern) => pattern.negated && matches(pattern, folder));
    if (this.#always.some((pattern) => isBelow(pattern.base, folder))) return true;
    return this.#watch.some((pattern, index) => {
      if (pattern.negated || index < excluded) return false;
      if (isAtOrBelow(pattern.base, folder)) return true;
      if (!isBelow(folder, pattern.base)) return false;
      if (hidingDefault(`${folder}/`, pattern, lifting) !== undefined) return false;
      if (lifting.length === 0 && this.#gitRule(folder, true, pattern) !== undefined) return false;
      return segmentsBelow(folder, pattern.base) < pattern.depth || matches(pattern, folder);
    });
  }

  #explain(file: string): Verdict {
    if (this.#hasGitRules(nameOf(file))) return { watched: true, pattern: gitIgnoreName };
    const ignored = lastMatch(this.#ignore, file);
    if (ignored?.negated === false) return { watched: false, reason: 'ignored', pattern: ignored.text };

    const lifting = this.#lifts.filter((pattern) => matches(pattern, file));
    let rejections: Map<Reason, string> | undefined;
    let selecting: Pattern | undefined;
    for (const pattern of this.#watch) {
      if (!matches(pattern, file)) continue;
      const rejection = this.#rejectionBy(pattern, file, lifting);
      if (rejection === undefined) {
        selecting = pattern;
        continue;
      }
      rejections ??= new Map();
      rejections.set(rejection.reason, rejection.pattern);
      if (pattern.negated) selecting = undefined;
    }
    selecting ??= this.#always.find((pattern) => pattern.matchesItself(file));
    if (selecting !== undefined) return { watched: true, pattern: selecting.text };
    const reason = reasons.find((candidate) => rejections?.has(candidate)) ?? 'outside';
    if (reason === 'outside' || reason === 'extension') return { watched: false, reason };
    return { watched: false, reason, pattern: rejections?.get(reason) ?? '' };
  }

  /** Returns why a watch pattern that matches the file does not select it; undefined if it does. */
  #rejectionBy(
    pattern: Pattern,
    file: string,
    lifting: readonly Pattern[],
  ): { reason: Reason; pattern: string } | undefined {
    if (pattern.negated) return { reason: 'excluded', pattern: pattern.text };
    const byDefault = hidingDefault(file, pattern, lifting);
    if (byDefault !== undefined) return { reason: 'ignored-by-default', pattern: byDefault };
    const isLiteral = file === pattern.literal;
    const byGit = isLiteral || lifting.length > 0 ? undefined : this.#gitRule(file, false, pattern);
    if (byGit !== undefined) return { reason: 'gitignored', pattern: byGit };
    if (this.#extensionSet === null || hasExtension(nameOf(file), this.#extensionSet)) return undefined;
    return isLiteral || (pattern.namesFiles && pattern.matchesItself(file))
      ? undefined
      : { reason: 'extension', pattern: '' };
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

  #hasGitRules(name: string): boolean {
    return this.#gitIgnores !== undefined && name === gitIgnoreName;
  }
}

const gitIgnoreName = '.gitignore';

const nameOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

function lastMatch(patterns: readonly Pattern[], file: string): Pattern | undefined {
  return patterns.findLast((pattern) => matches(pattern, file));
}

/** Compiles the patterns of `ignore`. Those that match at any depth also apply in every watched folder outside the base. */
function compileIgnores({ patterns, base }: PatternList, roots: readonly string[]): Pattern[] {
  const outside = roots.filter((root) => !isAtOrBelow(root, toPosix(base)) && !isAtOrBelow(toPosix(base), root));
  return patterns.flatMap((text) =>
    matchesAnyDepth(text, 'ignore')
      ? [base, ...outside].map((folder) => compile(text, folder, 'ignore'))
      : [compile(text, base, 'ignore')],
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
 * Returns the default rule that hides `file` (a folder ends with a slash) from a watch pattern;
 * undefined when none does.
 *
 * @param lifting the patterns of `ignore` that could take the rule back
 */
function hidingDefault(file: string, pattern: Pattern, lifting: readonly Pattern[]): string | undefined {
  let start = lengthOfPrefix(pattern.base);
  for (let end = file.indexOf('/', start); end >= 0; end = file.indexOf('/', start)) {
    const folder = file.slice(start, end);
    if (isIgnoredFolder(folder) && !isNamed(folder, end)) return folder[0] === '.' ? '.*/' : `${folder}/`;
    start = end + 1;
  }
  const name = file.slice(start);
  return isIgnoredFile(name) && !isNamed(name, file.length) ? name : undefined;

  function isNamed(name: string, end: number): boolean {
    if (pattern.names.has(name)) return true;
    return lifting.some((lift) => lift.names.has(name) || lift.matchesItself(file.slice(0, end)));
  }
}

/** Compares the text after any dot of the name, because an extension may itself have dots (`d.ts`). */
function hasExtension(name: string, extensions: ReadonlySet<string>): boolean {
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    if (extensions.has(name.slice(dot + 1))) return true;
  }
  return false;
}

const segmentsBelow = (folder: string, base: string): number => folder.slice(lengthOfPrefix(base)).split('/').length;

function outermost(folders: readonly string[]): string[] {
  const sorted = [...new Set(folders)].sort();
  return sorted.filter((folder) => !sorted.some((other) => isBelow(folder, other)));
}
