/**
 * Finds out what words run, and in which language, as the shell and Node would: `uv run app.py`, `npx tsx src/main.ts`,
 * `./bin/www`. Pure, but for the files that it looks up. Nothing here is an error: where something is not known, more
 * files count rather than fewer.
 */

import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { commandsIn, simpleCommandOf, splitWords } from '../shell-line.ts';
import type { Host } from './host.ts';
import { loadsCompiler, namesLoader, planNamedLoader } from './loaders.ts';
import { type EnvironmentFile, nodeEndsByDesign, readNodeWords, runsTests } from './node-words.ts';
import { isEnabled, readManifest, tsconfigFor } from './packages.ts';
import { findOnPath, findScript, hasFolder } from './search.ts';
import {
  endsByDesign,
  extensionsNamedIn,
  extensionsOf,
  isHelper,
  isSourceExtension,
  javascript,
  runsAnything,
  toolName,
  typescript,
} from './tools.ts';
import { readRunnerWords } from './typescript-runners.ts';
import { unwrap } from './wrappers.ts';

export interface Context {
  /** Absolute path of the folder in which the program runs. */
  readonly folder: string;
  /** The program's variables. */
  readonly env: NodeJS.ProcessEnv;
  /** The user's flags for Node. */
  readonly nodeArgs: readonly string[];
  /** Interpreters of scripts by extension; they override the built-in ones. */
  readonly execMap: Readonly<Record<string, string | readonly string[]>>;
  readonly host: Host;
  /** `node` means the Node that runs devwatch, whatever PATH says. */
  readonly trustsNode?: boolean;
}

/** How devwatch's own Node runs a program, with its preload. */
export interface NodeStart {
  readonly nodeArgs: readonly string[];
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly envFiles: readonly EnvironmentFile[];
  readonly note?: string | undefined;
}

/** The program that words run. */
export interface Description {
  /** Its command or interpreter, without folder and version; empty if it is not known. */
  readonly tool: string;
  /** Extensions of the files that such a program reads, without the dot. */
  readonly extensions: readonly string[];
  /** Absolute path of the script that a known interpreter runs. */
  readonly script: string | undefined;
  /** It does some work and ends, so that another try after a failure would fail in the same way. */
  readonly endsByDesign: boolean;
  /** Undefined unless devwatch can start it as a Node program. */
  readonly node: NodeStart | undefined;
  /** Why devwatch cannot do that, although it is a Node program. */
  readonly obstacle: string | undefined;
}

/** Commands that run other commands by a name in a file can refer to each other. */
const maxDepth = 4;

/** Describes words of which the first one is a command. */
export function describeWords(words: readonly string[], context: Context, depth = 0): Description {
  const { words: inner, variables, holder, extensions } = unwrap(words);
  const env = { ...context.env, ...variables };
  const found = describeCommand(inner, { ...context, env }, depth);
  const node = holder === undefined && found.node !== undefined;
  return {
    ...found,
    extensions: found.tool === '' && extensions.length > 0 ? extensions : found.extensions,
    node: node && found.node ? { ...found.node, variables: { ...variables, ...found.node.variables } } : undefined,
    obstacle: found.obstacle ?? (holder !== undefined && found.node ? `${holder} starts it` : undefined),
  };
}

/** Describes a line that only a shell can run, to which further words are appended. */
export function describeLine(line: string, program: readonly string[], context: Context, depth = 0): Description {
  const commands = commandsIn(line, context.host);
  const last = commands.at(-1);
  const all = last === undefined ? [] : [...commands.slice(0, -1), { ...last, words: [...last.words, ...program] }];
  const found = all.map(({ words, variables }) =>
    describeWords(words, { ...context, env: { ...context.env, ...variables } }, depth),
  );
  // A program that a line builds, and a command that prepares others, have no language of their own.
  const known = found.filter(({ tool }, index) => tool !== '' || !isSilent(all[index]?.words ?? [], context));
  const isNode = found.some(({ node, obstacle }) => node !== undefined || obstacle !== undefined);
  return {
    ...unknown,
    tool: found.at(-1)?.tool ?? '',
    extensions: known.length === 0 ? typescript : unique(known.flatMap(({ extensions }) => extensions)),
    endsByDesign: found.at(-1)?.endsByDesign ?? false,
    obstacle: isNode
      ? (found.find(({ obstacle }) => obstacle !== undefined)?.obstacle ?? 'a shell runs the line')
      : undefined,
  };
}

/** Whether a command that is not known is a helper of the shell, or a program that is compiled. */
function isSilent(words: readonly string[], { folder, host }: Context): boolean {
  const [word = ''] = unwrap(words).words;
  const file = path.resolve(folder, word);
  const isProgram = hasFolder(word) && path.extname(word) === '' && !(host.readStart(file) ?? '').startsWith('#!');
  return isProgram || isHelper(toolName(word));
}

