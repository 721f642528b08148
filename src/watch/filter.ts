/**
 * Which paths matter: watch globs, ignore globs, extensions and default ignores, compiled once.
 * Pure: it looks at names, never at the disk.
 *
 * The dialect, the same for `watch` and `ignore`:
 * - Patterns are relative to their base folder, with `/`; `./` in front is stripped; `..` and
 *   absolute paths reach outside.
 * - A folder means everything below it.
 * - A pattern without a slash matches at every depth (`*.test.js`; in `ignore` also plain names,
 *   `dist`), as in .gitignore. A plain name in `watch` is a path: `src`, `server.js`.
 * - `!pattern` takes back what earlier patterns of the list matched; the last match wins.
 * - A pattern that is literally the path matches it, so `pages/[id].js` needs no escapes.
 * - Names that start with a dot are names like any other.
 */

import path from 'node:path';
import picomatch from 'picomatch';

/** Patterns, and the absolute folder that they are relative to. */
export interface PatternList {
  readonly patterns: readonly string[];
  readonly base: string;
}

export interface FilterOptions {
  readonly watch: PatternList;
  readonly ignore: PatternList;
  /** Extensions without the dot; null means every file. They do not apply to a pattern that names an extension itself. */
  readonly extensions: readonly string[] | null;
  /** Absolute paths of files that count wherever they are, unless `ignore` names them. */
  readonly always?: readonly string[];
}

/** Why a path does or does not count. `pattern` is the deciding one as it was written. */
export type Verdict =
  | { readonly watched: true; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'ignored'; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'ignored-by-default'; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'excluded'; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'extension' }
  | { readonly watched: false; readonly reason: 'outside' };

export interface Filter {
  /** The folders (or single files) from which everything relevant can be reached; none lies inside another. */
  readonly roots: readonly string[];
  readonly extensions: readonly string[] | null;
  /** Does a change of this file restart the program? Absolute path with the platform's separators. */
  accepts(file: string): boolean;
  /** Can anything below this folder be relevant? */
  descends(folder: string): boolean;
  /** The verdict on a file, with its reason. */
  explain(file: string): Verdict;
}

/**
 * Folders that hold what tools produce, not what people write, at any depth below a watched
 * folder. A watch pattern that names such a folder watches it: the defaults apply below it only.
 */
