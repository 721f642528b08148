/** Plans where in the start of a program a standby waits for its release. */

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ParkOrders } from '../../preload/protocol.ts';
import { preloadFile } from '../launch/channel.ts';
import type { Command } from '../launch/command.ts';

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

const isLoader = (name: string): boolean =>
  new RegExp(`^(?:${loaders})(?:/|$)`).test(name) ||
  new RegExp(`[/\\\\]node_modules[/\\\\](?:${loaders})[/\\\\]`).test(name.replaceAll('%20', ' '));

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
  /** Indices of its first word, and of the word after its last one. */
  readonly start: number;
  readonly end: number;
}

/**
 * Plans the wait for a command. Node loads the modules of `--require` first, then those of `--import`, and
 * then the script. A standby waits after the loaders that come first; any other module belongs to the program,
 * and is loaded after the release.
 *
 * @returns undefined if the command cannot have standbys
 */
export function planParking(command: Command, env: NodeJS.ProcessEnv): ParkingPlan | undefined {
  const { nodeArgs, script } = command;
  if (!command.isNode || script === undefined) return undefined;
  if (nodeArgs.some(isIncompatible) || !isCompatible(env.NODE_OPTIONS ?? '')) return undefined;

  const preloads = preloadsIn(nodeArgs);
  const requires = preloads.filter(({ kind }) => kind === 'require');
  const imports = preloads.filter(({ kind }) => kind === 'import');
  const ordered = [...requires, ...imports];
  const firstForeign = ordered.findIndex(({ name }) => !isLoader(name));
  const before = firstForeign < 0 ? ordered : ordered.slice(0, firstForeign);
  const last = before.at(-1);
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
    return name === undefined ? [] : [{ kind, name, start, end: start + (attached === undefined ? 2 : 1) }];
  });
}

/** Whether Node runs the script as an ES module, by its extension or by the `type` of its package. */
function isModule(script: string): boolean {
  const extension = path.extname(script);
  if (extension === '.mjs' || extension === '.mts') return true;
  if (extension !== '.js' && extension !== '.ts') return false;
  for (let folder = path.dirname(script); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json');
    try {
      return (JSON.parse(fs.readFileSync(manifest, 'utf8')) as { type?: unknown }).type === 'module';
    } catch {
      if (fs.existsSync(manifest) || folder === path.dirname(folder)) return false;
    }
  }
}
