/**
 * Which paths matter: watch globs, ignore globs, extensions and default ignores, compiled once.
 * Pure: it looks at names, never at the disk.
 *
 * The dialect, the same for `watch` and `ignore`:
 * - Patterns are relative to their base folder, with `/`; `./` in front is stripped; `..` and
 *   absolute paths reach outside.
 * - A folder means everything below it.
 * - A pattern without a slash matches at every depth (`*.test.js`; in `ignore` also plain names,
 *   `dist`), as in .gitignore; in `ignore` also in watched folders outside its base. A plain name
 *   in `watch` is a path: `src`, `server.js`.
 * - `!pattern` takes back what earlier patterns of the list matched; the last match wins. In
 *   `ignore` it lifts a default, too, when it names what the default hides: `!dist`, `!.github`,
 *   `!node_modules/pkg`, but not `!keep.js`.
 * - A pattern that is literally the path matches it, so `pages/[id].js` needs no escapes.
 * - Names that start with a dot are names like any other.
 */

import path from 'node:path';
import picomatch from 'picomatch';
import type { Verdict } from '../shared/events.ts';
import { isAtOrBelow, isBelow, toPosix } from './paths.ts';

/** Patterns, and the absolute folder that they are relative to. */
export interface PatternList {
  readonly patterns: readonly string[];
  readonly base: string;
}

/** What git leaves out: the rule that says so, or undefined. Absolute POSIX path. */
export type GitIgnores = (file: string, isFolder: boolean) => string | undefined;

export interface FilterOptions {
  readonly watch: PatternList;
  readonly ignore: PatternList;
  /** Absolute folders that are watched, too, by the same rules. */
  readonly folders?: readonly string[];
  /** What git ignores does not count, unless a pattern names it, or the ignored folder that holds it. */
  readonly gitIgnores?: GitIgnores | undefined;
  /** Extensions without the dot; null means every file. They do not apply to a pattern that names an extension itself. */
  readonly extensions: readonly string[] | null;
  /** Absolute paths of files that count wherever they are, unless `ignore` names them. */
  readonly always?: readonly string[];
  /** The script's absolute path: a folder that is ignored by default but holds it (`dist`) is not, except node_modules. */
  readonly script?: string | undefined;
}

export interface Filter {
  /** The folders (or single files) from which everything relevant can be reached; none lies inside another. */
  readonly roots: readonly string[];
  readonly extensions: readonly string[] | null;
  /** Does a change of this file restart the program? Absolute path with the platform's separators. */
  accepts(file: string): boolean;
  /** A cheap first answer for a name without its folder: false where `accepts` would say so for any folder. */
  mayAccept(name: string): boolean;
  /** Can anything below this folder be relevant? */
  mayContain(folder: string): boolean;
  /** The verdict on a file, with its reason. */
  explain(file: string): Verdict;
}

/**
 * Folders that hold what tools produce, not what people write, at any depth below a watched
 * folder. A watch pattern that names such a folder watches it: `dist`, `lib/dist`, `{src,dist}`.
 */
const ignoredFolders: readonly string[] = [
  'node_modules',
  'bower_components',
  'jspm_packages',
  'dist',
  'build',
  'out',
  'coverage',
  'logs',
  'tmp',
  'temp',
  '__pycache__',
  'venv',
];

/** Files that editors and tools put beside the real ones for a moment. */
const ignoredFiles: readonly string[] = [
  '\\.#.*', // Emacs lock
  '#.*#', // Emacs auto-save
  '.*~', // backup copies
  '.*\\.sw[a-p]', // vim
  '4913', // vim tries whether a folder is writable
  '.*___jb_old___', // JetBrains safe write
  '.*___jb_tmp___',
  '.*\\.timestamp-.*\\.mjs', // a bundled vite or vitest configuration
];

/** Names of folders that are ignored by default. */
export const ignoredFolderNames: ReadonlySet<string> = new Set(ignoredFolders);
const ignoredFileName = new RegExp(`^(?:${ignoredFiles.join('|')})$`, 's');

