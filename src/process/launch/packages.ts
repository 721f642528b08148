/**
 * Packages and their configuration: package.json and tsconfig.json. Node's own resolution is not used, because it
 * remembers that a package is missing, and the package may be installed while devwatch runs.
 */

import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { foldersAbove, type Host } from './host.ts';

type Files = Pick<Host, 'read'>;
type Manifest = Readonly<Record<string, unknown>>;

/** Returns the folder of an installed package, as seen from a folder; undefined if there is none that may be executed. */
export function packageFolder(
  name: string,
  from: string,
  host: Pick<Host, 'read' | 'findPackage' | 'isOfProject'>,
): string | undefined {
  const found = foldersAbove(from)
    .map((folder) => path.join(folder, 'node_modules'))
    .find((folder) => readManifest(path.join(folder, name), host) !== undefined && host.isOfProject(folder, from));
  return found === undefined ? host.findPackage(name, from) : path.join(found, name);
}

/** Returns the package.json of a folder; undefined if it is missing or broken. */
export const readManifest = (folder: string, files: Files): Manifest | undefined =>
  parseManifest(files.read(path.join(folder, 'package.json')));

/** Returns the fields in the text of a package.json; undefined if it is missing or broken. */
export function parseManifest(text: string | undefined): Manifest | undefined {
  if (text === undefined) return undefined;
  return attempt(() => {
    const fields: unknown = JSON.parse(text);
    return typeof fields === 'object' && fields !== null ? (fields as Manifest) : {};
  });
}

/** Returns the file that a package exports as `.` or `./name`, absolute; undefined if it exports no such file. */
export function exportedFile(folder: string, name: string, files: Files): string | undefined {
  const { exports, main } = readManifest(folder, files) ?? {};
  if (exports === undefined) {
    const base = path.join(folder, name === '.' ? textOf(main, 'index.js') : name);
    return [base, `${base}.js`, path.join(base, 'index.js')].find((file) => files.read(file) !== undefined);
  }
  const entries = (typeof exports === 'object' && exports !== null ? exports : { '.': exports }) as Manifest;
  const hasNames = Object.keys(entries).some((key) => key.startsWith('.'));
  const file = targetOf(hasNames ? entries[name] : name === '.' ? entries : undefined);
  return file === undefined ? undefined : path.join(folder, file);
}

/** Chooses the target of an export by its conditions. */
function targetOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const conditions = Object.entries((value ?? {}) as Manifest);
  const fitting = conditions.filter(([name]) => ['node', 'import', 'require', 'default'].includes(name));
  return fitting.map(([, target]) => targetOf(target)).find((file) => file !== undefined);
}

const textOf = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise);

/** Returns whether Node runs the script as an ES module, by its extension or by the `type` of its package. */
export function isModule(script: string, files: Files): boolean {
  const extension = path.extname(script);
  if (!/^(?:\.[jt]sx?)?$/.test(extension)) return /^\.m[jt]s$/.test(extension);
  const scope = foldersAbove(path.dirname(script)).find(
    (folder) => files.read(path.join(folder, 'package.json')) !== undefined,
  );
  return scope !== undefined && readManifest(scope, files)?.type === 'module';
}

/** Returns the tsconfig.json that is nearest to a folder, absolute; undefined if there is none. */
export const tsconfigFor = (folder: string, files: Files): string | undefined =>
  foldersAbove(folder)
    .map((above) => path.join(above, 'tsconfig.json'))
    .find((file) => files.read(file) !== undefined);

/** Returns whether a compiler option is switched on in a tsconfig, or in what it extends. */
export const isEnabled = (option: string, tsconfig: string, files: Files): boolean =>
  optionIn(option, tsconfig, files, new Set()) === 'true';

function optionIn(option: string, tsconfig: string, files: Files, seen: Set<string>): string | undefined {
  const text = withoutComments(files.read(tsconfig) ?? '');
  const own = new RegExp(`"${option}"\\s*:\\s*("[^"]*"|\\w+)`).exec(text)?.[1];
  if (own !== undefined || seen.has(tsconfig)) return own;
  seen.add(tsconfig);
  // The last one in the list wins.
  const inherited = basesOf(tsconfig, files).reverse();
  return inherited.map((base) => optionIn(option, base, files, seen)).find((value) => value !== undefined);
}

/** Returns the existing files that a tsconfig extends: https://www.typescriptlang.org/tsconfig/#extends. */
export const basesOf = (tsconfig: string, files: Files): string[] =>
  basePlacesOf(tsconfig, files).flatMap((places) => places.slice(-1).filter((file) => files.read(file) !== undefined));

/**
 * Returns for each file that a tsconfig extends the places where it is looked for, in this order: up to the first place
 * where a file is, or all.
 */
export function basePlacesOf(tsconfig: string, files: Files): string[][] {
  const text = withoutComments(files.read(tsconfig) ?? '');
  const value = /"extends"\s*:\s*(?:"[^"]*"|\[[^\]]*\])/.exec(text)?.[0] ?? '';
  const names = [...value.slice('"extends"'.length).matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
  const folder = path.dirname(tsconfig);
  return names.map((name) => {
    const paths = /^(?:\.{0,2}[/\\]|\.{1,2}$|\w:)/.test(name)
      ? [path.resolve(folder, name)]
      : foldersAbove(folder).map((above) => path.join(above, 'node_modules', name));
    const tried = paths.flatMap((base) => [base, `${base}.json`, path.join(base, 'tsconfig.json')]);
    const found = tried.findIndex((file) => files.read(file) !== undefined);
    return found < 0 ? tried : tried.slice(0, found + 1);
  });
}

/** Returns the content of a tsconfig, which may have comments and commas too many; empty if it is missing or broken. */
export function readTsconfig(tsconfig: string, files: Files): Manifest {
  const text = withoutComments(files.read(tsconfig) ?? '');
  const strict = text.replaceAll(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, (_, kept: string | undefined) => kept ?? '');
  const fields: unknown = attempt(() => JSON.parse(strict));
  return typeof fields === 'object' && fields !== null ? (fields as Manifest) : {};
}

/** Returns a JSON text without its comments. */
const withoutComments = (json: string): string =>
  json.replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, text: string | undefined) => text ?? '');
