import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { readText } from '../shared/read-text.ts';
import { ignoredFolderNames } from './default-ignores.ts';
import { entriesOf, realPathOf, upwards } from './disk.ts';
import { isAtOrBelow, isBelow } from './paths.ts';

type Manifest = Readonly<Record<string, unknown>>;

/** Fields of package.json that name packages. */
const dependencyFields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
/** Fields of package.json that name the files to load. */
const entryFields = ['main', 'module', 'exports', 'imports'];

/**
 * Returns the package that a script belongs to: the nearest folder above it whose package.json names the package, or what
 * it depends on. Without a script, and for one that is itself installed, that of `folder`.
 */
export function packageOf(script: string | undefined, folder: string): string {
  const isOwn = script !== undefined && !script.split(path.sep).includes('node_modules');
  const isPackage = (place: string): boolean =>
    [...dependencyFields, 'name'].some((field) => readManifest(place)[field] !== undefined);
  return [...upwards(isOwn ? path.dirname(script) : folder)].find(isPackage) ?? folder;
}

/**
 * Returns the packages of a workspace, or of `npm link`, on which the package in `folder` depends, directly or through
 * another one, and those that are linked into its node_modules by hand: their folders, each with the folders to watch for
 * it (absolute real paths). In node_modules they are links, and their sources lie elsewhere. A package whose entry points
 * lie in a folder that is ignored by default is watched there: a change of its sources takes effect only once `dist` is
 * rebuilt.
 */
export function linkedPackages(folder: string): ReadonlyMap<string, readonly string[]> {
  const seen = new Set<string>([realPathOf(folder) ?? folder]);
  const queue = [folder];
  const packages = new Map<string, readonly string[]>();
  const undeclared = createLookup();
  for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
    const declared = new Set(dependenciesOf(place));
    const targets = [...declared].map((name) => findLinked(name, place));
    for (const target of [...targets, ...undeclared(place, declared)]) {
      if (target === undefined || seen.has(target)) continue;
      seen.add(target);
      queue.push(target);
      packages.set(target, entryFolders(target, readManifest(target)));
    }
  }
  return packages;
}

/** Returns the names of the packages on which the package in `folder` depends. */
export function dependenciesOf(folder: string): readonly string[] {
  const manifest = readManifest(folder);
  return dependencyFields.flatMap((field) => Object.keys(objectOf(manifest[field])));
}

/** Returns the real path of a dependency to which node_modules only links. */
function findLinked(name: string, from: string): string | undefined {
  for (const folder of upwards(from)) {
    const entry = path.join(folder, 'node_modules', name);
    if (!fs.existsSync(entry)) continue;
    return targetOf(folder, name);
  }
  return undefined;
}

/** Returns the real path of an entry of node_modules that is a link out of it; undefined for an installed package. */
function targetOf(folder: string, name: string): string | undefined {
  const modules = realPathOf(path.join(folder, 'node_modules'));
  const target = realPathOf(path.join(folder, 'node_modules', name));
  if (modules === undefined || target === undefined || isBelow(target, modules)) return undefined;
  // pnpm links into its own store, below a node_modules.
  return target.split(path.sep).includes('node_modules') ? undefined : target;
}

/**
 * Returns a function that finds the packages which are linked into node_modules and not declared, as by `npm link`; it
 * reads each node_modules once. In one further up, links that stay in that folder are the members of a workspace, which do
 * not concern a package that does not name them.
 */
function createLookup(): (place: string, declared: ReadonlySet<string>) => string[] {
  const known = new Map<
    string,
    readonly { readonly name: string; readonly target: string; readonly isMember: boolean }[]
  >();

  function read(folder: string) {
    const top = realPathOf(folder) ?? folder;
    return linksIn(path.join(folder, 'node_modules')).flatMap((name) => {
      const target = targetOf(folder, name);
      return target === undefined ? [] : { name, target, isMember: isAtOrBelow(target, top) };
    });
  }

  return (place, declared) =>
    [...upwards(place)].flatMap((folder) => {
      const links = known.get(folder) ?? read(folder);
      known.set(folder, links);
      const own = links.filter(({ name, isMember }) => !declared.has(name) && (folder === place || !isMember));
      return own.map(({ target }) => target);
    });
}

/** Returns the names of the links in a node_modules, those in scopes (`@org/name`) included. */
const linksIn = (modules: string): string[] =>
  entriesOf(modules).flatMap((entry) => {
    const { name } = entry;
    if (entry.isSymbolicLink()) return [name];
    if (!name.startsWith('@')) return [];
    const scoped = entriesOf(path.join(modules, name)).filter((one) => one.isSymbolicLink());
    return scoped.map((one) => `${name}/${one.name}`);
  });

function entryFolders(folder: string, manifest: Manifest): string[] {
  const entries = entryFields.flatMap((field) => textsIn(manifest[field]));
  const outputs = entries.map((entry) => path.normalize(entry).split(path.sep)[0] ?? '');
  const ignored = new Set(outputs.filter((name) => ignoredFolderNames.has(name)));
  const all = [...ignored].map((name) => path.join(folder, name));
  return outputs.length > 0 && outputs.every((name) => ignored.has(name)) ? all : [folder, ...all];
}

/** Returns every text in a value of package.json, at any depth. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.values(objectOf(value)).flatMap(textsIn);
}

const objectOf = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

const readManifest = (folder: string): Manifest =>
  objectOf(attempt(() => JSON.parse(readText(path.join(folder, 'package.json')) ?? ''))) as Manifest;