interface Pattern {
  /** As the user wrote it. */
  readonly text: string;
  readonly negated: boolean;
  /** Absolute POSIX path of the literal part. */
  readonly base: string;
  /** The whole pattern read literally, absolute. */
  readonly literal: string;
  /** Depth below `base` at which the last segment stands; Infinity when it has none. */
  readonly depth: number;
  /** The names that are spelt out in it, those of alternatives included. */
  readonly names: ReadonlySet<string>;
  /** Has it wildcards, and says which file names it wants? Then the list of extensions does not apply. */
  readonly namesFiles: boolean;
  matchesItself(file: string): boolean;
  matchesBelow(file: string): boolean;
}

const globstar = '**';

function regexOf(glob: string): RegExp {
  return picomatch.makeRe(glob, { dot: true, posix: true });
}

/** The literal part of a pattern, and the rest. Most patterns are a path: picomatch, which takes 3 ms to load, is not asked about those. */
const scan = (text: string): Pick<ReturnType<typeof picomatch.scan>, 'base' | 'glob' | 'isGlob'> =>
  /[*?[\](){}!+@|\\]/.test(text) ? picomatch.scan(text) : { base: text, glob: '', isGlob: false };

/** Is this text a name without wildcards? */
const isPlain = (text: string): boolean => !scan(text).isGlob;

function parse(text: string): { negated: boolean; anchored: boolean; body: string } {
  const negated = text.startsWith('!') && text[1] !== '(';
  let body = toPosix(negated ? text.slice(1) : text);
  const anchored = body.startsWith('./');
  if (anchored) body = body.slice(2);
  if (body.length > 1 && body.endsWith('/')) body = body.slice(0, -1);
  return { negated, anchored, body };
}

/** Does it match at every depth? */
function floats(text: string, list: 'watch' | 'ignore'): boolean {
  const { anchored, body } = parse(text);
  return !anchored && !body.includes('/') && !/^\.{0,2}$/.test(body) && (list === 'ignore' || !isPlain(body));
}

function compile(text: string, base: string, list: 'watch' | 'ignore'): Pattern {
  const { negated, body } = parse(text);
  const parts = floats(text, list) ? { base: '', glob: `${globstar}/${body}` } : scan(body);
  const folder = toPosix(path.resolve(base, parts.base));
  const literal = toPosix(path.resolve(base, body));
  const { glob } = parts;
  const itself = glob === '' ? undefined : regexOf(glob);
  const prefix = lengthOfPrefix(folder);

  return {
    text,
    negated,
    base: folder,
    literal,
    depth: depthOf(glob),
    names: namesIn(body),
    namesFiles: glob !== '' && namesFiles(body.slice(body.lastIndexOf('/') + 1)),
    matchesItself: (file) =>
      file === literal || (itself !== undefined && isBelow(file, folder) && itself.test(file.slice(prefix))),
    matchesBelow(file) {
      if (isBelow(file, literal)) return true;
      if (itself === undefined || !isBelow(file, folder)) return false;
      for (let end = file.indexOf('/', prefix); end >= 0; end = file.indexOf('/', end + 1)) {
        if (itself.test(file.slice(prefix, end))) return true;
      }
      return false;
    },
  };
}

/** What floats in the list's base floats in every watched folder outside it. */
function compileIgnores({ patterns, base }: PatternList, roots: readonly string[]): Pattern[] {
  const outside = roots.filter((root) => !isAtOrBelow(root, toPosix(base)) && !isAtOrBelow(toPosix(base), root));
  return patterns.flatMap((text) =>
    floats(text, 'ignore')
      ? [base, ...outside].map((folder) => compile(text, folder, 'ignore'))
      : [compile(text, base, 'ignore')],
  );
}

/** A pattern that is one file, whatever characters its path holds. */
function literalFile(file: string): Pattern {
  const literal = toPosix(file);
  return {
    text: file,
    negated: false,
    base: literal,
    literal,
    depth: 0,
    names: new Set(),
    namesFiles: false,
    matchesItself: (other) => other === literal,
    matchesBelow: () => false,
  };
}

/** A pattern that is everything in one folder. */
function literalFolder(folder: string): Pattern {
  return { ...literalFile(folder), depth: Number.POSITIVE_INFINITY, matchesBelow: (file) => isBelow(file, folder) };
}

