/** Compiles the patterns of `watch` and `ignore`. For the dialect see filter.ts. */

import path from 'node:path';
import picomatch from 'picomatch';
import { globTest } from './glob-test.ts';
import { isBelow, lengthOfPrefix, toPosix } from './paths.ts';

/** The list in which a pattern stands; plain names are paths in `watch`, and match at any depth in `ignore`. */
type List = 'watch' | 'ignore';

export interface Pattern {
  /** As the user wrote it. */
  readonly text: string;
  readonly negated: boolean;
  /** Absolute POSIX path of the literal part. */
  readonly base: string;
  /** The whole pattern read literally, absolute. */
  readonly literal: string;
  /** Depth below `base` of the last segment; Infinity when it has none. */
  readonly depth: number;
  /** The names that are written out in it, including those of alternatives. */
  readonly names: ReadonlySet<string>;
  /** Has the pattern wildcards, and does it still say which file names it wants? Then the list of extensions does not apply. */
  readonly namesFiles: boolean;
  matchesItself(file: string): boolean;
  matchesBelow(file: string): boolean;
}

/**
 * Splits a pattern into its literal part and the rest. Most patterns are plain paths: for those picomatch, which takes
 * 3 ms to load, is not needed.
 */
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

export function matchesAnyDepth(text: string, list: List): boolean {
  const { anchored, body } = parse(text);
  return !anchored && !body.includes('/') && !/^\.{0,2}$/.test(body) && (list === 'ignore' || !isPlain(body));
}

/**
 * Compiles a pattern that is relative to `base` (absolute). Throws a TypeError when picomatch cannot parse it.
 *
 * @param onGiveUp called once, with the text, when the pattern takes too long to match: from then on it matches nothing
 */
export function compile(text: string, base: string, list: List, onGiveUp?: (pattern: string) => void): Pattern {
  const { negated, body } = parse(text);
  const { base: start, glob } = matchesAnyDepth(text, list) ? { base: '', glob: `**/${body}` } : scan(body);
  const folder = toPosix(path.resolve(base, start));
  const literal = toPosix(path.resolve(base, body));
  const itself = glob === '' ? undefined : globTest(glob, () => onGiveUp?.(text));
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
      file === literal || (itself !== undefined && isBelow(file, folder) && itself(file.slice(prefix))),
    matchesBelow(file) {
      if (isBelow(file, literal)) return true;
      if (itself === undefined || !isBelow(file, folder)) return false;
      for (let end = file.indexOf('/', prefix); end >= 0; end = file.indexOf('/', end + 1)) {
        if (itself(file.slice(prefix, end))) return true;
      }
      return false;
    },
  };
}

/** Returns a pattern that is one file, whatever characters its path holds. */
export function literalFile(file: string): Pattern {
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

/** Returns a pattern that is everything in one folder (POSIX path). */
export function literalFolder(folder: string): Pattern {
  return { ...literalFile(folder), depth: Number.POSITIVE_INFINITY, matchesBelow: (file) => isBelow(file, folder) };
}

export const matches = (pattern: Pattern, file: string): boolean =>
  pattern.matchesItself(file) || pattern.matchesBelow(file);

/** Returns an upper bound: a globstar matches at any depth, and a group with slashes may repeat. */
function depthOf(glob: string): number {
  return glob.includes('**') || glob.includes('(') ? Number.POSITIVE_INFINITY : glob.split('/').length;
}

function namesIn(body: string): ReadonlySet<string> {
  const words = body.replaceAll(/!\([^)]*\)/g, '').split(/[/{},|()]/);
  return new Set(words.filter((word) => word !== '' && isPlain(word)));
}

/** Is the last segment a whole name (`Dockerfile`), or does it end with an extension (`*.{yml,yaml}`)? */
function namesFiles(segment: string): boolean {
  if (isPlain(segment)) return true;
  const dot = segment.lastIndexOf('.');
  return dot >= 0 && !/^[*?]*$/.test(segment.slice(dot + 1));
}
