/**
 * Batch files of Windows, which only cmd.exe can run: package managers make one for each command of a package. Those are
 * read, and what they run is started directly: cmd.exe would stand in between, ask at Ctrl-C whether to terminate the
 * batch job, and give arguments a meaning of its own.
 */

import path from 'node:path';
import type { Host } from './host.ts';
import { findOnPath } from './search.ts';

/** The start of a file. */
export interface Start {
  readonly file: string;
  readonly args: readonly string[];
  /** The arguments are the parts of a command line, quoted. */
  readonly isVerbatim?: boolean;
  readonly variables: Readonly<Record<string, string>>;
}

/** Returns how a file of a command is started with these arguments: batch files are not started by themselves. */
export function startOf(
  { file, args, variables }: Start,
  { folder, env, host }: { readonly folder: string; readonly env: NodeJS.ProcessEnv; readonly host: StartHost },
): Start {
  if (host.isPosix || !isBatchFile(file)) return { file, args, variables };
  const text = host.read(file) ?? '';
  const npm = findNpm(text, file, env, host);
  const shim = npm === undefined ? readShim(text) : { script: npm, nodeArgs: [], nodePath: undefined };
  if (shim === undefined) {
    return { file: host.shell, args: batchArguments(file, args, text.includes('%*')), isVerbatim: true, variables };
  }
  // As the file does it: the Node beside it, or the one on PATH.
  const beside = path.join(path.dirname(file), 'node.exe');
  const node = host.isExecutable(beside) ? beside : (findOnPath('node', folder, env, host) ?? host.node);
  const script = path.resolve(path.dirname(file), shim.script.replaceAll('\\', path.sep));
  const paths = [shim.nodePath, env.NODE_PATH].filter(Boolean).join(path.delimiter);
  return {
    file: node,
    args: [...shim.nodeArgs, script, ...args],
    variables: shim.nodePath === undefined ? variables : { ...variables, NODE_PATH: paths },
  };
}

type StartHost = Pick<Host, 'isPosix' | 'node' | 'shell' | 'read' | 'kindOf' | 'isExecutable' | 'isOfProject'>;

/**
 * Returns the script of the npm or npx that a batch file of Node's installer starts: the one that was installed globally,
 * else the one beside the file. Undefined for other files.
 */
function findNpm(text: string, file: string, env: NodeJS.ProcessEnv, { kindOf }: StartHost): string | undefined {
  const [, name] = /^"%NODE_EXE%" "%(NP[MX])_CLI_JS%" %\*\s*$/m.exec(text) ?? [];
  if (name === undefined || !text.includes('npm-prefix.js')) return undefined;
  const { npm_config_prefix: prefix, APPDATA: data } = env;
  const global = prefix ?? (data === undefined ? undefined : path.join(data, 'npm'));
  const folders = [...(global === undefined ? [] : [global]), path.dirname(file)];
  const scripts = folders.map((folder) => path.join(folder, `node_modules/npm/bin/${name.toLowerCase()}-cli.js`));
  return scripts.find((script) => kindOf(script) === 'file');
}

/** Whether only cmd.exe can run a file. */
const isBatchFile = (file: string): boolean => /\.(?:cmd|bat)$/i.test(file);

/** The program that a batch file of a package manager starts with Node. */
interface Shim {
  /** Path of the script as the file has it: relative to its folder, or absolute. */
  readonly script: string;
  readonly nodeArgs: readonly string[];
  /** Folders that it puts in front of NODE_PATH. */
  readonly nodePath: string | undefined;
}

/** Lines of npm's, pnpm's and Yarn's files that decide nothing but which Node runs the script. */
const insignificant: readonly RegExp[] = [
  /^echo off$/i,
  /^(?:goto )?:?start$/i,
  /^(?:call )?:find_dp0$/i,
  /^exit \/b$/i,
  /^(?:setlocal|endlocal|\)|\) else \()$/i,
  /^set "?dp0=%~dp0"?$/i,
  /^set "?pathext=%pathext:;\.js;=;%"?$/i,
  /^set "?_prog=(?:node|%dp0%\\node\.exe)"?$/i,
  /^if exist "%(?:~dp0|dp0%)\\node\.exe" \($/i,
  /^if not defined node_path \($/i,
];

/** The line that starts Node, in all of their forms: `"%_prog%" --flag "%dp0%\..\tool\cli.js" %*`. */
const starting =
  /^(?:endlocal & goto #_undefined_# 2>nul \|\| title %comspec% & )?(?:"%_prog%"|node|"%(?:~dp0|dp0%)\\node\.exe")\s+((?:-[^\s"%]+\s+)*)"(?:%(?:~dp0|dp0%)\\)?([^"%]+)"\s+%\*$/i;

const settingNodePath = /^set "?node_path=([^"%]+?)(?:;%node_path%)?"?$/i;

/** Returns what a batch file of npm, pnpm or Yarn runs with Node; undefined for all others, which may do more. */
export function readShim(text: string): Shim | undefined {
  const lines = text.split(/\r?\n/).map((line) => line.trim().replace(/^@/, ''));
  const scripts = new Set<string>();
  let nodeArgs: readonly string[] = [];
  let nodePath: string | undefined;
  for (const line of lines) {
    const [, folders] = settingNodePath.exec(line) ?? [];
    nodePath ??= folders;
    if (line === '' || folders !== undefined || insignificant.some((known) => known.test(line))) continue;
    const [, flags = '', script] = starting.exec(line) ?? [];
    if (script === undefined) return undefined;
    scripts.add(script);
    nodeArgs = flags.split(/\s+/).filter(Boolean);
  }
  const [script, ...others] = scripts;
  return script === undefined || others.length > 0 ? undefined : { script, nodeArgs, nodePath };
}

/** Characters with a meaning for cmd.exe. */
const special = /([()\][%!^"`<>&|;, *?])/g;

/** Words in which cmd.exe and programs agree about the meaning of quotes. */
const plain = /^[\w .,:@+=~/\\-]*$/;

/**
 * Returns the command line with which cmd.exe runs a batch file with these arguments.
 *
 * @param passesOn the file passes its arguments on to a program, so that cmd.exe reads them twice
 */
export function batchArguments(file: string, args: readonly string[], passesOn: boolean): readonly string[] {
  const isPlain = [file, ...args].every((word) => plain.test(word) && !word.endsWith('\\'));
  const line = isPlain
    ? [file, ...args].map((word) => `"${word}"`).join(' ')
    : [file.replace(special, '^$1'), ...args.map((word) => quoteForCmd(word, passesOn ? 2 : 1))].join(' ');
  return ['/d', '/s', '/c', `"${line}"`];
}

/**
 * Quotes a word for a program, and then for cmd.exe, to which even a quotation mark becomes a character like any other.
 *
 * @param times how often cmd.exe reads it
 */
export function quoteForCmd(word: string, times: 1 | 2 = 1): string {
  const once = quoteForProgram(word).replace(special, '^$1');
  return times === 1 ? once : once.replace(special, '^$1');
}

/** Quotes a word as programs read their command line: backslashes have a meaning only in front of a quotation mark. */
const quoteForProgram = (word: string): string => `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`;
