/** Resolves the user's script or command to the file, flags and arguments to execute. */

import path from 'node:path';
import { Script } from 'node:vm';
import { attempt, UsageError } from '../../shared/errors.ts';
import { type SimpleCommand, simpleCommandOf } from '../shell-line.ts';
import { quoteForCmd, startOf } from './batch-files.ts';
import {
  type Context,
  type Description,
  describeLine,
  describeScript,
  describeWords,
  firstLineOf,
  interpreterFor,
  isNodeExtension,
  isTool,
  type NodeStart,
} from './describe.ts';
import { type Host, realHost } from './host.ts';
import { planLoader } from './loaders.ts';
import { type EnvironmentFile, runsTests } from './node-words.ts';
import { fillPlaceholders, placesScript } from './placeholders.ts';
import {
  awaitedScript,
  type FoundScript,
  findOnPath,
  findScript,
  foreignCommand,
  hasFolder,
  nearestProgram,
  nearestScript,
  placesOf,
  withFile,
  withProjectCommands,
} from './search.ts';
import { extensionsOf, isSourceExtension, runsAnything, toolName } from './tools.ts';
import { isWrapper, unwrap } from './wrappers.ts';

export interface CommandRequest {
  /** Absolute path of the folder in which the program runs. */
  readonly folder: string;
  /** The script or command and its arguments; empty only with `exec`, or for Node's own test runner. */
  readonly program: readonly string[];
  /** Flags for Node itself. */
  readonly nodeArgs: readonly string[];
  /** A shell line to which the program is appended. */
  readonly exec: string | undefined;
  /** Interpreters of scripts by extension; they override the built-in table. */
  readonly execMap: Readonly<Record<string, string | readonly string[]>>;
  /** The program's variables. */
  readonly env: NodeJS.ProcessEnv;
  /**
   * The treatment of a script that does not exist: it is waited for (`wait`), or an error (`refuse`); by default an error
   * if its name can be a slip.
   */
  readonly onMissing?: 'wait' | 'refuse' | undefined;
}

export interface Command {
  readonly file: string;
  /** Flags for Node, loaders included; empty unless `isNode`. */
  readonly nodeArgs: readonly string[];
  /** The arguments after those flags. */
  readonly args: readonly string[];
  /** Windows: the arguments are the parts of a command line, quoted. */
  readonly isVerbatim?: boolean;
  /** Variables that the program has in addition to its own. */
  readonly variables: Readonly<Record<string, string>>;
  /** Files of variables that flags of Node name, absolute; they override neither the variables above nor the program's. */
  readonly envFiles: readonly EnvironmentFile[];
  /** The command as it is shown to the user. */
  readonly display: string;
  /** Absolute path of the script, if the program is one. */
  readonly script: string | undefined;
  /** Files of which one has to exist before the program can be started, absolute; empty if that is not known. */
  readonly needs: readonly string[];
  /** Extensions of the files that such a program reads, without the dot. */
  readonly extensions: readonly string[];
  /** This Node runs the script directly, so that a preload is possible. */
  readonly isNode: boolean;
  /** Why that is not so, although it is a Node program. */
  readonly obstacle: string | undefined;
  /** It does some work and ends, as tests and compilers do: another try after a failure would fail in the same way. */
  readonly endsByDesign: boolean;
  /** Messages for the user about how the program is run. */
  readonly notes: readonly string[];
}

/**
 * Resolves the script or command to run. A script that does not exist is treated as an empty file, unless it is an error.
 *
 * @throws UsageError if there is no such thing, or it cannot be run
 */
export function resolveCommand(request: CommandRequest, host: Host = realHost): Command {
  const { folder, env, nodeArgs, exec } = request;
  const context: Context = { folder, env, nodeArgs, execMap: withFolder(request, host), host };
  const resolved = exec === undefined ? viaWords(request, context) : viaLine(request.program, exec, context);
  const command = { ...resolved, ...startOf(resolved, context), display: shortened(resolved.display) };
  refuseMissing(command, request, host);
  // With permissions the preload can neither be read nor join the cgroup: such a program runs like any other command.
  const permission = command.nodeArgs.find((flag) => /^--(?:experimental[-_])?permission\b/.test(flag));
  if (permission === undefined) return command;
  const args = [...command.nodeArgs, ...command.args];
  return { ...command, nodeArgs: [], args, isNode: false, obstacle: `${permission} is used` };
}

/** Arguments may be as long as a file; a line about the program must not be. */
const maxDisplayLength = 500;

const shortened = (display: string): string =>
  display.length > maxDisplayLength ? `${display.slice(0, maxDisplayLength)}…` : display;

