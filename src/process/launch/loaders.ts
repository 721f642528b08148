/** The loader of TypeScript that a program runs with: the one that the user names, else the one of the project. */

import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { attempt, UsageError } from '../../shared/errors.ts';
import type { Host } from './host.ts';
import { exportedFile, isEnabled, isModule, packageFolder, tsconfigFor } from './packages.ts';

/** Packages that compile what they load. */
const compilers =
  'tsx|ts-node|ts-node-dev|ts-node-maintained|esbuild-register|esbuild-runner|@swc-node/register|@swc/register|@babel/register|@oxc-node/core|@esbuild-kit/[a-z-]+|jiti|sucrase|amaro|tsimp|tsm|ts-blank-space|@nodejs-loaders/[a-z-]+|coffeescript';

/** Packages that change how modules are found or shown. */
const helpers = 'tsconfig-paths|source-map-support';

const named = (names: string): RegExp =>
  new RegExp(`^(?:${names})(?:/|$)|[/\\\\]node_modules[/\\\\](?:${names})[/\\\\]`);
const compilerName = named(compilers);
const loaderName = named(`${compilers}|${helpers}`);
/** Code that loads or registers a compiler: `register('ts-node/esm', …)`. */
const compilerInCode = new RegExp(
  `(?:require|import|register|from)\\s*\\(?\\s*['"](?:[^'"\\s]*[/\\\\]node_modules[/\\\\])?(?:${compilers})(?:/[^'"\\s]*)?['"]`,
);

/** Loaders that observe or replace modules, and compile nothing. */
const observers = /opentelemetry|import-in-the-middle|dd-trace|newrelic|sentry|elastic-apm|esmock|quibble|testdouble/;

/** Node's own flags that decide whether and how it runs TypeScript. */
const typeFlag = /^--(?:no-)?(?:experimental-)?(?:strip|transform)-types$/;

/** A module that Node loads before the script. */
export interface PreloadFlag {
  readonly kind: 'require' | 'import' | 'loader';
  readonly name: string;
  /** Index of its first word, and of the word after its last one. */
  readonly start: number;
  readonly end: number;
}

/** Returns the modules that flags of Node name. */
export function preloadsIn(words: readonly string[]): PreloadFlag[] {
  return words.flatMap((word, start): PreloadFlag[] => {
    const [, flag = '', attached] =
      /^(--require|-r|--import|--(?:experimental[-_])?loader)(?:=(.*))?$/s.exec(word) ?? [];
    if (flag === '') return [];
    const kind = flag === '--import' ? 'import' : flag.endsWith('loader') ? 'loader' : 'require';
    const name = attached ?? words[start + 1];
    return name === undefined ? [] : [{ kind, name, start, end: start + (attached === undefined ? 2 : 1) }];
  });
}

/** Returns whether a file is one of Yarn's Plug'n'Play, which find packages. */
export const isPlugAndPlay = (name: string): boolean => /(?:^|[/\\])\.pnp(?:\.loader)?\.[cm]?js$/.test(name);

/** Returns whether a module is a loader that does nothing by itself: it may run before the program is released. */
export const isLoader = (name: string): boolean =>
  loaderName.test(name.replaceAll('%20', ' ')) ||
  isPlugAndPlay(name) ||
  (name.startsWith('data:') && loadsCompiler(name));

/** Returns whether code, or a URL with code, loads or registers a compiler. */
export const loadsCompiler = (code: string): boolean =>
  compilerInCode.test(code.startsWith('data:') ? (attempt(() => decodeURIComponent(code)) ?? code) : code);

/** Splits the value of NODE_OPTIONS, in which only double quotes group words: as `text` there, and as the `word` meant. */
export const splitOptions = (options: string): { readonly text: string; readonly word: string }[] =>
  [...options.matchAll(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g)].map(([text]) => ({
    text,
    word: text.replaceAll(/"((?:\\.|[^"\\])*)"/g, (_, quoted: string) => quoted.replaceAll(/\\(.)/g, '$1')),
  }));

/** Returns the flags in the value of NODE_OPTIONS. */
export const wordsOfOptions = (options = ''): string[] => splitOptions(options).map(({ word }) => word);

