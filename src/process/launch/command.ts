/** From what the user named to what is executed. */

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeOf, messageOf, UsageError } from '../../shared/errors.ts';
import { platform } from '../platform.ts';

export interface CommandRequest {
  /** Absolute folder in which the program runs. */
  readonly folder: string;
  /** The script or command and its arguments; empty only with `exec`. */
  readonly program: readonly string[];
  /** Flags for Node itself. */
  readonly nodeArgs: readonly string[];
  /** A shell line that the program is appended to. */
  readonly exec: string | undefined;
  /** What runs a script, by extension; wins over the built-in table. */
  readonly execMap: Readonly<Record<string, string | readonly string[]>>;
}

export interface Command {
  readonly file: string;
  /** Flags for Node, loaders included; empty unless `isNode`. */
  readonly nodeArgs: readonly string[];
  /** What follows them. */
  readonly args: readonly string[];
  /** For the user's eyes. */
  readonly display: string;
  /** The script's absolute path, when the program is one. */
  readonly script: string | undefined;
  /** Extensions whose changes concern such a program, without the dot. */
  readonly extensions: readonly string[];
  /** Executed by this Node, with nothing in between, and open to a preload. */
  readonly isNode: boolean;
}

/** Extensions that concern a Node program. */
export const javascript: readonly string[] = ['js', 'mjs', 'cjs', 'json'];
const typescript = [...javascript, 'ts', 'mts', 'cts', 'tsx', 'jsx'];

/** Extensions that concern the programs of well-known commands; the rest is taken for a JavaScript tool. */
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

/** Interpreters of scripts that are not for Node. */
const interpreters: Readonly<Record<string, readonly string[]>> = {
  py: [platform.isPosix ? 'python3' : 'python'],
};

/**
 * Resolves what is to be run.
 *
 * @throws UsageError when there is no such script or command, or it may not be run
 */
export function resolveCommand(request: CommandRequest): Command {
  const command = resolve(request);
  // A preload could neither be read nor enter the cgroup: it is run as any other command is.
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
  if (script !== undefined) return runScript(request, script, word, args);

  const file = findOnPath(word, folder) ?? undefined;
  if (file === undefined) throw missing(folder, word);
  if (nodeArgs.length > 0 && path.basename(file) !== 'node') throw notForNode(nodeArgs, word);
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

function runScript(request: CommandRequest, script: string, word: string, args: readonly string[]): Command {
  const { folder, nodeArgs, execMap } = request;
  requireReadable(script, word);
  const extension = path.extname(script).slice(1);
  const mapped = Object.hasOwn(execMap, extension) ? execMap[extension] : undefined;
  const base = { display: [word, ...args].join(' '), script };

  if (mapped !== undefined || Object.hasOwn(interpreters, extension)) {
    const [interpreter = '', ...flags] =
      typeof mapped === 'string' ? mapped.split(/\s+/).filter(Boolean) : (mapped ?? interpreters[extension] ?? []);
    const file = findOnPath(interpreter, folder);
    if (file === undefined) throw new UsageError(`${word}: needs ${show(interpreter)}, which is not installed`);
    if (nodeArgs.length > 0 && interpreter !== 'node') throw notForNode(nodeArgs, interpreter);
    return {
      ...base,
      file,
      nodeArgs: [],
      args: [...nodeArgs, ...flags, word, ...args],
      display: [interpreter, ...flags, base.display].join(' '),
      extensions: [...new Set([extension, ...extensionsFor(interpreter, [])])],
      isNode: false,
    };
  }
  switch (extension) {
    case 'js':
    case 'mjs':
    case 'cjs':
      return {
        ...base,
        file: process.execPath,
        nodeArgs,
        args: [word, ...args],
        display: ['node', ...nodeArgs, base.display].join(' '),
        extensions: javascript,
        isNode: true,
      };
    case 'ts':
    case 'mts':
    case 'cts':
    case 'tsx':
      return {
        ...base,
        file: process.execPath,
        nodeArgs: [...nodeArgs, ...typescriptLoader(script, word)],
        args: [word, ...args],
        display: ['node', ...nodeArgs, base.display].join(' '),
        extensions: typescript,
        isNode: true,
      };
    default:
  }
  if (nodeArgs.length > 0) throw notForNode(nodeArgs, word);
  if (!isExecutable(script)) {
    const way =
      extension === ''
        ? 'make it executable (chmod +x)'
        : `name what runs it: "execMap": {"${extension}": "…"} in .watchrc, or make it executable`;
    throw new UsageError(`${word}: no interpreter is known for ${extension === '' ? 'it' : `.${extension}`} · ${way}`);
  }
  return {
    ...base,
    file: script,
    nodeArgs: [],
    args,
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
  // The program's words are handed over as parameters: no quoting can go wrong.
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

/** The executable of this name in `node_modules/.bin`, from the folder upward, or on the environment's PATH. */
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

function requireReadable(script: string, word: string): void {
  try {
    fs.accessSync(script, fs.constants.R_OK);
  } catch {
    throw new UsageError(`${word}: may not be read · chmod +r ${word}`);
  }
}

/** The project's own tsx, else Node's type stripping where it is on by default. */
function typescriptLoader(script: string, word: string): string[] {
  try {
    return ['--import', pathToFileURL(createRequire(script).resolve('tsx')).href];
  } catch {
    if (stripsTypes() && !word.endsWith('.tsx')) return [];
    throw new UsageError(`${word}: running TypeScript needs tsx in the project · npm install --save-dev tsx`);
  }
}

/** From Node 22.18 and 23.6 on: the syntax that can be erased. */
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

function notForNode(nodeArgs: readonly string[], program: string): UsageError {
  return new UsageError(
    `${nodeArgs[0]} is a flag for Node, but ${program} is not run by it · put it after the program's name`,
  );
}

const show = (word: string): string => JSON.stringify(word.length > 60 ? `${word.slice(0, 57)}…` : word);