function viaWords({ program, nodeArgs }: Pick<CommandRequest, 'program' | 'nodeArgs'>, context: Context): Command {
  const { folder, env, host } = context;
  const [word = '', ...args] = program;
  if (program.length === 0 && runsTests(nodeArgs)) {
    // The test runner finds its files itself.
    return viaWords({ program: ['node'], nodeArgs }, { ...context, trustsNode: true });
  }
  if (word === '') throw new UsageError('the script is an empty text');
  const script = isCommand(word, context) ? undefined : lookUpScript(word, context);
  if (script !== undefined) return viaScript(script, args, context);
  const isNode = toolName(word) === 'node';
  const file = findOnPath(word, folder, env, host) ?? (isNode && !hasFolder(word) ? host.node : undefined);
  if (file === undefined) {
    const awaited = awaitedScript(word, folder, host);
    if (awaited === undefined) throw missing(word, context);
    return viaScript(awaited, args, { ...context, host: withFile(awaited.file, host) });
  }
  const found = describeWords(program, context);
  if (found.node !== undefined) return viaNode(found, found.node, program, context);
  if (!isNode) rejectNodeArgs(nodeArgs, word);
  // A command that starts another one looks for it on PATH, and commands of packages may do so.
  const variables = isWrapper(word) || isTool(file, folder) ? projectPath(context) : {};
  return { ...foreign(found, variables), file, args: [...nodeArgs, ...args], display: program.join(' ') };
}

/** Returns whether a word is the name of a command or interpreter that is known, rather than a script. */
function isCommand(word: string, { folder, env, host }: Context): boolean {
  const tool = toolName(word);
  if (isSourceExtension(path.extname(word).slice(1))) return false;
  if (extensionsOf(tool) === undefined && !isWrapper(word)) return false;
  const file = findOnPath(word, folder, env, host);
  if (file === undefined || !hasFolder(word)) return tool === 'node' || file !== undefined;
  // A script of a shell may have the name of any command.
  return /^(?:gradlew|mvnw)$/.test(tool) || !runsAnything(toolName(firstLineOf(file, host)?.at(-1) ?? ''));
}

/** Returns the script that a word means. @throws UsageError if it is neither a script nor a command */
function lookUpScript(word: string, { folder, env, host }: Context): FoundScript | undefined {
  const place = path.resolve(folder, word);
  const flaw = host.flawOf(place);
  if (flaw !== undefined) throw new UsageError(`${show(word)}: cannot be looked up (${flaw})`);
  const kind = host.kindOf(place);
  if (kind === 'other') throw new UsageError(`${word}: is neither a file nor a command`);
  if (kind === 'file') return isTool(place, folder) ? undefined : { file: host.writtenName(place), word };
  // A command of the project has exactly this name, a script only begins with it.
  const command = findOnPath(word, folder, env, host);
  if (command !== undefined && isTool(command, folder)) return undefined;
  const found = findScript(word, folder, host);
  const isNothing = found === undefined && command === undefined && kind === 'folder';
  if (isNothing && awaitedScript(word, folder, host) === undefined) {
    throw new UsageError(
      `${word}: is a folder without an index.js and without a "main" in its package.json · name a script`,
    );
  }
  return found;
}

/** Runs a script: by Node, by the interpreter of its extension, or as the system does. */
function viaScript({ file, word }: FoundScript, args: readonly string[], given: Context): Command {
  const context: Context = { ...given, trustsNode: true };
  const { execMap, folder, env, nodeArgs, host } = context;
  const start = host.readStart(file);
  if (start === undefined) throw new UsageError(`${word}: may not be read · chmod +r ${word}`);
  const extension = path.extname(file).slice(1);
  const mapped = Object.hasOwn(execMap, extension) ? execMap[extension] : undefined;
  const placing = [mapped ?? []].flat();
  if (placing.some(placesScript)) return { ...viaLine([word, ...args], placing.join(' '), context), script: file };
  if (typeof mapped === 'string' && simpleCommandOf(mapped, host) === undefined) {
    return { ...viaLine([word, ...args], mapped, context), script: file, needs: [file] };
  }
  const interpreter = interpreterFor(file, context);
  const isCode = isNodeExtension(extension) || (extension === '' && isJavaScript(file, start, host));
  const found =
    interpreter === undefined && isCode
      ? describeWords(['node', word, ...args], context)
      : describeScript(file, word, args, context);
  if (found.node !== undefined) return viaNode(found, withLoader(found.node, file, word, context), undefined, context);
  if (found.tool === 'node') return viaOtherNode(found, [word, ...args], context);
  const isOwn = interpreter === undefined || interpreter.by === 'first line';
  // Windows starts no file without one of its extensions for programs.
  if (isOwn && host.isExecutable(file) && findOnPath(file, folder, env, host) === file) {
    rejectNodeArgs(nodeArgs, word);
    return { ...foreign(found, {}), file, needs: [file], args, display: [word, ...args].join(' ') };
  }
  if (interpreter === undefined) throw notExecutable(file, word);
  const [name = '', ...flags] = interpreter.words;
  if (toolName(name) !== 'node') rejectNodeArgs(nodeArgs, name);
  // Windows has the interpreters of first lines, such as /bin/sh, in other places.
  const command = findOnPath(host.isPosix ? name : path.posix.basename(name), folder, env, host);
  if (command === undefined) throw new UsageError(`${word}: needs ${show(name)}, which is not installed`);
  const rest = [...flags, word, ...args];
  const variables = { ...projectPath(context), ...interpreter.variables };
  return {
    ...foreign(found, variables),
    file: command,
    needs: [file],
    args: [...nodeArgs, ...rest],
    display: [name, ...rest].join(' '),
  };
}