/** For each watched folder in which the script is hidden by a default: the folder that hides it. */
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

/** An upper bound: a globstar matches at any depth, a group may repeat what has slashes. */
function depthOf(glob: string): number {
  return glob.includes(globstar) || glob.includes('(') ? Number.POSITIVE_INFINITY : glob.split('/').length;
}

function namesIn(body: string): ReadonlySet<string> {
  const words = body.replaceAll(/!\([^)]*\)/g, '').split(/[/{},|()]/);
  return new Set(words.filter((word) => word !== '' && isPlain(word)));
}

/** Is the last segment a whole name (`Dockerfile`) or does it end with an extension (`*.{yml,yaml}`)? */
function namesFiles(segment: string): boolean {
  if (isPlain(segment)) return true;
  const dot = segment.lastIndexOf('.');
  return dot >= 0 && !/^[*?]*$/.test(segment.slice(dot + 1));
}

/**
 * Compiles the patterns.
 *
 * @throws TypeError when picomatch cannot parse a pattern
 */
export function createFilter(options: FilterOptions): Filter {
  const patterns = options.watch.patterns.map((text) => compile(text, options.watch.base, 'watch'));
  const watch = [
    ...scriptFolders(options.script, patterns),
    ...(options.folders ?? []).map((folder) => literalFolder(toPosix(folder))),
    ...patterns,
  ];
  const always = (options.always ?? []).map(literalFile);
  const picks = [...watch.filter((pattern) => !pattern.negated), ...always];
  const ignore = compileIgnores(options.ignore, outermost(picks.map((pattern) => pattern.base)));
  const { gitIgnores } = options;
  const keeps = ignore.filter((pattern) => pattern.negated);
  const extensions = options.extensions === null ? null : new Set(options.extensions);
  const literalNames = new Set(picks.map((pattern) => nameOf(pattern.literal)));
  const anyNamesFiles = picks.some((pattern) => pattern.namesFiles);

  /** Most files of a project fail here, before any pattern is looked at. */
  const mayAccept = (name: string): boolean =>
    extensions === null ||
    anyNamesFiles ||
    hasExtension(name, extensions) ||
    literalNames.has(name) ||
    (gitIgnores !== undefined && name === gitIgnoreName);

  function explainPosix(file: string): Verdict {
    if (gitIgnores !== undefined && nameOf(file) === gitIgnoreName) return { watched: true, pattern: '.gitignore' };
    const ignored = lastMatch(ignore, file);
    if (ignored !== undefined && !ignored.negated) return { watched: false, reason: 'ignored', pattern: ignored.text };

    const lifting = keeps.filter((keep) => matches(keep, file));
    let pick: Pattern | undefined;
    let byDefault: string | undefined;
    let byGit: string | undefined;
    let wrongExtension = false;
    let excluded: Pattern | undefined;
    for (const pattern of watch) {
      const itself = pattern.matchesItself(file);
      if (!itself && !pattern.matchesBelow(file)) continue;
      if (pattern.negated) {
        pick = undefined;
        excluded = pattern;
        continue;
      }
      const named = itself && (file === pattern.literal || pattern.namesFiles);
      const defaultRule = hidingDefault(file, pattern, lifting);
      const gitRule = file === pattern.literal || lifting.length > 0 ? undefined : hiddenByGit(file, false, pattern);
      if (defaultRule !== undefined) byDefault = defaultRule;
      else if (gitRule !== undefined) byGit = gitRule;
      else if (!named && extensions !== null && !hasExtension(nameOf(file), extensions)) wrongExtension = true;
      else pick = pattern;
    }
    pick ??= always.find((pattern) => pattern.matchesItself(file));
    if (pick !== undefined) return { watched: true, pattern: pick.text };
    if (excluded !== undefined) return { watched: false, reason: 'excluded', pattern: excluded.text };
    if (byDefault !== undefined) return { watched: false, reason: 'ignored-by-default', pattern: byDefault };
    if (byGit !== undefined) return { watched: false, reason: 'gitignored', pattern: byGit };
    return { watched: false, reason: wrongExtension ? 'extension' : 'outside' };
  }

  /** The rule of git's that hides what is at or above the file and below the pattern's base. */
  function hiddenByGit(file: string, isFolder: boolean, pattern: Pattern): string | undefined {
    if (gitIgnores === undefined) return undefined;
    for (let end = file.indexOf('/', lengthOfPrefix(pattern.base)); end >= 0; end = file.indexOf('/', end + 1)) {
      const rule = gitIgnores(file.slice(0, end), true);
      if (rule !== undefined) return rule;
    }
    return gitIgnores(file, isFolder);
  }

  function mayContainPosix(folder: string): boolean {
    const lifting = keeps.filter((keep) => isAtOrBelow(keep.base, folder) || isAtOrBelow(folder, keep.base));
    if (lifting.length === 0 && lastMatch(ignore, folder)?.negated === false) return false;
    const excluded = watch.findLastIndex((pattern) => pattern.negated && matches(pattern, folder));
    if (always.some((pattern) => isBelow(pattern.base, folder))) return true;
    return watch.some((pattern, index) => {
      if (pattern.negated || index < excluded) return false;
      if (isAtOrBelow(pattern.base, folder)) return true;
      if (!isBelow(folder, pattern.base)) return false;
      if (hidingDefault(`${folder}/`, pattern, lifting) !== undefined) return false;
      if (lifting.length === 0 && hiddenByGit(folder, true, pattern) !== undefined) return false;
      return segmentsBelow(folder, pattern.base) < pattern.depth || matches(pattern, folder);
    });
  }

  return {
    roots: outermost(picks.map((pattern) => pattern.base)).map((root) => path.normalize(root)),
    extensions: options.extensions,
    accepts(file) {
      const posix = toPosix(file);
      return mayAccept(nameOf(posix)) && explainPosix(posix).watched;
    },
    mayAccept,
    mayContain: (folder) => mayContainPosix(toPosix(folder)),
    explain: (file) => explainPosix(toPosix(file)),
  };
}