const unknown: Description = {
  tool: '',
  extensions: typescript,
  script: undefined,
  endsByDesign: false,
  node: undefined,
  obstacle: undefined,
};

const unique = <Value>(values: readonly Value[]): Value[] => [...new Set(values)];

function describeCommand(words: readonly string[], context: Context, depth: number): Description {
  const [first = '', ...rest] = words;
  const { folder, env, host } = context;
  const tool = toolName(first);
  if (tool === 'node') return describeNode(first, rest, context);
  const runner = describeRunner(tool, words, context);
  if (runner !== undefined) return runner;
  if (depth < maxDepth) {
    const scripted =
      describePackageScript(tool, rest, context, depth) ?? describeConcurrently(tool, rest, context, depth);
    if (scripted !== undefined) return scripted;
  }
  const known = extensionsOf(tool);
  if (known !== undefined) return describeTool(tool, known, rest, context, depth);
  const file = hasFolder(first) || /\.\w+$/.test(first) ? path.resolve(folder, first) : undefined;
  const isScript = file !== undefined && host.kindOf(file) === 'file' && !isTool(file, folder);
  if (isScript && depth < maxDepth) return describeScript(file, first, rest, context, depth + 1);
  const command = findOnPath(first, folder, env, host);
  const interpreter = toolName((command === undefined ? undefined : firstLineOf(command, host))?.at(-1) ?? 'node');
  const byInterpreter = interpreter === 'node' || runsAnything(interpreter) ? undefined : extensionsOf(interpreter);
  return {
    ...unknown,
    extensions: byInterpreter ?? unique([...typescript, ...namedExtensions(rest, context)]),
    endsByDesign: endsByDesign(tool, rest),
  };
}

/** Describes a script, by its extension or its first line, that is run without an interpreter's name. */
export function describeScript(
  file: string,
  word: string,
  args: readonly string[],
  context: Context,
  depth = 0,
): Description {
  const { host, folder } = context;
  const extension = path.extname(file).slice(1);
  const own = extension === '' ? [] : [extension];
  const script = isTool(file, folder) ? undefined : file;
  const interpreter = interpreterFor(file, context);
  if (interpreter !== undefined) {
    const { words, variables } = interpreter;
    const env = { ...context.env, ...variables };
    const found = describeWords([...words, word, ...args], { ...context, env }, depth);
    const node = found.node && { ...found.node, variables: { ...variables, ...found.node.variables } };
    return { ...found, node, script, extensions: unique([...found.extensions, ...own]) };
  }
  const text = host.readStart(file, textBytes) ?? '';
  const named = text.includes('\0') ? [] : extensionsNamedIn(text);
  const known = extension === '' ? typescript : isNodeExtension(extension) ? nodeExtensions(file, [], context) : own;
  return { ...unknown, script, extensions: unique([...known, ...named]) };
}

/** Enough of a text to see what it runs. */
const textBytes = 65_536;

/** Returns whether Node, or a loader, runs scripts with this extension. */
export const isNodeExtension = (extension: string): boolean => /^(?:[mc]?[jt]s|tsx)$/.test(extension);

/** Returns whether a file is an installed command and not a source: in node_modules, or in a virtual environment. */
export const isTool = (file: string, folder: string): boolean =>
  path.extname(file) === '' && /(?:^|[/\\])(?:node_modules|\.[^./\\][^/\\]*)[/\\]/.test(path.relative(folder, file));

/** The command that runs a script. */
export interface Interpreter {
  readonly words: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly by: 'execMap' | 'first line' | 'extension';
}

/** Interpreters of scripts that are usually not executable. */
const interpreters: Readonly<Record<string, string>> = { rb: 'ruby', php: 'php', pl: 'perl', lua: 'lua' };

/** Returns the interpreter of a script; undefined for scripts that Node runs, and for those of unknown languages. */
export function interpreterFor(file: string, { execMap, host }: Context): Interpreter | undefined {
  const extension = path.extname(file).slice(1);
  const mapped = Object.hasOwn(execMap, extension) ? execMap[extension] : undefined;
  if (typeof mapped === 'string') {
    const simple = simpleCommandOf(mapped, host) ?? { words: mapped.split(/\s+/), variables: {} };
    return { ...simple, by: 'execMap' };
  }
  if (mapped !== undefined) return { words: mapped, variables: {}, by: 'execMap' };
  const words = firstLineOf(file, host);
  const tool = words === undefined ? undefined : toolName(unwrap([...words, file]).words[0] ?? '');
  // A script of Node may begin as one of a shell that starts Node.
  const isForeign = isNodeExtension(extension) && (tool === undefined || runsAnything(tool));
  if (words !== undefined && !isForeign && (extension === '' || host.isExecutable(file))) {
    return { words, variables: {}, by: 'first line' };
  }
  if (isNodeExtension(extension)) return undefined;
  const python = host.isPosix ? 'python3' : 'python';
  const usual =
    extension === 'py' ? python : Object.hasOwn(interpreters, extension) ? interpreters[extension] : undefined;
  if (usual !== undefined) return { words: [usual], variables: {}, by: 'extension' };
  return words === undefined ? undefined : { words, variables: {}, by: 'first line' };
}

