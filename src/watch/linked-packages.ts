/**
 * The packages of a workspace (or of `npm link`) that a program uses: in node_modules they are
 * links, and their sources lie elsewhere, often outside what is watched.
 */

import fs from 'node:fs';
import path from 'node:path';
import { ignoredFolderNames } from './default-ignores.ts';
import { realPathOf } from './disk.ts';

interface Manifest {
  readonly [key: string]: unknown;
}

/** Fields of package.json that name packages. */
const dependencyFields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

/** Fields of package.json that name what is loaded. */
const entryFields = ['main', 'module', 'exports', 'imports'];

/**
 * The folders to watch for the linked packages that the package in `folder` depends on, directly
 * or through one another; absolute real paths. A package whose entry points lie in a folder that is
 * ignored by default is watched there: what its `dist` is built from runs only once it is built.
 */
export function linkedFolders(folder: string): string[] {
  const seen = new Set<string>([realPathOf(folder) ?? folder]);
  const queue = [folder];
  const folders = new Set<string>();
  for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
    const manifest = readManifest(place);
    for (const name of dependencyFields.flatMap((field) => Object.keys(objectOf(manifest[field])))) {
      const target = findLinked(name, place);
      if (target === undefined || seen.has(target)) continue;
      seen.add(target);
      queue.push(target);
      for (const watched of entryFolders(target, readManifest(target))) folders.add(watched);
    }
  }
  return [...folders];
}

/** Where a dependency really lies, when node_modules only links to it. */
function findLinked(name: string, from: string): string | undefined {
  for (let place = from; ; place = path.dirname(place)) {
    const entry = path.join(place, 'node_modules', name);
    if (fs.existsSync(entry)) {
      const target = realPathOf(entry);
      // pnpm links into a store of its own, below a node_modules.
      return target === undefined || target.split(path.sep).includes('node_modules') ? undefined : target;
    }
    if (place === path.dirname(place)) return undefined;
  }
}

function entryFolders(folder: string, manifest: Manifest): string[] {
  const entries = entryFields.flatMap((field) => textsIn(manifest[field]));
  const outputs = entries.map((entry) => path.normalize(entry).split(path.sep)[0] ?? '');
  const ignored = new Set(outputs.filter((name) => ignoredFolderNames.has(name)));
  const all = [...ignored].map((name) => path.join(folder, name));
  return outputs.length > 0 && outputs.every((name) => ignored.has(name)) ? all : [folder, ...all];
}

/** Every text in a value of package.json, however deep. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.values(objectOf(value)).flatMap(textsIn);
}

const objectOf = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

function readManifest(folder: string): Manifest {
  try {
    return objectOf(JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))) as Manifest;
  } catch {
    return {};
  }
}