/** Files with rules of git's. */
const gitIgnoreName = '.gitignore';

const nameOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

const matches = (pattern: Pattern, file: string): boolean => pattern.matchesItself(file) || pattern.matchesBelow(file);

function lastMatch(patterns: readonly Pattern[], file: string): Pattern | undefined {
  return patterns.findLast((pattern) => matches(pattern, file));
}

/**
 * The default rule that hides `file` (a folder ends with a slash) from a watch pattern, or
 * undefined. `lifting`: the patterns of `ignore` that could take the rule back.
 */
function hidingDefault(file: string, pattern: Pattern, lifting: readonly Pattern[]): string | undefined {
  let start = lengthOfPrefix(pattern.base);
  for (let end = file.indexOf('/', start); end >= 0; end = file.indexOf('/', start)) {
    const folder = file.slice(start, end);
    if ((folder[0] === '.' || ignoredFolderNames.has(folder)) && !isNamed(folder, end)) {
      return folder[0] === '.' ? '.*/' : `${folder}/`;
    }
    start = end + 1;
  }
  const name = file.slice(start);
  return ignoredFileName.test(name) && !isNamed(name, file.length) ? name : undefined;

  function isNamed(name: string, end: number): boolean {
    if (pattern.names.has(name)) return true;
    return lifting.some((keep) => keep.names.has(name) || keep.matchesItself(file.slice(0, end)));
  }
}

/** An extension may have dots itself (`d.ts`): the text after any dot of the name counts. */
function hasExtension(name: string, extensions: ReadonlySet<string>): boolean {
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    if (extensions.has(name.slice(dot + 1))) return true;
  }
  return false;
}

const lengthOfPrefix = (base: string): number => (base.endsWith('/') ? base.length : base.length + 1);

const segmentsBelow = (folder: string, base: string): number => folder.slice(lengthOfPrefix(base)).split('/').length;

function outermost(folders: readonly string[]): string[] {
  const sorted = [...new Set(folders)].sort();
  return sorted.filter((folder) => !sorted.some((other) => isBelow(folder, other)));
}