/** Returns the words of the first line of a file that name its interpreter. */
export function firstLineOf(file: string, host: Host): readonly string[] | undefined {
  const [, line] = /^#!\s*(\S[^\r\n]*)/.exec(host.readStart(file) ?? '') ?? [];
  return line === undefined ? undefined : (attempt(() => splitWords(line)) ?? line.split(/\s+/));
}

function describeTool(
  tool: string,
  known: readonly string[],
  rest: readonly string[],
  context: Context,
  depth: number,
): Description {
  const { folder, host } = context;
  const base = { ...unknown, tool, extensions: known, endsByDesign: endsByDesign(tool, rest) };
  const line = /^(?:ba|da|z|k)?sh$/.test(tool) ? lineOfShell(rest) : undefined;
  if (line !== undefined && depth < maxDepth) return describeLine(line, [], context, depth + 1);
  const files = rest.filter((word) => !word.startsWith('-')).map((word) => path.resolve(folder, word));
  const script = files.find((file) => host.kindOf(file) === 'file' && !isTool(file, folder));
  if (!runsAnything(tool)) return { ...base, script };
  const makefiles = ['GNUmakefile', 'makefile', 'Makefile'].map((name) => path.join(folder, name));
  const file = tool === 'make' ? makefiles.find((one) => host.kindOf(one) === 'file') : script;
  const text = file === undefined ? undefined : host.readStart(file, textBytes);
  const named = [...extensionsNamedIn(text ?? ''), ...namedExtensions(rest, context)];
  const startsNode = /\b(?:node|tsx|ts-node|npm|npx|yarn|pnpm)\b/.test(text ?? '');
  const obstacle = startsNode ? `${tool} starts it` : undefined;
  return { ...base, script: file, extensions: unique([...known, ...named]), obstacle };
}

/** Returns the text that a shell gets by `-c`. */
function lineOfShell(words: readonly string[]): string | undefined {
  const flag = words.findIndex((word) => /^-[a-z]*c[a-z]*$/.test(word));
  return flag < 0 || words.slice(0, flag).some((word) => !word.startsWith('-')) ? undefined : words[flag + 1];
}

function describeNode(first: string, rest: readonly string[], context: Context): Description {
  const { folder, host } = context;
  const { flags, envFiles, script: word, args, obstacle } = readNodeWords([...context.nodeArgs, ...rest]);
  const isTest = runsTests(flags);
  const found = word === undefined || isTest ? undefined : findScript(word, folder, host);
  const file = isTest ? undefined : (found?.file ?? missingScript(word, context));
  const otherNode = findOtherNode(first, context);
  const why = otherNode === undefined ? obstacle : `${otherNode} is not the Node that runs devwatch`;
  const words = word === undefined ? args : [found?.word ?? word, ...args];
  return {
    tool: 'node',
    extensions: isTest || file === undefined ? typescript : nodeExtensions(file, flags, context),
    script: file,
    endsByDesign: nodeEndsByDesign(flags),
    node: why === undefined ? { nodeArgs: flags, args: words, variables: {}, envFiles } : undefined,
    obstacle: why,
  };
}

/** Returns the place of a script that is not there yet. */
function missingScript(word: string | undefined, { folder, host }: Context): string | undefined {
  const place = word === undefined ? folder : path.resolve(folder, word);
  return host.kindOf(place) === undefined ? place : undefined;
}

/**
 * Returns the Node that a word means, if it is not the one that runs devwatch. A plain `node` is that one, unless the
 * project has a Node of its own, or the settings another PATH.
 */
function findOtherNode(word: string, { folder, env, host, trustsNode = false }: Context): string | undefined {
  const command = findOnPath(word, folder, env, host);
  const isPlain = !hasFolder(word) && !command?.includes(`${path.sep}node_modules${path.sep}`);
  const isUsual = isPlain && (trustsNode || command === findOnPath(word, folder, host.env, host));
  return command === undefined || isUsual || host.realPath(command) === host.realPath(host.node) ? undefined : command;
}

