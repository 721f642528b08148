/** Finds scripts as Node does, and commands as a shell that knows the project's own ones does. */

import path from 'node:path';
import { nearest } from '../../shared/did-you-mean.ts';
import { foldersAbove, type Host, realHost } from './host.ts';
import { readManifest } from './packages.ts';
import { isSourceExtension } from './tools.ts';

/** Finds the executable of this name in `node_modules/.bin`, from the folder upward, or on the environment's PATH. */
export function findOnPath(
  word: string,
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
  host: Pick<Host, 'isExecutable' | 'isPosix' | 'isOfProject'> = realHost,
): string | undefined {
  if (word === '') return undefined;
  const find = (bin: string): string | undefined => commandIn(path.resolve(folder, bin), word, env, host);
  if (hasFolder(word)) return find('');
  for (const bin of binFolders(folder)) {
    const found = find(bin);
    if (found !== undefined && isTrusted(bin, folder, host)) return found;
  }
  // An empty element of PATH means the current folder.
  const elements = (env[pathName(env, host)] ?? '').split(path.delimiter);
  return elements.map(find).find((file) => file !== undefined);
}

/** Returns the executable of this name in a folder. */
function commandIn(
  folder: string,
  word: string,
  env: NodeJS.ProcessEnv,
  host: Pick<Host, 'isExecutable' | 'isPosix'>,
): string | undefined {
  const suffixes = host.isPosix ? [''] : suffixesFor(word, env);
  return suffixes.map((suffix) => path.resolve(folder, word + suffix)).find(host.isExecutable);
}

/** Extensions of programs on Windows, unless PATHEXT has others. */
const usualSuffixes = '.com;.exe;.bat;.cmd';

/**
 * Returns the suffixes with which Windows looks for a command: it runs no file without one of these, and beside each
 * command of a package there is such a file, for other shells.
 */
function suffixesFor(word: string, env: NodeJS.ProcessEnv): readonly string[] {
  const name = Object.keys(env).find((one) => one.toUpperCase() === 'PATHEXT') ?? 'PATHEXT';
  const known = (env[name] ?? usualSuffixes)
    .toLowerCase()
    .split(';')
    .filter((suffix) => suffix.startsWith('.'));
  return known.includes(path.extname(word).toLowerCase()) ? ['', ...known] : known;
}

/** Returns whether a word is a path, which a shell does not look up. */
export const hasFolder = (word: string): boolean => word.includes('/') || word.includes(path.sep);

const binFolders = (folder: string): string[] =>
  foldersAbove(folder).map((above) => path.join(above, 'node_modules', '.bin'));

/** A shell looks into none of them: only those count that no other user can have put on the way up. */
const isTrusted = (bin: string, folder: string, host: Pick<Host, 'isOfProject'>): boolean =>
  [path.dirname(bin), bin].every((place) => host.isOfProject(place, folder));

/** Returns a command of this name that another user could have put there, and that is not used therefore. */
export const foreignCommand = (word: string, folder: string, env: NodeJS.ProcessEnv, host: Host): string | undefined =>
  binFolders(folder)
    .filter((bin) => !isTrusted(bin, folder, host))
    .map((bin) => commandIn(bin, word, env, host))
    .find((file) => file !== undefined);

/** Returns PATH with the commands of the project before all others, for lines that a shell runs. */
export function withProjectCommands(folder: string, env: NodeJS.ProcessEnv, host: Host = realHost): NodeJS.ProcessEnv {
  const name = pathName(env, host);
  const present = (env[name] ?? '').split(path.delimiter);
  const bins = binFolders(folder).filter((bin) => host.kindOf(bin) === 'folder' && isTrusted(bin, folder, host));
  // As with npm, what is nearest to the program comes first.
  const others = present.filter((element) => !bins.includes(element));
  return bins.length === 0 ? env : { ...env, [name]: [...bins, ...others].join(path.delimiter) };
}

/** Windows has `Path`, and a copy of the environment is case sensitive. */
const pathName = (env: NodeJS.ProcessEnv, { isPosix }: Pick<Host, 'isPosix'>): string =>
  (isPosix ? undefined : Object.keys(env).find((name) => name.toUpperCase() === 'PATH')) ?? 'PATH';

/** A script, and the word by which Node finds it. */
export interface FoundScript {
  /** Absolute. */
  readonly file: string;
  readonly word: string;
}

/** Extensions that Node tries by itself, and those of further scripts. */
const ownExtensions = ['.js', '.json', '.node'];
const otherExtensions = ['.mjs', '.cjs', '.ts', '.mts', '.cts', '.tsx'];

/**
 * Returns the script that a word means to Node: a file, with or without its extension, or a folder with an entry point.
 * Undefined if there is none.
 */
