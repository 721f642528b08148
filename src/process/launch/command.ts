/** Resolves the user's script or command to the file, flags and arguments to execute. */

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeOf, messageOf, UsageError } from '../../shared/errors.ts';
import { platform } from '../platform.ts';

export interface CommandRequest {
  /** Absolute path of the folder in which the program runs. */
  readonly folder: string;
  /** The script or command and its arguments; empty only with `exec`. */
  readonly program: readonly string[];
  /** Flags for Node itself. */
  readonly nodeArgs: readonly string[];
  /** A shell line to which the program is appended. */
  readonly exec: string | undefined;
  /** Interpreters of scripts by extension; they override the built-in table. */
  readonly execMap: Readonly<Record<string, string | readonly string[]>>;
}

export interface Command {
  readonly file: string;
  /** Flags for Node, loaders included; empty unless `isNode`. */
  readonly nodeArgs: readonly string[];
  /** The arguments after those flags. */
  readonly args: readonly string[];
  /** The command as it is shown to the user. */
  readonly display: string;
  /** Absolute path of the script, if the program is one. */
  readonly script: string | undefined;
  /** Extensions of the files that such a program reads, without the dot. */
  readonly extensions: readonly string[];
  /** This Node runs the script directly, so that a preload is possible. */
  readonly isNode: boolean;
}

/** Extensions of the files that a Node program reads. */
export const javascript: readonly string[] = ['js', 'mjs', 'cjs', 'json'];
const typescript = [...javascript, 'ts', 'mts', 'cts', 'tsx', 'jsx'];

/** Extensions of the files that well-known commands read. Any other command counts as a JavaScript tool. */
const extensionsByCommand: Readonly<Record<string, readonly string[]>> = {
  node: javascript,
  python: ['py'],
  python3: ['py'],
  ruby: ['rb', 'erb'],
  perl: ['pl', 'pm'],
  php: ['php'],
  go: ['go', 'mod', 'tmpl'],
  cargo: ['rs', 'toml'],
  make: ['c', 'h', 'cc', 'cpp', 'hpp', 'mk'],
};

/** Interpreters of scripts in other languages than Node's, by extension. */
const interpreters: Readonly<Record<string, readonly string[]>> = {
  py: [platform.isPosix ? 'python3' : 'python'],
};

/**
 * Resolves the script or command to run.
 *
 * @throws UsageError if there is no such script or command, or it cannot be run
 */
export function resolveCommand(request: CommandRequest): Command {
  const command = resolve(request);
  // With permissions the preload can neither be read nor join the cgroup: such a program runs like any other command.
  return command.nodeArgs.some((flag) => /^--(?:experimental[-_])?permission\b/.test(flag))
    ? { ...command, nodeArgs: [], args: [...command.nodeArgs, ...command.args], isNode: false }
    : command;
}

function resolve(request: CommandRequest): Command {
  const { folder, program, nodeArgs, exec } = request;
  if (exec !== undefined) return viaShell(request, exec);
  const [word = '', ...args] = program;
  if (word === '') throw new UsageError('the script is an empty text');
  const script = findScript(folder, word);
  if (script !== undefined) return resolveScript(request, { script, word, args });

  const file = findOnPath(word, folder);
  if (file === undefined) throw missing(folder, word);
  if (path.basename(file) !== 'node') rejectNodeArgs(nodeArgs, word);
  return {
    file,
    nodeArgs: [],
    args: [...nodeArgs, ...args],
    display: program.join(' '),
    script: undefined,
    extensions: extensionsFor(word, args),
    isNode: false,
  };
}

interface Script {
  /** Absolute path. */
  readonly script: string;
  /** Its name as the user wrote it. */
  readonly word: string;
  readonly args: readonly string[];
}

