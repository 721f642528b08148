/**
 * Tells devwatch which files of its own the program loads (`--deps`), or would load if they were
 * there, and which packages (`--prewarm`). Node's own WATCH_REPORT_DEPENDENCIES needs an IPC channel, which the program would see.
 */

const { writeSync } = require('node:fs') as typeof import('node:fs');
const nodeModule = require('node:module') as typeof import('node:module') & ModuleInternals;
const path = require('node:path') as typeof import('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url') as typeof import('node:url');

type LaunchOrders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).LaunchOrders;

/** What Node 20's types do not have: `registerHooks` came with 22.15, `_resolveFilename` is what everybody patches. */
interface ModuleInternals {
  registerHooks?: (hooks: { resolve(specifier: string, context: Context, next: Next): { url: string } }) => void;
  _resolveFilename: (request: string, parent: { filename?: string | null } | undefined, ...rest: unknown[]) => string;
}

interface Context {
  readonly parentURL?: string | undefined;
  readonly conditions?: readonly string[] | undefined;
}

type Next = (specifier: string, context: Context) => { url: string };

/** What a missing file might be called, beside its own name. */
const endings = ['', '.js', '.json', '.node', '.ts', '/index.js'];

/** Reports from here on. Node has hooks for that from 22.15 on. */
function reportLoads(orders: LaunchOrders): void {
  const report = reporter(orders);
  if (nodeModule.registerHooks !== undefined) {
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        let resolved: { url: string } | undefined;
        try {
          resolved = next(specifier, context);
          return resolved;
        } finally {
          // Not by `throw`: Node would show our line as that of the error.
          if (resolved === undefined) report.missing(specifier, context);
          else report.url(resolved.url, context);
        }
      },
    });
    return;
  }
  const resolve = nodeModule._resolveFilename;
  nodeModule._resolveFilename = function (request, parent, ...rest) {
    const name = parent?.filename ?? undefined;
    let file: string | undefined;
    try {
      file = resolve.call(this, request, parent, ...rest);
      return file;
    } finally {
      if (file === undefined) report.missingFile(request, name);
      // Without a parent it is an ES module that loads it, which its own hooks report.
      else if (name !== undefined) report.file(file, name, 'require');
    }
  };
  // These hooks run in a thread of their own, which the descriptor is shared with.
  nodeModule.register(pathToFileURL(path.join(__dirname, 'loads-hooks.mjs')), {
    data: { orders, reporter: __filename },
  });
}

/** What both kinds of hooks say. */
function reporter({ channel, reportLoads, reportPackages }: LaunchOrders) {
  const reported = new Set<string>();
  const isInstalled = (name: string): boolean => name.includes(`${path.sep}node_modules${path.sep}`);

  function say(key: string, notice: object): void {
    if (reported.has(key)) return;
    reported.add(key);
    try {
      writeSync(channel, `${JSON.stringify(notice)}\n`);
    } catch {
      // devwatch is gone.
    }
  }

  /** Packages load further ones: only what the program itself asks for is told. */
  function file(name: string, parent: string | undefined, kind: 'require' | 'import'): void {
    if (!path.isAbsolute(name) || name.startsWith(__dirname)) return;
    if (!isInstalled(name)) {
      if (reportLoads) say(name, { type: 'loads', file: name });
    } else if (reportPackages && parent !== undefined && !isInstalled(parent)) {
      say(`${kind} ${name}`, { type: 'package', file: name, kind });
    }
  }

  function missingFile(name: string, parent: string | undefined): void {
    if (!isPlace.test(name)) return;
    const wanted = path.resolve(parent === undefined ? process.cwd() : path.dirname(parent), name);
    for (const ending of endings) file(wanted + ending, undefined, 'import');
  }

  return {
    file,
    url(url: string, { parentURL, conditions }: Context): void {
      if (!url.startsWith('file:')) return;
      const parent = parentURL?.startsWith('file:') === true ? fileURLToPath(parentURL) : undefined;
      file(
        fileURLToPath(url.replace(/[?#].*$/, '')),
        parent,
        conditions?.includes('require') === true ? 'require' : 'import',
      );
    },
    missing(specifier: string, { parentURL = pathToFileURL(`${process.cwd()}/`).href, conditions }: Context): void {
      try {
        if (conditions?.includes('require') === true) missingFile(specifier, fileURLToPath(parentURL));
        else if (isPlace.test(specifier)) missingFile(fileURLToPath(new URL(specifier, parentURL)), undefined);
      } catch {
        // No file could have this name.
      }
    },
    missingFile,
  };
}

/** A missing package comes with a change of package.json. */
const isPlace = /^(?:\.{0,2}\/|file:)/;

module.exports = { reportLoads, reporter };