export function findScript(word: string, folder: string, host: Host): FoundScript | undefined {
  const place = path.resolve(folder, word);
  const isFile = (file: string): boolean => host.kindOf(file) === 'file';
  if (isFile(place)) return { file: host.writtenName(place), word };
  const own = ownExtensions.find((extension) => isFile(place + extension));
  if (own !== undefined) return { file: place + own, word };
  const other = otherExtensions.find((extension) => isFile(place + extension));
  if (other !== undefined) return { file: place + other, word: word + other };
  if (host.kindOf(place) !== 'folder') return undefined;
  const { main } = readManifest(place, host) ?? {};
  const entries = typeof main === 'string' && main !== '' ? [main, path.join(main, 'index')] : [];
  for (const entry of [...entries, 'index']) {
    const found = path.resolve(place, entry) === place ? undefined : findFile(path.join(place, entry), isFile);
    if (found === undefined) continue;
    // Node finds it by the name of the folder, unless a compiler is needed.
    const isOwn = ['', ...ownExtensions].some((extension) => found === path.join(place, entry) + extension);
    const isPlain = isOwn && !/\.[mc]?tsx?$/.test(found);
    return { file: found, word: isPlain ? word : path.join(word, path.relative(place, found)) };
  }
  return undefined;
}

const findFile = (file: string, isFile: (file: string) => boolean): string | undefined =>
  ['', ...ownExtensions, ...otherExtensions].map((extension) => file + extension).find(isFile);

/** Commands that are suggested for a slip, if they are installed. */
const usualCommands =
  'node npm npx pnpm yarn bun deno tsx ts-node python python3 ruby php perl go cargo make docker java gradle mvn dotnet mix'.split(
    ' ',
  );

/** Returns the script or command of which a word can be a slip; undefined if there is none. */
export function nearestProgram(word: string, folder: string, env: NodeJS.ProcessEnv, host: Host): string | undefined {
  const script = nearestScript(word, folder, host);
  if (script !== undefined || hasFolder(word) || path.extname(word) !== '') return script;
  const own = binFolders(folder).flatMap((bin) => host.namesIn(bin));
  const installed = usualCommands.filter((command) => findOnPath(command, folder, env, host) !== undefined);
  return nearest(word, [...own, ...installed]);
}

/**
 * Returns the script of whose name a word can be a slip: each part of the path that does not exist is corrected. Undefined
 * if there is none.
 */
export function nearestScript(word: string, folder: string, host: Host): string | undefined {
  let place = path.isAbsolute(word) ? path.parse(word).root : folder;
  for (const part of word.split(/[/\\]/).filter((name) => name !== '')) {
    const exact = path.resolve(place, part);
    const name = host.kindOf(exact) === undefined ? nearestFile(part, host.namesIn(place)) : part;
    if (name === undefined) return undefined;
    place = path.resolve(place, name);
  }
  if (host.kindOf(place) !== 'file') return undefined;
  return path.isAbsolute(word) ? place : path.relative(folder, place);
}

/** Extensions that scripts have, and for which another one may have been meant. */
const scriptExtensions = /^\.(?:[mc]?[jt]s|[jt]sx|py|rb|php|pl|sh)$/;

/** Compares names without their extensions: an extension is rarely misspelt, but often another one. */
function nearestFile(name: string, names: readonly string[]): string | undefined {
  const wanted = path.parse(name);
  const present = names.map((each) => path.parse(each));
  const other = present.find(
    (each) => each.name === wanted.name && scriptExtensions.test(each.ext) && scriptExtensions.test(wanted.ext),
  );
  const alike = present.filter(({ ext }) => ext === wanted.ext || wanted.ext === '');
  const stem = nearest(
    wanted.name,
    alike.map((each) => each.name),
  );
  // `worker2.js` is another file than `worker1.js`.
  const isSlip = stem !== undefined && withoutDigits(stem) !== withoutDigits(wanted.name);
  return (other ?? (isSlip ? alike.find((each) => each.name === stem) : undefined))?.base;
}

const withoutDigits = (name: string): string => name.replaceAll(/\d/g, '').toLowerCase();

/**
 * Returns the script that a word will mean as soon as it exists: it looks like a file, or is a folder whose package.json
 * names an entry point. Undefined for a word that may just as well be a command.
 */
export function awaitedScript(word: string, folder: string, host: Host): FoundScript | undefined {
  const place = path.resolve(folder, word);
  if (host.kindOf(place) === 'folder') {
    const { main } = readManifest(place, host) ?? {};
    if (typeof main !== 'string' || main === '') return undefined;
    return { file: path.join(place, main), word: path.join(word, main) };
  }
  const isFile = hasFolder(word) || isSourceExtension(path.extname(word).slice(1));
  // A file has no files below it.
  const above = foldersAbove(path.dirname(place)).find((one) => host.kindOf(one) !== undefined);
  return isFile && (above === undefined || host.kindOf(above) === 'folder') ? { file: place, word } : undefined;
}

/** Returns the files as which a script may exist: Node finds it without its extension, or in its folder. */
export function placesOf(script: string): readonly string[] {
  if (path.extname(script) !== '') return [script];
  const extensions = [...ownExtensions, ...otherExtensions];
  return [script, ...extensions.flatMap((extension) => [script + extension, path.join(script, `index${extension}`)])];
}

/** A host on which a file exists, without content. */
export function withFile(file: string, host: Host): Host {
  const isIt = (other: string): boolean => other === file;
  return {
    ...host,
    kindOf: (other) => (isIt(other) ? 'file' : host.kindOf(other)),
    // Without a first line and an interpreter of its own it can only be a program itself.
    isExecutable: (other) => (isIt(other) ? path.extname(file) !== '' : host.isExecutable(other)),
    read: (other) => (isIt(other) ? '' : host.read(other)),
    readStart: (other, bytes) => (isIt(other) ? '' : host.readStart(other, bytes)),
  };
}
