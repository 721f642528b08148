/**
 * Links packages that are ES modules ahead of time: Node finds, reads and compiles them, and connects them with what they
 * import. It evaluates nothing of them. The program does that, in its order, with its variables.
 */

import type { Session } from 'node:inspector';
import type { isInstalled as IsInstalled } from './internals.cts';

const fs = require('node:fs') as typeof import('node:fs');
const path = require('node:path') as typeof import('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url') as typeof import('node:url');
const { isInstalled } = require('./internals.cjs') as { isInstalled: typeof IsInstalled };

/** The error by which an import ends that was only to link. */
const linked = 'linked';

const moduleOf = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/**
 * Returns the address of a module that imports these files, but first of all one that throws: Node links all of them before it
 * evaluates the first.
 */
const addressToLink = (files: readonly string[]): string =>
  moduleOf(
    [moduleOf(`throw '${linked}'`), ...files.map((file) => pathToFileURL(file).href)]
      .map((address) => `import ${JSON.stringify(address)};\n`)
      .join(''),
  );

/** The ES modules of a program, as far as they are imported statically. */
interface ProgramModules {
  /** All of them. */
  readonly files: readonly string[];
  /** Names of the packages that those of the program import, as compiled. */
  readonly asked: ReadonlySet<string>;
  /** Those of packages, the importing ones last; none if one of them imports a file of the program. */
  readonly modules: readonly string[];
  /** Names of the packages that ES modules import. */
  readonly imported: ReadonlySet<string>;
}

interface ModuleList {
  /**
   * Returns the modules that Node has compiled since; undefined if these are not all. `error`: by which the import has ended.
   */
  end(error: unknown): ProgramModules | undefined;
}

/** Begins to list ES modules, in a process that is thrown away. */
function listModules(): ModuleList {
  const inspector = require('node:inspector') as typeof import('node:inspector');
  const session = new inspector.Session();
  const files = new Set<string>();
  /** The scripts of the program, by the identifiers of V8. */
  const own: string[] = [];
  let isReady = false;
  session.connect();
  session.on('Debugger.scriptParsed', ({ params: { url, isModule, scriptId } }) => {
    if (!isReady || isModule !== true || !url.startsWith('file:')) return;
    const file = fileURLToPath(url.replace(/[?#].*/, ''));
    files.add(file);
    if (!isInstalled(file)) own.push(scriptId);
  });
  // V8 names at once what there is already.
  session.post('Debugger.enable');
  isReady = true;
  return {
    end: (error) => {
      const asked = new Set(own.flatMap((id) => specifiersOf(sourceOf(session, id)).map(packageIn)));
      session.disconnect();
      if (error !== linked) return undefined;
      const names = new Set(
        [...files].filter((file) => !isInstalled(file)).flatMap((file) => packageAbove(file) ?? []),
      );
      const manifests = new Map<string, boolean>();
      const imported = new Set<string>();
      let isClosed = true;
      for (const file of files) {
        const specifiers = specifiersIn(file);
        for (const one of specifiers) imported.add(packageIn(one));
        if (!isInstalled(file)) continue;
        isClosed &&= !specifiers.some((one) => isOutside(one, file, names)) && !dependsOn(file, names, manifests);
      }
      const modules = isClosed ? [...files].filter(isInstalled).reverse() : [];
      return { files: [...files], asked, modules, imported };
    },
  };
}

const importing = /\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g;

/** Returns the names by which a file imports others. */
const specifiersIn = (file: string): string[] => specifiersOf(fs.readFileSync(file, 'utf8'));

const specifiersOf = (code: string): string[] => [...code.matchAll(importing)].map(([, , name = '']) => name);

/** Returns the code of a script as V8 has got it. */
function sourceOf(session: Session, scriptId: string): string {
  let source = '';
  // Without another thread the answer comes at once.
  session.post('Debugger.getScriptSource', { scriptId }, (_, { scriptSource } = { scriptSource: '' }) => {
    source = scriptSource;
  });
  return source;
}

/** Returns the package in a name by which something is imported. */
const packageIn = (name: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? '';

/** Whether a name means a file that belongs to no package, or one of these packages. */
const isOutside = (name: string, file: string, names: ReadonlySet<string>): boolean =>
  /^\.{1,2}\//.test(name) ? !isInstalled(path.resolve(path.dirname(file), name)) : names.has(packageIn(name));

interface Manifest {
  readonly name?: unknown;
  readonly [field: string]: unknown;
}

/** Whether the manifest of a file's package names one of these packages as what it needs. */
function dependsOn(file: string, names: ReadonlySet<string>, known: Map<string, boolean>): boolean {
  if (names.size === 0) return false;
  const folder = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0] ?? '';
  let result = known.get(folder);
  if (result === undefined) {
    const { dependencies, peerDependencies, optionalDependencies, imports } = manifestIn(folder) ?? {};
    const text = JSON.stringify([dependencies, peerDependencies, optionalDependencies, imports]);
    result = [...names].some((name) => text.includes(`"${name}"`));
    known.set(folder, result);
  }
  return result;
}

/** Returns the name of the package that a file of the program belongs to. */
function packageAbove(file: string): string | undefined {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const manifest = manifestIn(folder);
    if (manifest !== undefined) return typeof manifest.name === 'string' ? manifest.name : undefined;
  }
  return undefined;
}

function manifestIn(folder: string): Manifest | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}

export type { addressToLink, listModules, ProgramModules, packageIn, specifiersIn };

module.exports = { addressToLink, listModules, packageIn, specifiersIn };