/** Runs Node with flags of the user that leave no place for a preload. */
function viaOtherNode(found: Description, words: readonly string[], { nodeArgs, host }: Context): Command {
  const args = [...nodeArgs, ...words];
  return { ...foreign(found, {}), file: host.node, args, display: ['node', ...args].join(' ') };
}

/** Adds the flags with which a script in TypeScript can be loaded. */
function withLoader(node: NodeStart, script: string, word: string, { folder, env, execMap, host }: Context): NodeStart {
  const extension = path.extname(script).slice(1);
  if (!/^(?:[mc]?ts|tsx)$/.test(extension) || Object.hasOwn(execMap, extension)) return node;
  const { nodeArgs } = node;
  const plan = planLoader({ script, word, folder, nodeArgs, env: { ...env, ...node.variables } }, host);
  const variables = { ...plan.variables, ...node.variables };
  return { ...node, nodeArgs: [...nodeArgs, ...plan.nodeArgs], variables, note: plan.note };
}

/** Whether Node would run a file without an extension: a text that is no script of a shell. */
function isJavaScript(file: string, start: string, host: Host): boolean {
  if (start.startsWith('#!') || start.includes('\0')) return false;
  if (!host.isExecutable(file)) return true;
  const code = host.read(file) ?? '';
  return /^\s*(?:import|export)\b/m.test(code) || attempt(() => new Script(`(function () {${code}\n})`)) !== undefined;
}

/** Replaces `{{pwd}}` in the commands of `execMap`. */
function withFolder({ execMap, folder }: CommandRequest, host: Host): CommandRequest['execMap'] {
  const fill = (text: string): string => fillPlaceholders(text, { script: undefined, folder }, quotingOf(host));
  const fillWord = (text: string): string => text.replaceAll('{{pwd}}', folder);
  return Object.fromEntries(
    Object.entries(execMap).map(([key, value]) => [key, typeof value === 'string' ? fill(value) : value.map(fillWord)]),
  );
}

const quotingOf = ({ isPosix }: Host): 'sh' | 'cmd' => (isPosix ? 'sh' : 'cmd');

/** Runs a line of a shell with further words, and without the shell where devwatch can start Node itself. */
function viaLine(words: readonly string[], template: string, context: Context): Command {
  const { folder, host } = context;
  const [script] = words;
  const line = fillPlaceholders(template, { script, folder }, quotingOf(host));
  return viaFilledLine(placesScript(template) ? words.slice(1) : words, line, context);
}

function viaFilledLine(program: readonly string[], line: string, context: Context): Command {
  const { nodeArgs, env, host } = context;
  const simple = simpleCommandOf(line, host);
  const words = [...(simple?.words ?? []), ...program];
  const found =
    simple === undefined
      ? describeLine(line, program, context)
      : describeWords(words, { ...context, env: { ...env, ...simple.variables } });
  if (found.node !== undefined) {
    const variables = { ...simple?.variables, ...found.node.variables };
    return viaNode(found, { ...found.node, variables }, words, context);
  }
  const [flag] = nodeArgs;
  if (flag !== undefined) throw new UsageError(`${flag}: with --exec, Node's flags belong into the line itself`);
  const base = { ...foreign(found, projectPath(context)), display: [line, ...program].join(' ') };
  if (!host.isPosix) {
    const text = [line, ...program.map((word) => quoteForCmd(word))].join(' ');
    return { ...base, file: host.shell, args: ['/d', '/s', '/c', `"${text}"`], isVerbatim: true };
  }
  const text = simple !== undefined && canReplaceShell(simple, context) ? `exec ${line}` : line;
  // The program's words are passed as parameters, and need no quoting.
  const args = program.length === 0 ? ['-c', text] : ['-c', `${text} "$@"`, 'sh', ...program];
  return { ...base, file: '/bin/sh', args };
}

