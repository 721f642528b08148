import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { readText } from '../shared/read-text.ts';
import { ignoredFolderNames } from './default-ignores.ts';
import { realPathOf, upwards } from './disk.ts';

type Manifest = Readonly<Record<string, unknown>>;

/** Fields of package.json that name packages. */
const dependencyFields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
/** Fields of package.json that name the files to load. */
const entryFields = ['main', 'module', 'exports', 'imports'];

/**
 * Returns the packages of a workspace, or of `npm link`, on which the package in `folder` depends, directly or through
 * another one: their folders, each with the folders to watch for it (absolute real paths). In node_modules they are
 * links, and their sources lie elsewhere. A package whose entry points lie in a folder that is ignored by default is watched there: a change of its
 * sources takes effect only once `dist` is rebuilt.
 */
export function linkedPackages(folder: string): ReadonlyMap<string, readonly string[]> {
  const seen = new Set<string>([realPathOf(folder) ?? folder]);
  const queue = [folder];
  const packages = new Map<string, readonly string[]>();
  for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
    for (const name of dependenciesOf(place)) {
      const target = findLinked(name, place);
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
    const target = realPathOf(entry);
    // pnpm links into its own store, below a node_modules.
    return target?.split(path.sep).includes('node_modules') === true ? undefined : target;
  }
  return undefined;
}

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
