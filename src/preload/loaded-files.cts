/** Lists what a program has loaded, in the order in which it was evaluated. */

import type { LoadFacts, OwnFile, PackageEntry } from './protocol.ts' with { 'resolution-mode': 'import' };

const path = require('node:path') as typeof import('node:path');

interface LoadedModule {
  readonly filename?: string | null;
  readonly loaded: boolean;
  readonly id: string;
  readonly parent?: LoadedModule | null;
  readonly children?: readonly LoadedModule[];
}

const cache = require.cache as Readonly<Record<string, LoadedModule>>;
const isInstalled = (file: string): boolean => file.includes(`${path.sep}node_modules${path.sep}`);

/** Returns the files of packages that the program has asked for, those that packages have asked for later, and its own. */
function loadedFiles(isCommonJs: boolean): Pick<LoadFacts, 'entries' | 'late' | 'own'> {
  const late: PackageEntry[] = [];
  const isLate = findLate();
  const entries: PackageEntry[] = [];
  const own: OwnFile[] = [];
  const { noDeprecation } = process;
  // `parent` is deprecated.
  process.noDeprecation = true;
  for (const [file, module] of Object.entries(cache)) {
    const { parent, loaded } = module;
    if (isLate(module) && parent?.filename && late.length < maxLate) {
      late.push({ file, parent: parent.filename, kind: 'require', isLate: true });
    }
    const asking = parent?.filename ?? parent?.id;
    // Of ES modules the order is not known here.
    if (!isInstalled(file)) own.push({ file, parent: asking, entriesBefore: isCommonJs ? entries.length : 0 });
    else if (asking === undefined) {
      // Others are preloaded by a flag. Node evaluates JSON for ES modules itself.
      if (!isCommonJs && loaded && path.extname(file) !== '.json') entries.push({ file, kind: 'import' });
    } else if (path.isAbsolute(asking) && !isInstalled(asking)) {
      // Others are needed by packages.
      entries.push({ file, parent: asking, kind: 'require' });
    }
  }
  if (noDeprecation === undefined) Reflect.deleteProperty(process, 'noDeprecation');
  else process.noDeprecation = noDeprecation;
  return { entries: isCommonJs ? entries : inEvaluationOrder(entries), late, own };
}

const maxLate = 50;

/**
 * Returns a function that is to be called with all modules in the order of the cache, and tells whether a package has asked for
 * one when it had been loaded itself: it takes no part in loading the module before. Of those for which that is not clear, it
 * does not tell so.
 */
function findLate(): (module: LoadedModule) => boolean {
  let previous: LoadedModule | null | undefined;
  const asked = new Set<LoadedModule>();
  return (module) => {
    const { filename, parent } = module;
    if (parent === null || parent === undefined) return false;
    // ES modules have linked it before: it is evaluated when it asks for the first time.
    const begins = !asked.has(parent) && (parent.parent === undefined || parent.parent === null);
    let loading = previous;
    while (loading !== null && loading !== undefined && loading !== parent) loading = loading.parent;
    asked.add(parent);
    previous = module;
    const areInstalled = [parent.filename, filename].every((file) => isInstalled(file ?? ''));
    return areInstalled && !begins && loading !== parent && cache[parent.filename ?? ''] === parent;
  };
}

/**
 * Sorts what an ES module program has asked for. Node puts CommonJS modules that are imported into its cache when it links
 * them, in an order that differs from run to run. When it evaluates them it resolves their paths, which it remembers in order.
 */
function inEvaluationOrder(entries: readonly PackageEntry[]): PackageEntry[] {
  // Loads more modules of Node, now that the program has settled.
  const { _pathCache: resolved = {} } = require('node:module') as { _pathCache?: Record<string, string> };
  const imported = new Map<string, number>();
  const first = new Map<string, number>();
  for (const [index, [key, file]] of Object.entries(resolved).entries()) {
    if (key === `${file}\0` && !imported.has(file)) imported.set(file, index);
    if (!first.has(file)) first.set(file, index);
  }
  const places = new Map<string, number>();
  const placeOf = ({ file }: PackageEntry): number => places.get(file) ?? 0;
  // Node does not remember names that it has found by `exports`. What is required is put into the cache when it is evaluated.
  let latest = -1;
  for (const [file, { parent }] of Object.entries(cache)) {
    const place = parent === undefined ? imported.get(file) : (imported.get(file) ?? first.get(file) ?? latest + half);
    if (place !== undefined) places.set(file, place);
    if (parent !== undefined) latest = Math.max(latest, first.get(file) ?? -1);
  }
  // A package has needed the others before the program has imported them.
  const reached = new Set<LoadedModule>();
  const known = entries.filter(({ file }) => places.has(file)).sort((one, other) => placeOf(one) - placeOf(other));
  for (const entry of known) {
    const files = filesBelow(entry.file, reached);
    for (const [index, file] of files.entries()) {
      if (!places.has(file)) places.set(file, placeOf(entry) + index / files.length);
    }
  }
  // Sorting is stable.
  return [...entries].sort((one, other) => placeOf(one) - placeOf(other));
}

/** Between two places. */
const half = 0.5;

/** Returns the files that a file has loaded, directly or not, but for those that are `reached` already. */
function filesBelow(file: string, reached: Set<LoadedModule>): string[] {
  const files: string[] = [];
  const waiting = [cache[file]];
  for (const one of waiting) {
    if (one === undefined || reached.has(one)) continue;
    reached.add(one);
    files.push(one.filename ?? '');
    waiting.push(...(one.children ?? []));
  }
  return files;
}

export type { loadedFiles };

module.exports = { loadedFiles };