function resolveScript(request: CommandRequest, script: Script): Command {
  const { nodeArgs, execMap } = request;
  requireReadable(script);
  const extension = path.extname(script.script).slice(1);
  const mapped = Object.hasOwn(execMap, extension) ? execMap[extension] : undefined;
  const interpreter = typeof mapped === 'string' ? mapped.split(/\s+/).filter(Boolean) : mapped;
  if (interpreter !== undefined) return viaInterpreter(request, script, extension, interpreter);
  const builtIn = Object.hasOwn(interpreters, extension) ? interpreters[extension] : undefined;
  if (builtIn !== undefined) return viaInterpreter(request, script, extension, builtIn);
  switch (extension) {
    case 'js':
    case 'mjs':
    case 'cjs':
      return viaNode(script, nodeArgs, [], javascript);
    case 'ts':
    case 'mts':
    case 'cts':
    case 'tsx':
      return viaNode(script, nodeArgs, typescriptLoader(script), typescript);
    default:
      return asExecutable(script, nodeArgs, extension);
  }
}

function viaInterpreter(
  { folder, nodeArgs }: CommandRequest,
  { script, word, args }: Script,
  extension: string,
  [interpreter = '', ...flags]: readonly string[],
): Command {
  const file = findOnPath(interpreter, folder);
  if (file === undefined) throw new UsageError(`${word}: needs ${show(interpreter)}, which is not installed`);
  if (interpreter !== 'node') rejectNodeArgs(nodeArgs, interpreter);
  return {
    script,
    file,
    nodeArgs: [],
    args: [...nodeArgs, ...flags, word, ...args],
    display: [interpreter, ...flags, word, ...args].join(' '),
    extensions: [...new Set([extension, ...extensionsFor(interpreter, [])])],
    isNode: false,
  };
}

const viaNode = (
  { script, word, args }: Script,
  nodeArgs: readonly string[],
  loader: readonly string[],
  extensions: readonly string[],
): Command => ({
  script,
  file: process.execPath,
  nodeArgs: [...nodeArgs, ...loader],
  args: [word, ...args],
  display: ['node', ...nodeArgs, word, ...args].join(' '),
  extensions,
  isNode: true,
});

function asExecutable({ script, word, args }: Script, nodeArgs: readonly string[], extension: string): Command {
  rejectNodeArgs(nodeArgs, word);
  if (!isExecutable(script)) {
    const remedy =
      extension === ''
        ? 'make it executable (chmod +x)'
        : `name what runs it: "execMap": {"${extension}": "…"} in .watchrc, or make it executable`;
    const kind = extension === '' ? 'it' : `.${extension}`;
    throw new UsageError(`${word}: no interpreter is known for ${kind} · ${remedy}`);
  }
  return {
    script,
    file: script,
    nodeArgs: [],
    args,
    display: [word, ...args].join(' '),
    extensions: extension === '' ? typescript : [extension],
    isNode: false,
  };
}

function viaShell(request: CommandRequest, line: string): Command {
  const { folder, program, nodeArgs } = request;
  if (nodeArgs.length > 0)
    throw new UsageError(`${nodeArgs[0]}: with --exec, Node's flags belong into the line itself`);
  const [word = '', ...args] = program;
  const words = line.trim().split(/\s+/);
  const base = {
    display: [line, ...program].join(' '),
    script: word === '' ? undefined : findScript(folder, word),
    extensions: extensionsFor(words[0] ?? '', [...words.slice(1), ...program]),
    nodeArgs: [],
    isNode: false,
  };
  if (!platform.isPosix) {
    const quoted = program.map((text) => `"${text.replaceAll('"', '\\"')}"`).join(' ');
    return { ...base, file: process.env.ComSpec ?? 'cmd.exe', args: ['/d', '/s', '/c', `"${line} ${quoted}"`] };
  }
  // The program's words are passed as parameters, and need no quoting.
  return {
    ...base,
    file: '/bin/sh',
    args: program.length === 0 ? ['-c', line] : ['-c', `${line} "$@"`, 'sh', word, ...args],
  };
}

