/** Resolves the user's script or command to the file, flags and arguments to execute. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt, codeOf, messageOf, UsageError } from '../../shared/errors.ts';
import { platform } from '../platform.ts';
import { foldersAbove, type Host, realHost } from './host.ts';
import { namesLoader, planLoader } from './loaders.ts';

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
  /** The program's variables. */
  readonly env: NodeJS.ProcessEnv;
}

export interface Command {
  readonly file: string;
  /** Variables that the program has in addition to its own. */
  readonly variables: Readonly<Record<string, string>>;
  /** Messages for the user about how the program is run. */
  readonly notes: readonly string[];
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

/** Resolves the script or command to run. @throws UsageError if there is no such thing, or it cannot be run */
export function resolveCommand(request: CommandRequest, host: Host = realHost): Command {
  const command = resolve(request, host);
  // With permissions the preload can neither be read nor join the cgroup: such a program runs like any other command.
  return command.nodeArgs.some((flag) => /^--(?:experimental[-_])?permission\b/.test(flag))
    ? { ...command, nodeArgs: [], args: [...command.nodeArgs, ...command.args], isNode: false }
    : command;
}

function resolve(request: CommandRequest, host: Host): Command {
  const { folder, program, nodeArgs, exec } = request;
  if (exec !== undefined) return viaShell(request, exec);
  const [word = '', ...args] = program;
  if (word === '') throw new UsageError('the script is an empty text');
  const script = findScript(folder, word);
  if (script !== undefined) return resolveScript(request, { script, word, args }, host);

  const file = findOnPath(word, folder);
  if (file === undefined) throw missing(folder, word);
  if (path.basename(file) !== 'node') rejectNodeArgs(nodeArgs, word);
  const extensions = extensionsFor(word, args);
  return { ...notNode, file, args: [...nodeArgs, ...args], display: program.join(' '), script: undefined, extensions };
}

const notNode = { nodeArgs: [], isNode: false, variables: {}, notes: [] } as const;

interface Script {
  /** Absolute path. */
  readonly script: string;
  /** Its name as the user wrote it. */
  readonly word: string;
  readonly args: readonly string[];
}

function resolveScript(request: CommandRequest, script: Script, host: Host): Command {
  const { nodeArgs, execMap } = request;
  const { script: file, word } = script;
  try {
    fs.accessSync(file, fs.constants.R_OK);
  } catch {
    throw new UsageError(`${word}: may not be read · chmod +r ${word}`);
  }
  const extension = path.extname(file).slice(1);
  const interpreters: CommandRequest['execMap'] = { py: platform.isPosix ? 'python3' : 'python', ...execMap };
  const interpreter = Object.hasOwn(interpreters, extension) ? interpreters[extension] : undefined;
  if (interpreter !== undefined) return viaInterpreter(request, script, extension, interpreter);
  if (/^(?:[mc]?[jt]s|tsx)$/.test(extension)) return viaNode(request, script, host);
  rejectNodeArgs(nodeArgs, word);
  return asExecutable(script, extension);
}

function viaInterpreter(
  { folder, nodeArgs }: CommandRequest,
  { script, word, args }: Script,
  extension: string,
  line: string | readonly string[],
): Command {
  const [interpreter = '', ...flags] = typeof line === 'string' ? line.split(/\s+/).filter(Boolean) : line;
  const file = findOnPath(interpreter, folder);
  if (file === undefined) throw new UsageError(`${word}: needs ${show(interpreter)}, which is not installed`);
  if (interpreter !== 'node') rejectNodeArgs(nodeArgs, interpreter);
  const rest = [...flags, word, ...args];
  const extensions = [...new Set([extension, ...extensionsFor(interpreter, [])])];
  return {
    ...notNode,
    script,
    file,
    args: [...nodeArgs, ...rest],
    display: [interpreter, ...rest].join(' '),
    extensions,
  };
}

function viaNode({ folder, nodeArgs, env }: CommandRequest, { script, word, args }: Script, host: Host): Command {
  const isTypeScript = /\.(?:[mc]?ts|tsx)$/.test(script);
  const request = { script, word, folder, nodeArgs, env };
  const loader = isTypeScript ? planLoader(request, host) : undefined;
  return {
    script,
    file: process.execPath,
    nodeArgs: [...nodeArgs, ...(loader?.nodeArgs ?? [])],
    args: [word, ...args],
    display: ['node', ...nodeArgs, word, ...args].join(' '),
    variables: loader?.variables ?? {},
    notes: loader?.note === undefined ? [] : [loader.note],
    // A loader lets a script in JavaScript load TypeScript.
    extensions: isTypeScript || namesLoader(request, host) ? typescript : javascript,
    isNode: true,
  };
}

function asExecutable({ script, word, args }: Script, extension: string): Command {
  if (!isExecutable(script)) {
    const [kind, remedy] =
      extension === ''
        ? ['it', 'make it executable (chmod +x)']
        : [`.${extension}`, `name what runs it: "execMap": {"${extension}": "…"} in .watchrc, or make it executable`];
    throw new UsageError(`${word}: no interpreter is known for ${kind} · ${remedy}`);
  }
  const extensions = extension === '' ? typescript : [extension];
  return { ...notNode, script, file: script, args, display: [word, ...args].join(' '), extensions };
}

function viaShell({ folder, program, nodeArgs: [flag] }: CommandRequest, line: string): Command {
  if (flag !== undefined) throw new UsageError(`${flag}: with --exec, Node's flags belong into the line itself`);
  const [word = ''] = program;
  const [command = '', ...words] = line.trim().split(/\s+/);
  const base = {
    ...notNode,
    display: [line, ...program].join(' '),
    script: word === '' ? undefined : findScript(folder, word),
    extensions: extensionsFor(command, [...words, ...program]),
  };
  if (!platform.isPosix) {
    const quoted = program.map((text) => `"${text.replaceAll('"', '\\"')}"`).join(' ');
    return { ...base, file: process.env.ComSpec ?? 'cmd.exe', args: ['/d', '/s', '/c', `"${line} ${quoted}"`] };
  }
  // The program's words are passed as parameters, and need no quoting.
  const args = program.length === 0 ? ['-c', line] : ['-c', `${line} "$@"`, 'sh', ...program];
  return { ...base, file: '/bin/sh', args };
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
  const example = index === undefined ? '' : `, such as ${path.join(word, index)}`;
  throw new UsageError(`${word}: is a folder · name a script${example}`);
}

/** Finds the executable of this name in `node_modules/.bin`, from the folder upward, or on the environment's PATH. */
export function findOnPath(word: string, folder: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (word === '') return undefined;
  if (word.includes('/') || word.includes(path.sep)) return [path.resolve(folder, word)].find(isExecutable);
  const bins = foldersAbove(folder).map((above) => path.join(above, 'node_modules', '.bin'));
  const suffixes = platform.isPosix ? [''] : (env.PATHEXT ?? '.EXE;.CMD').split(';');
  // An empty element of PATH means the current folder.
  return [...bins, ...(env.PATH ?? '').split(path.delimiter)]
    .flatMap((bin) => suffixes.map((suffix) => path.resolve(folder, bin, word + suffix)))
    .find(isExecutable);
}

const isExecutable = (file: string): boolean =>
  attempt(() => {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  }) === true;

function extensionsFor(command: string, words: readonly string[]): readonly string[] {
  const name = path.basename(command).replace(/\.exe$/i, '');
  const known = Object.hasOwn(extensionsByCommand, name) ? extensionsByCommand[name] : undefined;
  const named = words.flatMap((word) => /^[^-].*\.(\w{1,5})$/.exec(word)?.[1] ?? []);
  return known ?? [...new Set([...typescript, ...named])];
}

function missing(folder: string, word: string): UsageError {
  const kind = word.includes('/') || /\.\w{1,4}$/.test(word) ? 'file' : 'file or command';
  const extensions = ['.js', '.ts', '.mjs', '.cjs', '.py'];
  const guess = extensions.find((extension) => fs.existsSync(path.resolve(folder, word + extension)));
  const hint = guess === undefined ? '' : ` · did you mean ${word}${guess}?`;
  return new UsageError(`${word}: no such ${kind} in ${folder}${hint}`);
}

/** @throws UsageError if there are flags for Node, which does not run this program */
function rejectNodeArgs([flag]: readonly string[], program: string): void {
  if (flag === undefined) return;
  throw new UsageError(`${flag} is a flag for Node, but ${program} is not run by it · put it after the program's name`);
}

const show = (word: string): string => JSON.stringify(word.length > 60 ? `${word.slice(0, 57)}…` : word);