/** Returns the extensions of the files that a script may load when Node runs it with these flags. */
function nodeExtensions(script: string, flags: readonly string[], context: Context): readonly string[] {
  const { folder, env, host } = context;
  const extension = path.extname(script).slice(1);
  const isTypeScript = /^(?:[mc]?ts|[jt]sx)$/.test(extension);
  // A loader lets a script in JavaScript load TypeScript, and the script may load the loader.
  const hasLoader = namesLoader({ folder, nodeArgs: flags, env }, host);
  if (isTypeScript || hasLoader || loadsCompiler(host.readStart(script, textBytes) ?? '')) return typescript;
  const own = extension === '' || javascript.includes(extension) ? javascript : [...javascript, extension];
  return host.stripsTypes && !isCompiled(script, host) ? [...own, 'ts', 'mts', 'cts'] : own;
}

/** Whether TypeScript of the project is compiled to JavaScript, which Node then loads. */
function isCompiled(script: string, host: Host): boolean {
  const tsconfig = tsconfigFor(path.dirname(script), host);
  return tsconfig !== undefined && !isEnabled('noEmit', tsconfig, host);
}

function describeRunner(tool: string, all: readonly string[], context: Context): Description | undefined {
  const [first = '', ...rest] = all;
  const read = readRunnerWords(tool, rest);
  if (read === undefined) return undefined;
  const { folder, nodeArgs, host } = context;
  const { loader, isEsm, before, after, variables, envFiles, script: word, args } = read;
  const found = word === undefined ? undefined : findScript(word, folder, host);
  const file = found?.file ?? missingScript(word, context);
  const env = { ...context.env, ...variables };
  const request = { script: file ?? folder, word: word ?? '', folder, nodeArgs, env };
  const plan = planNamedLoader(loader, request, isEsm, host);
  const obstacle = read.obstacle ?? (plan === undefined ? `${first} is not a package of the project` : undefined);
  const flags = [...nodeArgs, ...before, ...(plan?.nodeArgs ?? []), ...after];
  const words = word === undefined ? args : [found?.word ?? word, ...args];
  return {
    ...unknown,
    tool: 'node',
    script: file,
    node:
      obstacle === undefined
        ? { nodeArgs: flags, args: words, variables: { ...variables, ...plan?.variables }, envFiles }
        : undefined,
    obstacle,
  };
}

/** Describes a script of package.json: `npm run dev`, `yarn dev`. */
function describePackageScript(
  tool: string,
  rest: readonly string[],
  context: Context,
  depth: number,
): Description | undefined {
  if (!/^(?:npm|pnpm|yarn|bun)$/.test(tool)) return undefined;
  const [first = '', second = ''] = rest.filter((word) => !word.startsWith('-'));
  const name = /^run(?:-script)?$/.test(first) ? second : first;
  const { scripts } = readManifest(context.folder, context.host) ?? {};
  const line = (scripts as Readonly<Record<string, unknown>> | undefined)?.[name];
  const base = { ...unknown, endsByDesign: endsByDesign(tool, rest) };
  // All but npm also run commands of packages by their names.
  const command = tool === 'npm' || first === '' ? [] : rest.slice(rest.indexOf(first));
  if (typeof line !== 'string' && command.length === 0) return base;
  const found =
    typeof line === 'string' ? describeLine(line, [], context, depth + 1) : describeWords(command, context, depth + 1);
  const obstacle = found.tool === 'node' || found.obstacle !== undefined ? `${tool} starts it` : undefined;
  const { extensions, script } = found;
  return { ...base, extensions, script, endsByDesign: base.endsByDesign || found.endsByDesign, obstacle };
}

/** Describes the lines that one command runs at the same time: `concurrently "tsc -w" "node app.js"`. */
function describeConcurrently(
  tool: string,
  rest: readonly string[],
  context: Context,
  depth: number,
): Description | undefined {
  if (tool !== 'concurrently') return undefined;
  const found = rest.filter((word) => !word.startsWith('-')).map((line) => describeLine(line, [], context, depth + 1));
  return { ...unknown, extensions: unique([...typescript, ...found.flatMap(({ extensions }) => extensions)]) };
}

/** Returns the extensions of the files that words name: files that exist, or that look like sources. */
function namedExtensions(words: readonly string[], { folder, host }: Context): string[] {
  return words.flatMap((word) => {
    const [, extension = ''] = /^[^-].*\.(\w{1,5})$/.exec(word) ?? [];
    const isNamed =
      extension !== '' && (isSourceExtension(extension) || host.kindOf(path.resolve(folder, word)) === 'file');
    return isNamed ? [extension] : [];
  });
}
