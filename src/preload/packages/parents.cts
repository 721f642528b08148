/** The module that is the first to ask for a package: `module.parent`, as it would be without the preloading. */

import type {
  callersOf as CallersOf,
  LoadedModule,
  ModuleClass,
  withoutDeprecation as WithoutDeprecation,
} from './internals.cts';

const { callersOf, nodeModule, withoutDeprecation } = require('./internals.cjs') as {
  callersOf: typeof CallersOf;
  nodeModule: ModuleClass;
  withoutDeprecation: typeof WithoutDeprecation;
};

/** Node's loader itself takes fewer frames. */
const maxFrames = 12;

/**
 * Returns the file that asks Node's loader; undefined for an import.
 *
 * @param below the accessor that Node's loader calls
 */
function askingFile(below: (...args: never[]) => unknown): string | undefined {
  const sites = callersOf(below, maxFrames);
  const asking = sites.find((site) => !/^(?:node:|$)/.test(site.getFileName() ?? ''));
  // A function that has awaited an import does not ask itself.
  return asking?.isAsync() === true ? undefined : (asking?.getFileName() ?? undefined);
}

/**
 * Makes the file that asks the parent. One that has no module, such as an ES module, was the parent already when the package
 * was loaded ahead of time.
 */
function adoptParent(module: LoadedModule, asking: string | undefined): void {
  const parent = asking === undefined ? undefined : nodeModule._cache[asking];
  if (parent !== undefined) setParent(module, parent);
}

/** Node has deprecated the property. */
const setParent = (module: LoadedModule, parent: LoadedModule | null | undefined): void =>
  withoutDeprecation(() => {
    module.parent = parent;
  });

const parentOf = (module: LoadedModule): LoadedModule | null | undefined => withoutDeprecation(() => module.parent);

export type { adoptParent, askingFile, parentOf, setParent };

module.exports = { adoptParent, askingFile, parentOf, setParent };
