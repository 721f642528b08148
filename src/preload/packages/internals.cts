/** Parts of Node that the preloading of packages builds on: its modules, their symbols, and who calls. */

const nodeModule = require('node:module') as unknown as ModuleClass;
const path = require('node:path') as typeof import('node:path');

/** A module of CommonJS, with the fields that only Node's loader uses. */
interface LoadedModule {
  id: string;
  filename: string | null;
  paths?: string[];
  exports: unknown;
  loaded: boolean;
  parent?: LoadedModule | null | undefined;
  readonly children: LoadedModule[];
  require(name: string): unknown;
  load(file: string): void;
  [symbol: symbol]: unknown;
}

interface ModuleClass {
  new (id: string, parent?: LoadedModule | null): LoadedModule;
  readonly _cache: Record<string, LoadedModule>;
  readonly _pathCache: Record<string, string | undefined>;
  readonly _extensions: Record<string, unknown>;
  readonly prototype: LoadedModule & { readonly require: { main?: LoadedModule } };
  _load(file: string, parent: LoadedModule | undefined, isMain: boolean): unknown;
  _nodeModulePaths(folder: string): string[];
  syncBuiltinESMExports(): void;
  [name: string]: unknown;
}

const nodeModules = `${path.sep}node_modules${path.sep}`;

/** Whether a file belongs to an installed package. */
const isInstalled = (file: string): boolean => file.includes(nodeModules);

/** The name of a file from its package on. */
const shortName = (file: string): string =>
  isInstalled(file) ? file.slice(file.lastIndexOf(nodeModules) + nodeModules.length) : file;

/** The folder of the package that a file belongs to. */
const packageFolderOf = (file: string): string | undefined =>
  /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0];

/** The name of that package. */
const packageNameOf = (file: string): string =>
  (packageFolderOf(file) ?? '').replace(/^.*[\\/]node_modules[\\/]/, '').replaceAll('\\', '/');

/** Taken before a program can replace it. */
const NativeError = Error;
const { captureStackTrace } = NativeError;
const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;

/** Returns the stack of the caller of `below`, innermost frame first. */
function callersOf(below: (...args: never[]) => unknown, limit: number): readonly NodeJS.CallSite[] {
  const { stackTraceLimit } = NativeError;
  const prepare = getOwnPropertyDescriptor(NativeError, 'prepareStackTrace');
  const holder: { stack?: unknown } = {};
  try {
    NativeError.stackTraceLimit = limit;
    NativeError.prepareStackTrace = (_, sites) => sites;
    captureStackTrace(holder, below);
    const { stack } = holder;
    return Array.isArray(stack) ? stack : [];
  } finally {
    if (prepare === undefined) deleteProperty(NativeError, 'prepareStackTrace');
    else defineProperty(NativeError, 'prepareStackTrace', prepare);
    NativeError.stackTraceLimit = stackTraceLimit;
  }
}

/** Parts of Node's loader that look for a module in the cache. */
const askers: Readonly<Record<string, 'load' | 'link'>> = {
  'node:internal/modules/cjs/loader': 'load',
  // Links a CommonJS module that an ES module imports, long before it is evaluated.
  'node:internal/modules/esm/translators': 'link',
};

/** Tells which part of Node's loader calls `below`; undefined for anybody else. */
const askerOf = (below: (...args: never[]) => unknown): 'load' | 'link' | undefined =>
  askers[callersOf(below, 1)[0]?.getFileName() ?? ''];

/** The symbols that Node puts on modules, by their description. */
const symbolsOf = (one: object): Readonly<Record<string, symbol>> =>
  Object.fromEntries(Object.getOwnPropertySymbols(one).map((symbol) => [symbol.description ?? '', symbol]));

/** Sets a value of the module cache as Node itself does. */
function cache(file: string, value: LoadedModule): void {
  deleteProperty(nodeModule._cache, file);
  nodeModule._cache[file] = value;
}

/**
 * Makes Node forget what a name means to the files of a folder. Without that it would take a module that is not evaluated for
 * one whose evaluation is under way. That file must not be in the cache.
 */
function forgetLookup(folder: string, name: string): void {
  const stop = (): never => {
    throw new NativeError('This is looked up later.');
  };
  const asking = { id: '', path: folder };
  for (const key of ['filename', 'paths']) defineProperty(asking, key, { get: stop });
  try {
    nodeModule._load(name, asking as unknown as LoadedModule, false);
  } catch {
    // Before anything was loaded.
  }
}

/** Notes a file as Node does when it evaluates what an ES module imports: facts tell the order. */
const noteLookup = (file: string): void => {
  nodeModule._pathCache[`${file}\0`] ??= file;
};

/** Calls a function of Node that is deprecated, without the warning. */
function withoutDeprecation<Result>(call: () => Result): Result {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    return call();
  } finally {
    if (noDeprecation === undefined) deleteProperty(process, 'noDeprecation');
    else process.noDeprecation = noDeprecation;
  }
}

/** Returns one of Node's internals; undefined if Node does not give it out. */
const bindingOf = (name: string): Record<string, unknown> | undefined =>
  withoutDeprecation(() => {
    try {
      return (process as unknown as { binding(name: string): Record<string, unknown> }).binding(name);
    } catch {
      return undefined;
    }
  });

export type {
  askerOf,
  bindingOf,
  cache,
  callersOf,
  forgetLookup,
  isInstalled,
  LoadedModule,
  ModuleClass,
  nodeModule,
  noteLookup,
  packageFolderOf,
  packageNameOf,
  shortName,
  symbolsOf,
  withoutDeprecation,
};

module.exports = {
  askerOf,
  bindingOf,
  cache,
  callersOf,
  forgetLookup,
  isInstalled,
  nodeModule,
  noteLookup,
  packageFolderOf,
  packageNameOf,
  shortName,
  symbolsOf,
  withoutDeprecation,
};
