/**
 * Tells devwatch which files the program loads (`--deps`), and which it would load if they were
 * there. Node's own WATCH_REPORT_DEPENDENCIES needs an IPC channel, which the program would see.
 */

const { writeSync } = require('node:fs') as typeof import('node:fs');
const nodeModule = require('node:module') as typeof import('node:module') & ModuleInternals;
const path = require('node:path') as typeof import('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url') as typeof import('node:url');

/** What Node 20's types do not have: `registerHooks` came with 22.15, `_resolveFilename` is what everybody patches. */
interface ModuleInternals {
  registerHooks?: (hooks: { resolve(specifier: string, context: Context, next: Next): { url: string } }) => void;
  _resolveFilename: (request: string, parent: { filename?: string | null } | undefined, ...rest: unknown[]) => string;
}

interface Context {
  readonly parentURL?: string | undefined;
}

type Next = (specifier: string, context: Context) => { url: string };

/** What a missing file might be called, beside its own name. */
const endings = ['', '.js', '.json', '.node', '.ts', '/index.js'];

/** Reports from here on, to the descriptor `channel`. Node has hooks for that from 22.15 on. */
function reportLoads(channel: number): void {
  const report = reporter(channel);
  if (nodeModule.registerHooks !== undefined) {
    nodeModule.registerHooks({
      resolve(specifier, context, next) {
        try {
          const resolved = next(specifier, context);
          report.url(resolved.url);
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
      report.file(file);
      return file;
    } catch (error) {
      report.missing(request, parent?.filename ? pathToFileURL(parent.filename).href : undefined, error);
      throw error;
    }
  };
  // These hooks run in a thread of their own, which the descriptor is shared with.
  nodeModule.register(pathToFileURL(path.join(__dirname, 'loads-hooks.mjs')), {
    data: { channel, reporter: __filename },
  });
}

/** What both kinds of hooks say. */
function reporter(channel: number) {
  const reported = new Set<string>();

  function file(name: string): void {
    if (!path.isAbsolute(name) || reported.has(name)) return;
    if (name.includes(`${path.sep}node_modules${path.sep}`) || name.startsWith(__dirname)) return;
    reported.add(name);
    try {
      writeSync(channel, `${JSON.stringify({ type: 'loads', file: name })}\n`);
    } catch {
      // devwatch is gone.
    }
  }

  return {
    file,
    url(url: string): void {
      if (url.startsWith('file:')) file(fileURLToPath(url.replace(/[?#].*$/, '')));
    },
    missing(specifier: string, parentUrl: string | undefined, error: unknown): void {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND') return;
      // A missing package comes with a change of package.json.
      if (!/^(\.{0,2}\/|file:)/.test(specifier)) return;
      const wanted = fileURLToPath(new URL(specifier, parentUrl ?? pathToFileURL(`${process.cwd()}/`)));
      for (const ending of endings) file(wanted + ending);
    },
  };
}

module.exports = { reportLoads, reporter };
