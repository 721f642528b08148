/** Plans where in the start of a program a standby waits for its release. */

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ParkOrders } from '../../preload/protocol.ts';
import { attempt } from '../../shared/errors.ts';
import { preloadFile } from '../launch/channel.ts';
import { type Command, foldersAbove } from '../launch/command.ts';

export interface ParkingPlan {
  /** The command's flags, with the module that waits among them. */
  readonly nodeArgs: readonly string[];
  readonly where: ParkOrders['where'];
  /** Names of samples for the compiler of TypeScript to compile ahead of time. */
  readonly samples: readonly string[];
}

/** Loaders of other languages. They may run before a release, because they do nothing by themselves. */
const loaders =
  'tsx|ts-node|ts-node-dev|tsconfig-paths|esbuild-register|@swc-node/register|@swc/register|@babel/register|@oxc-node/core|@esbuild-kit/[a-z-]+|jiti|sucrase|source-map-support';

const loaderPattern = new RegExp(`^(?:${loaders})(?:/|$)|[/\\\\]node_modules[/\\\\](?:${loaders})[/\\\\]`);

const isLoader = (name: string): boolean => loaderPattern.test(name.replaceAll('%20', ' '));

/**
 * Flags with which a process does something of its own at its start, such as opening a port or beginning a
 * profile, runs hooks of the project, or does not run a script at all.
 */
const incompatibleFlags =
  /^--(?:inspect|cpu-prof|heap-prof|heapsnapshot|prof$|trace-event|perf-|report-|diagnostic-dir|redirect-warnings|test|watch|eval|print|check|interactive|build-snapshot|snapshot-blob|permission|experimental-permission|env-file|experimental-config-file|experimental-default-config-file|trace-|loader|experimental-loader)|^-[epic]$/;

/** Node accepts `_` for `-` in its flags. */
const isIncompatible = (flag: string): boolean => incompatibleFlags.test(flag.replaceAll('_', '-'));

interface Preload {
  readonly kind: 'require' | 'import';
  readonly name: string;
  /** Index of the word after its last one. */
  readonly end: number;
}

/**
 * Plans the wait for a command; returns undefined if it cannot have standbys. Node loads the modules of `--require`
 * first, then those of `--import`, and then the script. A standby waits after the loaders that come first; any other
 * module belongs to the program, and is loaded after the release.
 */
export function planParking(command: Command, env: NodeJS.ProcessEnv): ParkingPlan | undefined {
  const { nodeArgs, script } = command;
  if (!command.isNode || script === undefined) return undefined;
  if (nodeArgs.some(isIncompatible) || !isCompatible(env.NODE_OPTIONS ?? '')) return undefined;

  const preloads = preloadsIn(nodeArgs);
  const ordered = ['require', 'import'].flatMap((kind) => preloads.filter((preload) => preload.kind === kind));
  const firstForeign = ordered.findIndex(({ name }) => !isLoader(name));
  const last = ordered.slice(0, firstForeign < 0 ? undefined : firstForeign).at(-1);
  const isTypeScript = /\.[cm]?tsx?$/.test(script);
  if (last === undefined) {
    // With a .cts or .mts sample, Node's own compiler would print its warning that it is experimental.
    const ownSamples = isTypeScript ? ['sample.ts'] : [];
    // Waiting in a module initialises the loader of ES modules, which a CommonJS script does not need.
    return ordered.length === 0 && isModule(script)
      ? { nodeArgs: [...nodeArgs, '--import', parkModule], where: 'later', samples: ownSamples }
      : { nodeArgs, where: 'here', samples: ownSamples };
  }
  const flags = last.kind === 'import' ? ['--import', parkModule] : ['--require', parkScript];
  return {
    nodeArgs: [...nodeArgs.slice(0, last.end), ...flags, ...nodeArgs.slice(last.end)],
    where: 'later',
    // Loaders compile ES modules in another thread than scripts, or in another part.
    samples: !isTypeScript ? [] : last.kind === 'import' ? ['sample.cts', 'sample.mts'] : ['sample.cts'],
  };
}

const parkScript = path.join(path.dirname(preloadFile), 'park.cjs');
const parkModule = pathToFileURL(path.join(path.dirname(preloadFile), 'park.mjs')).href;

/** Whether the flags in NODE_OPTIONS allow standbys. The modules that they preload are loaded first. */
function isCompatible(options: string): boolean {
  // Node has rules of its own for quotes.
  if (options.includes('"')) return false;
  const words = options.split(/\s+/).filter((word) => word !== '');
  return !words.some(isIncompatible) && preloadsIn(words).every(({ name }) => isLoader(name));
}

function preloadsIn(words: readonly string[]): Preload[] {
  return words.flatMap((word, start): Preload[] => {
    const [, flag = '', attached] = /^(--require|-r|--import)(?:=(.*))?$/s.exec(word) ?? [];
    if (flag === '') return [];
    const kind = flag === '--import' ? 'import' : 'require';
    const name = attached ?? words[start + 1];
    return name === undefined ? [] : [{ kind, name, end: start + (attached === undefined ? 2 : 1) }];
  });
}

/** Whether Node runs the script as an ES module, by its extension or by the `type` of its package. */
function isModule(script: string): boolean {
  const extension = path.extname(script);
  if (!/^\.[jt]s$/.test(extension)) return /^\.m[jt]s$/.test(extension);
  const manifests = foldersAbove(path.dirname(script)).map((folder) => path.join(folder, 'package.json'));
  const manifest = manifests.find((file) => fs.existsSync(file));
  const read = (file: string): unknown => (JSON.parse(fs.readFileSync(file, 'utf8')) as { type?: unknown }).type;
  return manifest !== undefined && attempt(() => read(manifest)) === 'module';
}
