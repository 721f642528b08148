/**
 * Reports which of its own files the program loads (`--deps`), or would load if they existed, and which packages
 * (`--prewarm`). Node's own WATCH_REPORT_DEPENDENCIES needs an IPC channel, which the program would see.
 */

import type { LaunchOrders, PreloadMessage } from './protocol.ts' with { 'resolution-mode': 'import' };

const { writeSync } = require('node:fs') as typeof import('node:fs');
const nodeModule = require('node:module') as typeof import('node:module') & ModuleInternals;
const path = require('node:path') as typeof import('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url') as typeof import('node:url');

/** Missing in the types of Node 20: `registerHooks` came with 22.15; `_resolveFilename` is internal, and often patched. */
interface ModuleInternals {
  registerHooks?: (hooks: { resolve(specifier: string, context: Context, next: Next): { url: string } }) => void;
  _resolveFilename: (request: string, parent: { filename?: string | null } | undefined, ...rest: unknown[]) => string;
}

interface Context {
  readonly parentURL?: string | undefined;
  readonly conditions?: readonly string[] | undefined;
}

type Next = (specifier: string, context: Context) => { url: string };

/** Names under which a missing file may appear, as suffixes of the requested one. */
const suffixes = ['', '.js', '.json', '.node', '.ts', '/index.js'];

/** Starts to report. Node has synchronous hooks for that since 22.15. */
function reportLoads(orders: LaunchOrders): void {
  const report = createReporter(orders);
  if (nodeModule.registerHooks !== undefined) {
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        let resolved: { url: string } | undefined;
        try {
          resolved = next(specifier, context);
          return resolved;
        } finally {
          // Rethrowing would make Node print this line as the source of the error.
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
      // Without a parent an ES module loads the file, which the hooks of loads-hooks.mjs report.
      else if (name !== undefined) report.file(file, name, 'require');
    }
  };
  // These hooks run in a thread of their own, in which the descriptor is open as well.
  nodeModule.register(pathToFileURL(path.join(__dirname, 'loads-hooks.mjs')), {
    data: { orders, reporter: __filename },
  });
}

/** Reports each file once, for both kinds of hooks. */
function createReporter({ channel, reportLoads, reportPackages }: LaunchOrders) {
  const reported = new Set<string>();
  const isInstalled = (name: string): boolean => name.includes(`${path.sep}node_modules${path.sep}`);

  function send(key: string, message: PreloadMessage): void {
    if (reported.has(key)) return;
    reported.add(key);
    try {
      writeSync(channel, `${JSON.stringify(message)}\n`);
    } catch {
      // devwatch is gone.
    }
  }

  /** Packages load further packages; only those that the program itself loads are reported. */
  function file(name: string, parent: string | undefined, kind: 'require' | 'import'): void {
    if (!path.isAbsolute(name) || name.startsWith(__dirname)) return;
    if (!isInstalled(name)) {
      if (reportLoads) send(name, { type: 'loads', file: name });
    } else if (reportPackages && parent !== undefined && !isInstalled(parent)) {
      send(`${kind} ${name}`, { type: 'package', file: name, kind });
    }
  }

  function missingFile(name: string, parent: string | undefined): void {
    if (!isPath.test(name)) return;
    const wanted = path.resolve(parent === undefined ? process.cwd() : path.dirname(parent), name);
    for (const suffix of suffixes) file(wanted + suffix, undefined, 'import');
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
        else if (isPath.test(specifier)) missingFile(fileURLToPath(new URL(specifier, parentURL)), undefined);
      } catch {
        // No file can have this name.
      }
    },
    missingFile,
  };
}

/** Only paths are reported as missing: a package is installed with a change of package.json. */
const isPath = /^(?:\.{0,2}\/|file:)/;

module.exports = { reportLoads, createReporter };