export interface LoaderRequest {
  /** Absolute path of the script. */
  readonly script: string;
  /** The script's name for messages. */
  readonly word: string;
  /** Absolute path of the folder in which the program runs. */
  readonly folder: string;
  /** The flags of Node that the user gives. */
  readonly nodeArgs: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** The flags and variables that a script needs in addition to those of the user. */
export interface LoaderPlan {
  readonly nodeArgs: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** A message for the user about the loader. */
  readonly note?: string;
}

const nothing: LoaderPlan = { nodeArgs: [], variables: {} };

/** Returns whether flags, or NODE_OPTIONS, decide how TypeScript is run: by a loader, or by Node itself. */
export function namesLoader({ folder, nodeArgs, env }: Omit<LoaderRequest, 'script' | 'word'>, host: Host): boolean {
  const words = [...nodeArgs, ...wordsOfOptions(env.NODE_OPTIONS)];
  if (words.some((word) => typeFlag.test(word.replaceAll('_', '-')))) return true;
  return preloadsIn(words).some(({ kind, name }) => {
    // Its list of packages may look like code that loads a compiler.
    if (isPlugAndPlay(name)) return false;
    if (compilerName.test(name.replaceAll('%20', ' '))) return true;
    if (kind === 'loader') return !observers.test(name);
    return loadsCompiler(name.startsWith('data:') ? name : (codeOfModule(name, folder, host) ?? ''));
  });
}

/** Returns the code of a module that Node preloads: it may register a loader. */
function codeOfModule(name: string, folder: string, host: Host): string | undefined {
  const isFile = /^(?:\.{0,2}[/\\]|file:|\w:)/.test(name);
  if (isFile) {
    const file = name.startsWith('file:') ? attempt(() => fileURLToPath(name)) : path.resolve(folder, name);
    const tried = file === undefined ? [] : ['', '.js', '.cjs', '.mjs', '.ts', '/index.js'].map((end) => file + end);
    return tried.map((one) => host.read(one)).find((code) => code !== undefined);
  }
  const parts = name.split('/');
  const packageName = parts.splice(0, name.startsWith('@') ? 2 : 1).join('/');
  const found = packageFolder(packageName, folder, host);
  const file = found && exportedFile(found, ['.', ...parts].join('/'), host);
  return file && host.read(file);
}

/** A package that can load TypeScript. */
interface ProjectLoader {
  readonly name: string;
  /** A package that it needs as well. */
  readonly peer?: string;
  /** Emits the types of decorated members, which frameworks such as NestJS read. */
  readonly emitsMetadata: boolean;
  /** Reads the variable TS_NODE_PROJECT; by default it uses the tsconfig.json of the working folder. */
  readonly readsProject: boolean;
  /** The export that loads CommonJS scripts, and the way in which Node loads it. */
  readonly script: Registration;
  /** The same for ES modules, if it can load them. */
  readonly module?: Registration;
}

/** `hooks`: a module with the hooks of a loader, to be registered. */
type Registration = readonly [kind: 'require' | 'import' | 'hooks', name: string];

/** In the order in which they are preferred. */
const projectLoaders: readonly ProjectLoader[] = [
  {
    name: 'tsx',
    emitsMetadata: false,
    readsProject: false,
    script: ['import', '.'],
    module: ['import', '.'],
  },
  {
    name: 'ts-node',
    peer: 'typescript',
    emitsMetadata: true,
    readsProject: true,
    script: ['require', './register'],
    module: ['hooks', './esm'],
  },
  {
    name: '@swc-node/register',
    peer: '@swc/core',
    emitsMetadata: true,
    readsProject: true,
    script: ['require', '.'],
    module: ['import', './esm-register'],
  },
  {
    name: 'esbuild-register',
    peer: 'esbuild',
    emitsMetadata: false,
    readsProject: false,
    script: ['require', '.'],
  },
];

/** A loader that is installed, with the flags for a script. */
interface InstalledLoader extends ProjectLoader {
  readonly flags: readonly string[];
}

function findInstalled(loader: ProjectLoader, script: string, isEsm: boolean, host: Host): InstalledLoader[] {
  const from = path.dirname(script);
  const folder = packageFolder(loader.name, from, host);
  const isComplete = loader.peer === undefined || packageFolder(loader.peer, from, host) !== undefined;
  const registration = isEsm ? loader.module : loader.script;
  if (folder === undefined || !isComplete || registration === undefined) return [];
  const [kind, name] = registration;
  const file = exportedFile(folder, name, host);
  return file === undefined ? [] : [{ ...loader, flags: flagsFor(kind, host.realPath(file)) }];
}

function flagsFor(kind: Registration[0], file: string): readonly string[] {
  if (kind === 'require') return ['--require', file];
  const { href } = pathToFileURL(file);
  // `--loader` would do the same, and print a warning.
  const register = `import{register}from"node:module";register(${JSON.stringify(href)})`;
  return ['--import', kind === 'import' ? href : `data:text/javascript,${register}`];
}

/**
 * Plans how a TypeScript file is run. A loader of the user, or Node's own flags for types, are used as they are. Else
 * the first loader of the project is, if the project needs decorator metadata the first that emits it; else Node itself.
 *
 * @throws UsageError if neither the project nor Node can load the script
 */
export function planLoader(request: LoaderRequest, host: Host): LoaderPlan {
  if (namesLoader(request, host)) return nothing;
  const { script, word } = request;
  const { found, needsMetadata, tsconfig } = chooseLoader(request, host);
  if (found !== undefined) {
    const note = needsMetadata && !found.emitsMetadata ? metadataNote(found.name) : undefined;
    return { ...planFor(found, request, tsconfig), ...(note !== undefined && { note }) };
  }
  if (host.stripsTypes && !script.endsWith('x')) return nothing;
  throw new UsageError(`${word}: running TypeScript ${loaderAdvice(needsMetadata)}`);
}

type Place = Pick<LoaderRequest, 'script' | 'folder' | 'env'>;

/** Chooses the first loader of the project that fits, else the first one. */
function chooseLoader(place: Place, host: Host) {
  const { script } = place;
  const tsconfig = tsconfigOf(place, host);
  const needsMetadata = tsconfig !== undefined && isEnabled('emitDecoratorMetadata', tsconfig, host);
  const isEsm = isModule(script, host);
  const installed = projectLoaders.flatMap((loader) => findInstalled(loader, script, isEsm, host));
  const found = installed.find(({ emitsMetadata }) => emitsMetadata || !needsMetadata) ?? installed[0];
  return { found, needsMetadata, tsconfig };
}

/** Returns a message about a program whose TypeScript Node itself cannot run. */
export function adviseLoader(place: Place, host: Host): string {
  const { found, needsMetadata } = chooseLoader(place, host);
  const fault = 'Node itself cannot run this TypeScript';
  if (found === undefined) return `${fault}: it ${loaderAdvice(needsMetadata)}`;
  const script = path.relative(place.folder, place.script);
  return `${fault}, ${found.name} of the project can · devwatch ${script} runs it by that`;
}

/**
 * Plans how a script is run by the loader of this name, which the user has chosen. Undefined if it is not installed.
 *
 * @param isEsm whether it has to load ES modules; by default if the script is one
 */
export function planNamedLoader(
  name: 'tsx' | 'ts-node',
  request: LoaderRequest,
  isEsm: boolean,
  host: Host,
): LoaderPlan | undefined {
  const tsconfig = tsconfigOf(request, host);
  const asksForEsm = isEsm || (tsconfig !== undefined && isEnabled('esm', tsconfig, host));
  const { script } = request;
  const loader = projectLoaders.filter((one) => one.name === name);
  const [found] = loader.flatMap((one) => findInstalled(one, script, asksForEsm || isModule(script, host), host));
  return found && planFor(found, request, tsconfig);
}

function planFor(loader: InstalledLoader, { folder, env }: LoaderRequest, tsconfig: string | undefined): LoaderPlan {
  const isElsewhere = tsconfig !== undefined && tsconfig !== path.join(folder, 'tsconfig.json');
  const setsProject = loader.readsProject && isElsewhere && env.TS_NODE_PROJECT === undefined;
  return { nodeArgs: loader.flags, variables: setsProject ? { TS_NODE_PROJECT: tsconfig } : {} };
}

const metadataLoaders = 'ts-node or @swc-node/register';
const metadataRemedy = 'npm install --save-dev @swc-node/register @swc/core';

const metadataNote = (name: string): string =>
  `tsconfig.json asks for decorator metadata, which ${name} does not emit, and ${metadataLoaders} do · ${metadataRemedy}`;

const loaderAdvice = (needsMetadata: boolean): string =>
  needsMetadata
    ? `needs ${metadataLoaders} in the project, for the decorator metadata that tsconfig.json asks for · ${metadataRemedy}`
    : 'needs tsx in the project · npm install --save-dev tsx';

/** Returns the tsconfig that is meant for a script. */
function tsconfigOf({ script, folder, env }: Place, host: Host): string | undefined {
  const { TS_NODE_PROJECT: named } = env;
  return named ? path.resolve(folder, named) : tsconfigFor(path.dirname(script), host);
}
