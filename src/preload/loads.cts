/**
 * Reports which of its own files the program loads (`--deps`), or would load if they existed. Node's own
 * WATCH_REPORT_DEPENDENCIES needs an IPC channel, which the program would see.
 */

import type { followChildren as FollowChildren } from './load-children.cts';
import type { LaunchOrders, PreloadMessage } from './protocol.ts' with { 'resolution-mode': 'import' };

const { writeSync } = require('node:fs') as typeof import('node:fs');
const nodeModule = require('node:module') as typeof import('node:module') & ModuleInternals;
const path = require('node:path') as typeof import('node:path');
const { followChildren } = require('./load-children.cjs') as { followChildren: typeof FollowChildren };
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

/** Only paths are reported as missing: a package is installed with a change of package.json. */
const isPath = /^(?:\.{0,2}[/\\]|file:|[A-Za-z]:[/\\])/;
/** Names under which a missing file may appear, as suffixes of the requested one. */
const suffixes = ['', '.js', '.json', '.node', '.ts', '/index.js'];

const isInstalled = (name: string): boolean => name.includes(`${path.sep}node_modules${path.sep}`);
const isRequired = ({ conditions }: Context): boolean => conditions?.includes('require') === true;

/**
 * Starts to report, for this thread, and for the worker threads and child processes that it starts. Node has synchronous
 * hooks for that since 22.15.
 *
 * @param preload the file that worker threads load
 */
function reportLoads(orders: Pick<LaunchOrders, 'channel'>, preload: string): void {
  const reporter = new LoadReporter(orders);
  const [, script = ''] = process.argv;
  // The main module of a process may be loaded without hooks.
  if (path.isAbsolute(script)) reporter.file(script);
  followChildren(orders.channel, preload, (file) => {
    if (file.startsWith('file:')) reporter.url(file);
    else reporter.file(path.resolve(file));
  });
  if (nodeModule.registerHooks !== undefined) {
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        let resolved: { url: string } | undefined;
        try {
          resolved = next(specifier, context);
          return resolved;
        } finally {
          // Rethrowing would make Node print this line as the source of the error.
          if (resolved === undefined) reporter.missing(specifier, context);
          else reporter.url(resolved.url);
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
      if (file === undefined) reporter.missingFile(request, name);
      // Without a parent an ES module loads the file, which the hooks of loads-hooks.mjs report.
      else if (name !== undefined) reporter.file(file);
    }
  };
  // These hooks run in a thread of their own, in which the descriptor is open as well.
  const hooks = pathToFileURL(path.join(__dirname, 'loads-hooks.mjs'));
  nodeModule.register(hooks, { data: { orders, file: __filename } });
}

/** Reports each file once, for both kinds of hooks. */
class LoadReporter {
  readonly #orders: Pick<LaunchOrders, 'channel'>;
  readonly #reported = new Set<string>();

  constructor(orders: Pick<LaunchOrders, 'channel'>) {
    this.#orders = orders;
  }

  url(url: string): void {
    if (url.startsWith('file:')) this.file(fileURLToPath(url.replace(/[?#].*$/, '')));
  }

  file(name: string): void {
    if (!path.isAbsolute(name) || name.startsWith(__dirname) || isInstalled(name)) return;
    if (this.#reported.has(name)) return;
    this.#reported.add(name);
    const message: PreloadMessage = { type: 'loads', file: name };
    try {
      writeSync(this.#orders.channel, `${JSON.stringify(message)}\n`);
    } catch {
      // devwatch is gone.
    }
  }

  missing(specifier: string, context: Context): void {
    const { parentURL = pathToFileURL(`${process.cwd()}/`).href } = context;
    try {
      if (isRequired(context)) this.missingFile(specifier, fileURLToPath(parentURL));
      else if (isPath.test(specifier)) this.missingFile(fileURLToPath(new URL(specifier, parentURL)), undefined);
    } catch {
      // No file can have this name.
    }
  }

  missingFile(name: string, parent: string | undefined): void {
    if (!isPath.test(name)) return;
    const wanted = path.resolve(parent === undefined ? process.cwd() : path.dirname(parent), name);
    for (const suffix of suffixes) this.file(wanted + suffix);
  }
}

export type { Context, LoadReporter, reportLoads };

module.exports = { LoadReporter, reportLoads };
