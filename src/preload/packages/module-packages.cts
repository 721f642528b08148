/** Describes the ES modules of a program, as far as devwatch has to know in which order what is evaluated. */

import type { ModulePackages } from '../protocol.ts' with { 'resolution-mode': 'import' };
import type { isInstalled as IsInstalled, packageNameOf as PackageNameOf } from './internals.cts';
import type { packageIn as PackageIn, ProgramModules, specifiersIn as SpecifiersIn } from './linking.cts';

const fs = require('node:fs') as typeof import('node:fs');
const path = require('node:path') as typeof import('node:path');
const { isInstalled, packageNameOf } = require('./internals.cjs') as {
  isInstalled: typeof IsInstalled;
  packageNameOf: typeof PackageNameOf;
};
const { packageIn, specifiersIn } = require('./linking.cjs') as {
  packageIn: typeof PackageIn;
  specifiersIn: typeof SpecifiersIn;
};

/** Code needs one of these to load something other than by a static import. */
const loads = /\b(?:require|createRequire|mainModule|getBuiltinModule|_load)\b|\bimport\s*\(/;
/** Modules of Node that give out its loader, or all packages. */
const loaders = /^(?:node:)?(?:module|vm|test|repl|inspector|worker_threads)(?:$|\/)/;

const isBare = (name: string): boolean => /^[@\w]/.test(name) && !name.includes(':');

/**
 * @param modules what Node has linked
 * @param scripts all other files of packages that were loaded
 */
function modulePackagesOf(
  { files, asked }: Pick<ProgramModules, 'files' | 'asked'>,
  scripts: readonly string[],
): ModulePackages {
  const own = files.filter((file) => !isInstalled(file));
  const installed = files.filter(isInstalled);
  const names = new Set(installed.map(packageNameOf));
  const imports = new Map(installed.map((file) => [file, specifiersIn(file)]));
  const { builtinModules } = require('node:module') as typeof import('node:module');
  const acting = new Set(scripts.map(packageNameOf));
  const isHarmless = (name: string, from: string): boolean => {
    if (name.startsWith('node:') || builtinModules.includes(name)) return !loaders.test(name);
    if (isBare(name)) return names.has(packageIn(name)) && !acting.has(packageIn(name));
    return /^\.{1,2}\//.test(name) && imports.has(path.resolve(path.dirname(from), name));
  };
  for (const file of installed) if (loads.test(fs.readFileSync(file, 'utf8'))) acting.add(packageNameOf(file));
  for (let size = -1; size !== acting.size; ) {
    size = acting.size;
    for (const [file, all] of imports) {
      if (!all.every((name) => isHarmless(name, file))) acting.add(packageNameOf(file));
    }
  }
  const needed = new Set([...imports.values()].flat().filter(isBare).map(packageIn));
  return {
    ...{ own, asked: [...asked], names: [...names], acting: [...acting].filter((name) => names.has(name)) },
    needed: [...needed].filter((name) => !builtinModules.includes(name)),
  };
}

export type { modulePackagesOf };

module.exports = { modulePackagesOf };