export const ignoredFolders: readonly string[] = [
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
export const ignoredFiles: readonly string[] = [
  '.#*', // Emacs lock
  '#*#', // Emacs auto-save
  '*~', // backup copies
  '*.sw[a-p]', // vim
  '4913', // vim tries whether a folder is writable
  '*___jb_old___', // JetBrains safe write
  '*___jb_tmp___',
  '*.timestamp-*.mjs', // a bundled vite or vitest configuration
];

const ignoredFolderNames: ReadonlySet<string> = new Set(ignoredFolders);
const isIgnoredFileName = picomatch([...ignoredFiles], { dot: true });

interface Pattern {
  /** As the user wrote it. */
  readonly text: string;
  readonly negated: boolean;
  /** Absolute POSIX path of the literal part. */
  readonly base: string;
  /** The whole pattern read literally, absolute. */
  readonly literal: string;
  /** Depth below `base` at which the last segment stands; Infinity when anything may match deeper. */
  readonly depth: number;
  /** Does the last segment say which extension it wants? Then the list of extensions does not apply. */
  readonly namesExtension: boolean;
  matchesItself(file: string): boolean;
  matchesBelow(file: string): boolean;
}

const globstar = '**';

export const toPosix: (file: string) => string =
  path.sep === '\\' ? (file) => file.replaceAll('\\', '/') : (file) => file;

const isBelow = (file: string, folder: string): boolean =>
  file.length > folder.length && file.startsWith(folder) && (folder.endsWith('/') || file[folder.length] === '/');

const isAtOrBelow = (file: string, folder: string): boolean => file === folder || isBelow(file, folder);

/** Is this text a name without wildcards? */
const isPlain = (text: string): boolean => !picomatch.scan(text).isGlob;

function compile(text: string, base: string, list: 'watch' | 'ignore'): Pattern {
  const negated = text.startsWith('!') && text[1] !== '(';
  let body = toPosix(negated ? text.slice(1) : text);
  const anchored = body.startsWith('./');
  if (anchored) body = body.slice(2);
  if (body.length > 1 && body.endsWith('/')) body = body.slice(0, -1);
  const floats = !anchored && !body.includes('/') && !/^\.{0,2}$/.test(body) && (list === 'ignore' || !isPlain(body));

  const absoluteBase = toPosix(path.resolve(base));
  const scan = floats ? { base: '', glob: `${globstar}/${body}` } : picomatch.scan(body);
  const folder = toPosix(path.resolve(base, scan.base));
  const rest = scan.glob;
  const matches = rest === '' ? undefined : picomatch(rest, { dot: true });
  const matchesBelow =
    rest === '' || rest.endsWith(globstar) ? undefined : picomatch(`${rest}/${globstar}`, { dot: true });
  const lastSegment = body.slice(body.lastIndexOf('/') + 1);
  const prefix = folder.endsWith('/') ? folder.length : folder.length + 1;

  return {
    text,
    negated,
    base: folder,
    literal: toPosix(path.resolve(absoluteBase, body)),
    depth: depthOf(rest),
    namesExtension: namesExtension(lastSegment),
    matchesItself(file) {
      if (file === this.literal) return true;
      if (matches === undefined) return file === folder;
      return isBelow(file, folder) && matches(file.slice(prefix));
    },
    matchesBelow(file) {
      if (isBelow(file, this.literal)) return true;
      if (rest === '') return isBelow(file, folder);
      return matchesBelow !== undefined && isBelow(file, folder) && matchesBelow(file.slice(prefix));
    },
  };
}

/** A pattern that is one file, whatever characters its path holds. */
function literalFile(file: string): Pattern {
  const literal = toPosix(file);
  return {
    text: file,
    negated: false,
    base: literal,
    literal,
    depth: Number.POSITIVE_INFINITY,
    namesExtension: true,
    matchesItself: (other) => other === literal,
    matchesBelow: () => false,
  };
}

function depthOf(glob: string): number {
  if (glob === '' || glob.includes(globstar)) return Number.POSITIVE_INFINITY;
  const segments = glob.split('/');
  // `src/*` matches folders, and a folder means all below it.
  if (!namesExtension(segments.at(-1) ?? '')) return Number.POSITIVE_INFINITY;
  // A brace may hold slashes: its depth is not the number of segments.
  return glob.includes('{') && /\{[^}]*\//.test(glob) ? Number.POSITIVE_INFINITY : segments.length;
}

function namesExtension(segment: string): boolean {
  const dot = segment.lastIndexOf('.');
  if (dot < 0) return false;
  const extension = segment.slice(dot + 1);
  return extension !== '' && !/^[*?]+$/.test(extension);
}

/**
 * Compiles the patterns.
 *
 * @throws TypeError when picomatch cannot parse a pattern
 */
export function createFilter(options: FilterOptions): Filter {
  const patterns = options.watch.patterns.map((text) => compile(text, options.watch.base, 'watch'));
  const watch = [...patterns, ...(options.always ?? []).map(literalFile)];
  const ignore = options.ignore.patterns.map((text) => compile(text, options.ignore.base, 'ignore'));
  const picks = watch.filter((pattern) => !pattern.negated);
  const keeps = ignore.filter((pattern) => pattern.negated);
  const extensions = options.extensions === null ? null : new Set(options.extensions);

  function explainPosix(file: string): Verdict {
    const ignored = lastMatch(ignore, file);
    if (ignored !== undefined && !ignored.negated) return { watched: false, reason: 'ignored', pattern: ignored.text };

    let pick: Pattern | undefined;
    let byDefault: string | undefined;
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
      const defaultRule = ignored === undefined ? defaultIgnore(file, pattern.base) : undefined;
      const named = itself && (file === pattern.literal || pattern.namesExtension);
      if (defaultRule !== undefined) byDefault = defaultRule;
      else if (!named && extensions !== null && !extensions.has(extensionOf(file))) wrongExtension = true;
      else pick = pattern;
    }
    if (pick !== undefined) return { watched: true, pattern: pick.text };
    if (excluded !== undefined) return { watched: false, reason: 'excluded', pattern: excluded.text };
    if (byDefault !== undefined) return { watched: false, reason: 'ignored-by-default', pattern: byDefault };
    return { watched: false, reason: wrongExtension ? 'extension' : 'outside' };
  }

  function descendsPosix(folder: string): boolean {
    const keepsInside = keeps.some((keep) => isAtOrBelow(keep.base, folder) || isAtOrBelow(folder, keep.base));
    const ignored = lastMatch(ignore, folder);
    if (ignored !== undefined && !ignored.negated && !keepsInside) return false;
    return picks.some((pattern) => {
      if (isAtOrBelow(pattern.base, folder)) return true;
      if (!isBelow(folder, pattern.base)) return false;
      if (!keepsInside && defaultIgnore(`${folder}/`, pattern.base) !== undefined) return false;
      return segmentsBelow(folder, pattern.base) < pattern.depth;
    });
  }

  return {
    roots: outermost(picks.map((pattern) => pattern.base)).map((root) => path.normalize(root)),
    extensions: options.extensions,
    accepts: (file) => explainPosix(toPosix(file)).watched,
    descends: (folder) => descendsPosix(toPosix(folder)),
    explain: (file) => explainPosix(toPosix(file)),
  };
}

function lastMatch(patterns: readonly Pattern[], file: string): Pattern | undefined {
  return patterns.findLast((pattern) => pattern.matchesItself(file) || pattern.matchesBelow(file));
}

/** The default rule that hides `file` (a folder ends with a slash) below `base`, or undefined. */
function defaultIgnore(file: string, base: string): string | undefined {
  let start = base.endsWith('/') ? base.length : base.length + 1;
  for (let end = file.indexOf('/', start); end >= 0; end = file.indexOf('/', start)) {
    const folder = file.slice(start, end);
    if (folder[0] === '.') return '.*/';
    if (ignoredFolderNames.has(folder)) return `${folder}/`;
    start = end + 1;
  }
  const name = file.slice(start);
  return name !== '' && isIgnoredFileName(name) ? name : undefined;
}

function extensionOf(file: string): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1);
}

const segmentsBelow = (folder: string, base: string): number =>
  folder.slice(base.endsWith('/') ? base.length : base.length + 1).split('/').length;

function outermost(folders: readonly string[]): string[] {
  const sorted = [...new Set(folders)].sort();
  return sorted.filter((folder) => !sorted.some((other) => isBelow(folder, other)));
}