function findScript(folder: string, word: string): string | undefined {
  const file = path.resolve(folder, word);
  let stats: fs.Stats | undefined;
  try {
    stats = fs.statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return undefined;
    throw new UsageError(`${show(word)}: cannot be looked up (${codeOf(error) ?? messageOf(error)})`);
  }
  if (stats === undefined) return undefined;
  if (stats.isFile()) return file;
  if (!stats.isDirectory()) throw new UsageError(`${word}: is neither a file nor a command`);
  if (findOnPath(word, folder) !== undefined) return undefined;
  const index = ['index.js', 'server.js', 'index.ts'].find((name) => fs.existsSync(path.join(file, name)));
  throw new UsageError(
    `${word}: is a folder · name a script${index === undefined ? '' : `, such as ${path.join(word, index)}`}`,
  );
}

/** Finds the executable of this name in `node_modules/.bin`, from the folder upward, or on the environment's PATH. */
export function findOnPath(word: string, folder: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (word === '') return undefined;
  if (word.includes('/') || word.includes(path.sep)) {
    const file = path.resolve(folder, word);
    return isExecutable(file) ? file : undefined;
  }
  const bins: string[] = [];
  for (let above = folder; ; above = path.dirname(above)) {
    bins.push(path.join(above, 'node_modules', '.bin'));
    if (above === path.dirname(above)) break;
  }
  const suffixes = platform.isPosix ? [''] : (env.PATHEXT ?? '.EXE;.CMD').split(';');
  for (const bin of [...bins, ...(env.PATH ?? '').split(path.delimiter)]) {
    for (const suffix of suffixes) {
      // An empty element of PATH means the current folder.
      const file = path.resolve(folder, bin, word + suffix);
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** @throws UsageError if the script cannot be read */
function requireReadable({ script, word }: Script): void {
  try {
    fs.accessSync(script, fs.constants.R_OK);
  } catch {
    throw new UsageError(`${word}: may not be read · chmod +r ${word}`);
  }
}

/** Flags that load the project's own tsx; none where Node strips types by default. */
function typescriptLoader({ script, word }: Script): string[] {
  try {
    return ['--import', pathToFileURL(createRequire(script).resolve('tsx')).href];
  } catch {
    if (stripsTypes() && !word.endsWith('.tsx')) return [];
    throw new UsageError(`${word}: running TypeScript needs tsx in the project · npm install --save-dev tsx`);
  }
}

/** Whether Node runs TypeScript whose syntax can be erased: from 22.18 and 23.6 on. */
const stripsTypes = (): boolean => Boolean((process.features as { typescript?: string | false }).typescript);

function extensionsFor(command: string, words: readonly string[]): readonly string[] {
  const name = path.basename(command).replace(/\.exe$/i, '');
  const known = Object.hasOwn(extensionsByCommand, name) ? extensionsByCommand[name] : undefined;
  if (known !== undefined) return known;
  const named = words
    .map((word) => /^[^-].*\.(\w{1,5})$/.exec(word)?.[1])
    .filter((extension) => extension !== undefined);
  return [...new Set([...typescript, ...named])];
}

function missing(folder: string, word: string): UsageError {
  const looksLikeFile = word.includes('/') || /\.\w{1,4}$/.test(word);
  const guess = ['.js', '.ts', '.mjs', '.cjs', '.py'].find((extension) =>
    fs.existsSync(path.resolve(folder, word + extension)),
  );
  const hint = guess === undefined ? '' : ` · did you mean ${word}${guess}?`;
  return new UsageError(`${word}: no such ${looksLikeFile ? 'file' : 'file or command'} in ${folder}${hint}`);
}

/** @throws UsageError if there are flags for Node, which does not run this program */
function rejectNodeArgs([flag]: readonly string[], program: string): void {
  if (flag === undefined) return;
  throw new UsageError(`${flag} is a flag for Node, but ${program} is not run by it · put it after the program's name`);
}

const show = (word: string): string => JSON.stringify(word.length > 60 ? `${word.slice(0, 57)}…` : word);
