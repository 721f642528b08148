/** Where in a program's start a process can wait to become it. */

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ParkOrders } from '../../preload/orders.ts';
import { preloadFile } from '../launch/channel.ts';
import type { Command } from '../launch/command.ts';

export interface ParkingPlan {
  /** The command's flags, with what waits in its place among them. */
  readonly nodeArgs: readonly string[];
  readonly where: ParkOrders['where'];
  /** Names for files on which the compiler of the program's language is tried out. */
  readonly samples: readonly string[];
}

/** Loaders of other languages: they may run before the program is wanted, and do nothing by themselves. */
const loaders =
  'tsx|ts-node|ts-node-dev|tsconfig-paths|esbuild-register|@swc-node/register|@swc/register|@babel/register|@oxc-node/core|@esbuild-kit/[a-z-]+|jiti|sucrase|source-map-support';

const isLoader = (name: string): boolean =>
  new RegExp(`^(?:${loaders})(?:/|$)`).test(name) ||
  new RegExp(`[/\\\\]node_modules[/\\\\](?:${loaders})[/\\\\]`).test(name.replaceAll('%20', ' '));

/**
 * Flags with which a process does something of its own at its start, such as opening a port or
 * beginning a profile, runs hooks of the project, or does not run a script at all.
 */
const unfit =
  /^--(?:inspect|cpu-prof|heap-prof|heapsnapshot|prof$|trace-event|perf-|report-|diagnostic-dir|redirect-warnings|test|watch|eval|print|check|interactive|build-snapshot|snapshot-blob|permission|experimental-permission|env-file|experimental-config-file|experimental-default-config-file|trace-|loader|experimental-loader)|^-[epic]$/;

/** Node takes `_` for `-` in its flags. */
const isUnfit = (flag: string): boolean => unfit.test(flag.replaceAll('_', '-'));

interface Preload {
  readonly kind: 'require' | 'import';
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * What is loaded before the program runs in this order: what `--require` names, then what `--import`
 * names. Loaders are waited behind; anything else is the program's own and is left to its run.
 *
 * @returns undefined where no process may be prepared
 */
export function planParking(command: Command, env: NodeJS.ProcessEnv): ParkingPlan | undefined {
  const { nodeArgs, script } = command;
  if (!command.isNode || script === undefined) return undefined;
  if (nodeArgs.some(isUnfit) || !isFitForNodeOptions(env.NODE_OPTIONS ?? '')) return undefined;

  const preloads = preloadsIn(nodeArgs);
  const requires = preloads.filter(({ kind }) => kind === 'require');
  const imports = preloads.filter(({ kind }) => kind === 'import');
  const ordered = [...requires, ...imports];
  const firstForeign = ordered.findIndex(({ name }) => !isLoader(name));
  const before = firstForeign < 0 ? ordered : ordered.slice(0, firstForeign);
  const last = before.at(-1);
  const isTypeScript = /\.[cm]?tsx?$/.test(script);
  if (last === undefined) {
    // Node's own compiler warns of itself when it first compiles a file that is surely TypeScript.
    const ownSamples = isTypeScript ? ['sample.ts'] : [];
    // A module's own loader is there already when what waits is a module, too; it never is with CommonJS.
    return ordered.length === 0 && isModule(script)
      ? { nodeArgs: [...nodeArgs, '--import', parkModule], where: 'later', samples: ownSamples }
      : { nodeArgs, where: 'here', samples: ownSamples };
  }
  const flags = last.kind === 'import' ? ['--import', parkModule] : ['--require', parkScript];
  return {
    nodeArgs: [...nodeArgs.slice(0, last.end), ...flags, ...nodeArgs.slice(last.end)],
    where: 'later',
    // Modules are compiled in another thread than scripts, or by another part of the loader.
    samples: !isTypeScript ? [] : last.kind === 'import' ? ['sample.cts', 'sample.mts'] : ['sample.cts'],
  };
}

const parkScript = path.join(path.dirname(preloadFile), 'park.cjs');
const parkModule = pathToFileURL(path.join(path.dirname(preloadFile), 'park.mjs')).href;

/** Node's own variable may hold the same flags; what it preloads comes first. */
function isFitForNodeOptions(options: string): boolean {
  // Node takes a word in quotes apart by rules of its own.
  if (options.includes('"')) return false;
  const words = options.split(/\s+/).filter((word) => word !== '');
  return !words.some(isUnfit) && preloadsIn(words).every(({ name }) => isLoader(name));
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

/** Does Node take this script for an ES module, by its name or by the package around it? */
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
