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
 * Makes the file that asks now the parent. One that has no module, such as an ES module, was the parent already when the
 * package was loaded ahead of time.
 *
 * @param below the accessor that Node's loader calls
 */
function adoptParent(module: LoadedModule, below: (...args: never[]) => unknown): void {
  const files = callersOf(below, maxFrames).map((site) => site.getFileName() ?? '');
  const asking = files.find((file) => !file.startsWith('node:') && file !== '');
  const parent = asking === undefined ? undefined : nodeModule._cache[asking];
  if (parent === undefined) return;
  withoutDeprecation(() => {
    module.parent = parent;
  });
}

export type { adoptParent };

module.exports = { adoptParent };