/** Commands on PATH that a shell runs by itself, in its own way. */
const shellBuiltins = /^(?:echo|printf|test|\[|kill|pwd|true|false|time)$/;

/**
 * Whether the shell can become the command of its line, as bash does by itself: no process is left in between, and the
 * pid is the one that sockets are passed to (LISTEN_PID).
 */
function canReplaceShell({ words: [word = ''], variables }: SimpleCommand, { folder, env, host }: Context): boolean {
  if (shellBuiltins.test(word) || Object.keys(variables).length > 0) return false;
  return findOnPath(word, folder, env, host) !== undefined;
}

/** @param words the command as the user wrote it; by default that of Node */
function viaNode(found: Description, node: NodeStart, words: readonly string[] | undefined, context: Context): Command {
  const { folder, host, nodeArgs } = context;
  const [first = 'node', ...rest] = words === undefined ? [] : unwrap(words).words;
  const shown = [first, ...nodeArgs, ...(words === undefined ? node.args : rest)];
  return {
    file: host.node,
    nodeArgs: node.nodeArgs,
    args: node.args,
    variables: node.variables,
    envFiles: node.envFiles.map((one) => ({ ...one, file: path.resolve(folder, one.file) })),
    display: shown.join(' '),
    script: found.script,
    needs: found.script === undefined ? [] : placesOf(found.script),
    extensions: found.extensions,
    isNode: true,
    obstacle: undefined,
    endsByDesign: found.endsByDesign,
    notes: node.note === undefined ? [] : [node.note],
  };
}

/** Returns all about a program that devwatch does not start as a Node program, except for what is executed. */
function foreign(
  { script, extensions, obstacle, endsByDesign }: Description,
  variables: Readonly<Record<string, string>>,
): Omit<Command, 'file' | 'args' | 'display'> {
  const nothing = { nodeArgs: [], envFiles: [], notes: [], needs: [] };
  return { ...nothing, script, extensions, obstacle, endsByDesign, variables, isNode: false };
}

/** Returns PATH with the project's commands, as variables. */
const projectPath = ({ folder, env, host }: Context): Record<string, string> => {
  const changed = Object.entries(withProjectCommands(folder, env, host)).filter(([name, value]) => env[name] !== value);
  return Object.fromEntries(changed.map(([name, value = '']) => [name, value]));
};

function notExecutable(file: string, word: string): UsageError {
  const extension = path.extname(file).slice(1);
  const [kind, remedy] =
    extension === ''
      ? ['it', 'make it executable (chmod +x)']
      : [`.${extension}`, `name what runs it: "execMap": {"${extension}": "…"} in .watchrc, or make it executable`];
  return new UsageError(`${word}: no interpreter is known for ${kind} · ${remedy}`);
}

/** @throws UsageError if the script does not exist, and is not to be waited for */
function refuseMissing({ needs }: Command, { program, folder, onMissing }: CommandRequest, host: Host): void {
  const [file] = needs;
  if (file === undefined || onMissing === 'wait' || needs.some((one) => host.kindOf(one) === 'file')) return;
  const word = program.find((one) => path.resolve(folder, one) === file) ?? path.relative(folder, file);
  const near = nearestScript(word, folder, host);
  if (near === undefined && onMissing !== 'refuse') return;
  const hint = near === undefined ? '' : ` · did you mean ${near}?`;
  throw new UsageError(`${word}: no such file in ${folder}${hint}`, { lacks: file });
}

function missing(word: string, { folder, env, host }: Context): UsageError {
  const kind = word.includes('/') || /\.\w{1,4}$/.test(word) ? 'file' : 'file or command';
  const found = ['.py', '.rb', '.php'].map((extension) => word + extension);
  const guess =
    found.find((name) => host.kindOf(path.resolve(folder, name)) === 'file') ?? nearestProgram(word, folder, env, host);
  const foreign = foreignCommand(word, folder, env, host);
  const hint = guess === undefined ? '' : ` · did you mean ${guess}?`;
  const remark = foreign === undefined ? hint : ` · ${foreign} is not used: another user could have put it there`;
  return new UsageError(`${word}: no such ${kind} in ${folder}${remark}`);
}

/** @throws UsageError if there are flags for Node, which does not run this program */
function rejectNodeArgs([flag]: readonly string[], program: string): void {
  if (flag === undefined) return;
  throw new UsageError(`${flag} is a flag for Node, but ${program} is not run by it · put it after the program's name`);
}

const show = (word: string): string => JSON.stringify(word.length > 60 ? `${word.slice(0, 57)}…` : word);
