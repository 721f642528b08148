/**
 * Tells devwatch which files of its own the program loads (`--deps`), or would load if they were
 * there, and which packages (`--prewarm`). Node's own WATCH_REPORT_DEPENDENCIES needs an IPC channel, which the program would see.
 */

const { writeSync } = require('node:fs') as typeof import('node:fs');
const nodeModule = require('node:module') as typeof import('node:module') & ModuleInternals;
const path = require('node:path') as typeof import('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url') as typeof import('node:url');

type Orders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).Orders;

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
function reportLoads(orders: Orders): void {
  const report = reporter(orders);
  if (nodeModule.registerHooks !== undefined) {
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        try {
          const resolved = next(specifier, context);
          report.url(resolved.url, context);
          return resolved;
        } catch (error) {
          report.missing(specifier, context.parentURL, error);
          throw error;
        }
      },
    });
    return;
  }
  const resolve = nodeModule._resolveFilename;
  nodeModule._resolveFilename = function (request, parent, ...rest) {
    try {
      const file = resolve.call(this, request, parent, ...rest);
      // Without a parent it is an ES module that loads it, which its own hooks report.
      if (parent?.filename) report.file(file, parent.filename, 'require');
      return file;
    } catch (error) {
      report.missing(request, parent?.filename ? pathToFileURL(parent.filename).href : undefined, error);
      throw error;
    }
  };
  // These hooks run in a thread of their own, which the descriptor is shared with.
  nodeModule.register(pathToFileURL(path.join(__dirname, 'loads-hooks.mjs')), {
    data: { orders, reporter: __filename },
  });
}

/** What both kinds of hooks say. */
function reporter({ channel, reportLoads, reportPackages }: Orders) {
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
    missing(specifier: string, parentUrl: string | undefined, error: unknown): void {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND') return;
      // A missing package comes with a change of package.json.
      if (!/^(\.{0,2}\/|file:)/.test(specifier)) return;
      const wanted = fileURLToPath(new URL(specifier, parentUrl ?? pathToFileURL(`${process.cwd()}/`)));
      for (const ending of endings) file(wanted + ending, undefined, 'import');
    },
  };
}

module.exports = { reportLoads, reporter };
