/** The files that a tsconfig extends, and the folders to which its `paths` and `references` lead imports. */

import path from 'node:path';
import type { Host } from '../process/launch/host.ts';
import { basePlacesOf, basesOf, readTsconfig, tsconfigFor } from '../process/launch/packages.ts';

type Files = Parameters<typeof readTsconfig>[1];

/** Options of a tsconfig, those of its bases included. */
interface Options {
  /** Absolute. */
  readonly baseUrl?: string;
  readonly paths?: readonly string[];
  /** The folder of the file that has the `paths`. */
  readonly pathsIn?: string;
}

/** A place to which imports lead. */
export interface ImportTarget {
  /** The folder, absolute. */
  readonly folder: string;
  /** A file that may be imported from it, absolute. */
  readonly example: string;
}

/** Returns the places to which a tsconfig leads imports, each folder once. */
export function importTargets(tsconfig: string, files: Files): ImportTarget[] {
  const home = path.dirname(tsconfig);
  const { paths = [], baseUrl, pathsIn = home } = optionsOf(tsconfig, home, files, new Set());
  const ofPaths = paths.map((target) => targetAt(path.resolve(baseUrl ?? pathsIn, target)));
  const { references } = readTsconfig(tsconfig, files);
  const ofReferences = (Array.isArray(references) ? references : []).map((reference: { path?: unknown } | null) => {
    const place = path.resolve(home, String(reference?.path ?? '.'));
    const folder = path.extname(place) === '.json' ? path.dirname(place) : place;
    return { folder, example: path.join(folder, 'index.ts') };
  });
  return [...new Map([...ofPaths, ...ofReferences].map((target) => [target.folder, target])).values()];
}

/** Returns the place that a value of `paths` means: a file, a folder, or a pattern with a star. */
function targetAt(place: string): ImportTarget {
  const isFile = path.extname(place) !== '';
  const hasStar = place.includes('*');
  const example = place.replace('*', 'x') + (isFile ? '' : hasStar ? '.ts' : `${path.sep}index.ts`);
  return { folder: path.dirname(hasStar ? place.replace(/\*.*$/s, 'x') : example), example };
}

function optionsOf(tsconfig: string, home: string, files: Files, seen: Set<string>): Options {
  if (seen.has(tsconfig)) return {};
  seen.add(tsconfig);
  const folder = path.dirname(tsconfig);
  const inherited = basesOf(tsconfig, files).map((base) => optionsOf(base, home, files, seen));
  const { baseUrl, paths } = objectOf(readTsconfig(tsconfig, files).compilerOptions);
  const here = (text: string): string => text.replace(/\$\{configDir\}/g, home);
  const targets = Object.values(objectOf(paths))
    .flat()
    .filter((one) => typeof one === 'string')
    .map(here);
  return Object.assign(
    {},
    ...inherited,
    typeof baseUrl === 'string' && { baseUrl: path.resolve(folder, here(baseUrl)) },
    paths !== undefined && { paths: targets, pathsIn: folder },
  );
}

/**
 * Returns the tsconfig of a script in TypeScript and all that it extends, absolute: a loader compiles the program by them,
 * wherever they are. A missing one is returned with the places where it may appear.
 */
export function tsconfigFiles(script: string | undefined, files: Host): string[] {
  if (script === undefined || !isTypeScript(script)) return [];
  const tsconfig = tsconfigFor(path.dirname(script), files);
  // A Set visits what is added to it during the loop: bases may have bases.
  const all = new Set(tsconfig === undefined ? [] : [tsconfig]);
  for (const file of all) {
    for (const places of basePlacesOf(file, files)) {
      const last = places.at(-1) ?? '';
      const isThere = files.read(last) !== undefined;
      for (const place of isThere ? [last] : places.filter((one) => mayAppear(one, files))) all.add(place);
    }
  }
  return [...all];
}

/** A package is installed into a folder that is there, as a rule. */
function mayAppear(place: string, files: Host): boolean {
  const [modules] = /^.*[\\/]node_modules(?=[\\/])/.exec(place) ?? [];
  return modules === undefined || files.kindOf(modules) === 'folder';
}

export const isTypeScript = (script: string): boolean => /\.[cm]?tsx?$/.test(script);

const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
