/** The module that was the first to ask for a package: `module.parent`, as the program would see it. */

import type { LoadedModule, ModuleClass } from './internals.cts';

const { nodeModule } = require('./internals.cjs') as { nodeModule: ModuleClass };

/** Looks for the parent when somebody asks for it: Node adds the module to its parent's children only afterwards. */
function findParentLater(module: LoadedModule): void {
  const settle = (value: LoadedModule | undefined): LoadedModule | undefined => {
    Reflect.deleteProperty(module, 'parent');
    module.parent = value;
    return value;
  };
  Reflect.defineProperty(module, 'parent', {
    configurable: true,
    enumerable: false,
    get: () => settle(parentOf(module)),
    set: settle,
  });
}

function parentOf(module: LoadedModule): LoadedModule | undefined {
  const seen = new Set<LoadedModule>();
  const look = (one: LoadedModule): LoadedModule | undefined => {
    if (seen.has(one)) return undefined;
    seen.add(one);
    if (one.children.includes(module)) return one;
    for (const child of one.children) {
      const found = look(child);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const { mainModule } = process as { mainModule?: unknown };
  const roots = [
    ...(mainModule === undefined ? [] : [mainModule as LoadedModule]),
    ...Object.values(nodeModule._cache),
  ];
  for (const root of roots) {
    const found = look(root);
    if (found !== undefined) return found;
  }
  return undefined;
}

export type { findParentLater };

module.exports = { findParentLater };
