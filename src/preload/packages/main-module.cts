/**
 * The program's main module, made before Node does: packages keep it as `require.main`, or find it as `module.parent`.
 * Node then takes this one for the script.
 */

import type { askerOf as AskerOf, cache as Cache, LoadedModule, ModuleClass } from './internals.cts';
import type { parentOf as ParentOf, setParent as SetParent } from './parents.cts';

const path = require('node:path') as typeof import('node:path');
const { askerOf, cache, nodeModule } = require('./internals.cjs') as {
  askerOf: typeof AskerOf;
  cache: typeof Cache;
  nodeModule: ModuleClass;
};
const { parentOf, setParent } = require('./parents.cjs') as { parentOf: typeof ParentOf; setParent: typeof SetParent };
const { defineProperty, deleteProperty } = Reflect;

type Symbols = Readonly<Record<string, symbol>>;

/** Whether this Node marks modules as the preloading needs it. */
const canMakeMain = ({ kIsCachedByESMLoader, kIsMainSymbol }: Symbols): boolean =>
  kIsCachedByESMLoader !== undefined && kIsMainSymbol !== undefined;

class MainModule {
  /** Undefined if the script is an ES module. */
  readonly #module: LoadedModule | undefined;
  readonly #script: string;
  readonly #symbols: Symbols;
  /** Stand-ins for other files of the program that ask for packages. */
  readonly #parents = new Map<string, LoadedModule>();

  readonly #onExports: () => void;

  /** @param onExports called when a package asks for what the program exports, which nobody knows yet */
  constructor(script: string, isCommonJs: boolean, symbols: Symbols, onExports: () => void) {
    this.#script = script;
    this.#symbols = symbols;
    this.#onExports = onExports;
    if (!isCommonJs) return;
    this.#module = moduleFor(script, null, onExports);
    this.#module.id = '.';
    process.mainModule = this.#module as unknown as NodeJS.Module;
  }

  /**
   * Returns a module that asks for a package in place of a file.
   *
   * @param isLoaded that file is there as well, and must not get another child
   */
  parentFor(file: string, isLoaded = false): LoadedModule {
    if (file === this.#script && this.#module !== undefined) return this.#module;
    const known = (isLoaded ? undefined : nodeModule._cache[file]) ?? this.#parents.get(file);
    if (known !== undefined) return known;
    const parent = moduleFor(file, this.#module ?? null, this.#onExports);
    this.#parents.set(file, parent);
    const loaded = isLoaded ? nodeModule._cache[file] : undefined;
    if (loaded !== undefined) {
      parent.loaded = true;
      parent.children.push(...loaded.children);
      setParent(parent, parentOf(loaded));
    }
    if (this.#module !== undefined) this.#module.children.length = 0;
    return parent;
  }

  /** Makes the module as new, and puts it where Node takes it for the script. */
  arm(): void {
    const module = this.#module;
    if (module === undefined) return;
    deleteProperty(process, 'mainModule');
    module.children.length = 0;
    defineProperty(module, 'exports', { value: {}, writable: true, enumerable: true, configurable: true });
    module.filename = null;
    module.loaded = false;
    deleteProperty(module, 'paths');
    const { kIsMainSymbol, kIsCachedByESMLoader, kURL, kFormat } = this.#symbols;
    if (kIsMainSymbol !== undefined) module[kIsMainSymbol] = true;
    if (kIsCachedByESMLoader !== undefined) evaluateOnce(module, kIsCachedByESMLoader);
    // From Node 22 on, the loader sets both before it evaluates the script.
    for (const symbol of [kURL, kFormat]) if (kURL !== undefined && symbol !== undefined) module[symbol] = undefined;
    const script = this.#script;
    const get = (): LoadedModule | undefined => {
      if (askerOf(get) === undefined) return undefined;
      try {
        process.mainModule = module as unknown as NodeJS.Module;
        nodeModule.prototype.require.main = module;
        cache(script, module);
        return module;
      } catch {
        return undefined; // Node makes another one.
      }
    };
    const set = (value: LoadedModule): void => cache(script, value);
    defineProperty(nodeModule._cache, script, { configurable: true, enumerable: false, get, set });
  }
}

function moduleFor(file: string, parent: LoadedModule | null, onExports: () => void): LoadedModule {
  const module = new nodeModule(file, parent);
  module.filename = file;
  module.paths = nodeModule._nodeModulePaths(path.dirname(file));
  module.loaded = false;
  let { exports } = module;
  const get = (): unknown => {
    onExports();
    return exports;
  };
  const set = (value: unknown): void => {
    onExports();
    exports = value;
  };
  defineProperty(module, 'exports', { get, set, enumerable: true, configurable: true });
  return module;
}

/** Node evaluates a cached module only if it has this mark when it looks for the first time. */
function evaluateOnce(module: LoadedModule, mark: symbol): void {
  let isFirst = true;
  const settle = (): void => {
    defineProperty(module, mark, { configurable: true, enumerable: true, writable: true, value: false });
  };
  const get = (): boolean => {
    settle();
    return isFirst;
  };
  const set = (): void => {
    isFirst = false;
  };
  defineProperty(module, mark, { configurable: true, enumerable: true, get, set });
}

export type { canMakeMain, MainModule };

module.exports = { canMakeMain, MainModule };
