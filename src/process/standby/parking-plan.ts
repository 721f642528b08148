/** Plans where in the start of a program a standby waits for its release. */

import { pathToFileURL } from 'node:url';
import type { ParkOrders } from '../../preload/protocol.ts';
import type { Command } from '../launch/command.ts';
import { realHost } from '../launch/host.ts';
import { isLoader, isPlugAndPlay, preloadsIn, splitOptions } from '../launch/loaders.ts';
import { isModule } from '../launch/packages.ts';
import { preloadFile } from '../launch/preload-files.ts';

export interface ParkingPlan {
  /** The command's flags, with the module that waits among them. */
  readonly nodeArgs: readonly string[];
  readonly where: ParkOrders['where'];
  /** Names of samples for the compiler of TypeScript to compile ahead of time. */
  readonly samples: readonly string[];
}

/**
 * Flags with which a process does something of its own at its start, such as opening a port or beginning a
 * profile, runs hooks of the project, or does not run a script at all.
 */
const incompatibleFlags =
  /^--(?:inspect(?!-(?:publish-uid|port))|cpu-prof|heap-prof|heapsnapshot|prof$|trace-event|perf-|report-|diagnostic-dir|redirect-warnings|test|watch|eval|print|check|interactive|build-snapshot|snapshot-blob|permission|experimental-permission|env-file|experimental-config-file|experimental-default-config-file|trace-|loader|experimental-loader)|^-[epic]$/;

/** Node accepts `_` for `-` in its flags. */
const isIncompatible = (flag: string): boolean => incompatibleFlags.test(flag.replaceAll('_', '-'));

/**
 * Plans the wait for a command; returns undefined if it cannot have standbys. Node loads the modules of `--require`
 * first, then those of `--import`, and then the script. A standby waits after the loaders that come first; any other
 * module belongs to the program, and is loaded after the release.
 */
export function planParking(command: Command, env: NodeJS.ProcessEnv): ParkingPlan | undefined {
  const { nodeArgs, script } = command;
  if (!command.isNode || script === undefined) return undefined;
  if (flagBeforeScript(nodeArgs) !== undefined || flagOfEnvironment(env) !== undefined) return undefined;

  const preloads = preloadsIn(nodeArgs);
  const ordered = ['require', 'import'].flatMap((kind) => preloads.filter((preload) => preload.kind === kind));
  const firstForeign = ordered.findIndex(({ name }) => !isLoader(name));
  const last = ordered.slice(0, firstForeign < 0 ? undefined : firstForeign).at(-1);
  const isTypeScript = /\.[cm]?tsx?$/.test(script);
  if (last === undefined) {
    // With a .cts or .mts sample, Node's own compiler would print its warning that it is experimental.
    const ownSamples = isTypeScript ? ['sample.ts'] : [];
    // Waiting in a module initialises the loader of ES modules, which a CommonJS script does not need.
    return ordered.length === 0 && isModule(script, realHost)
      ? { nodeArgs: [...nodeArgs, '--import', parkModule()], where: 'later', samples: ownSamples }
      : { nodeArgs, where: 'here', samples: ownSamples };
  }
  const flags = last.kind === 'import' ? ['--import', parkModule()] : ['--require', parkScript()];
  return {
    nodeArgs: [...nodeArgs.slice(0, last.end), ...flags, ...nodeArgs.slice(last.end)],
    where: 'later',
    // Loaders compile ES modules in another thread than scripts, or in another part.
    samples: !isTypeScript ? [] : last.kind === 'import' ? ['sample.cts', 'sample.mts'] : ['sample.cts'],
  };
}

const parkScript = (): string => preloadFile('park.cjs');
const parkModule = (): string => pathToFileURL(preloadFile('park.mjs')).href;

/** Returns the flag of a command, without its value, that has an effect before the script, and so allows no standby. */
export const flagBeforeScript = (nodeArgs: readonly string[]): string | undefined =>
  nodeArgs.find(isIncompatible)?.replace(/=.*/s, '');

/**
 * Returns the flag in NODE_OPTIONS that allows no standby. Its preloads are moved to the command line, except for loaders
 * of ES modules (launch/node-options.ts).
 */
export function flagOfEnvironment({ NODE_OPTIONS = '' }: NodeJS.ProcessEnv): string | undefined {
  const words = splitOptions(NODE_OPTIONS).map(({ word }) => word);
  // Yarn's loader finds packages, and does nothing else.
  const harmless = preloadsIn(words).filter(({ kind, name }) => kind === 'loader' && isPlugAndPlay(name));
  return words.find((word, index) => isIncompatible(word) && !harmless.some(({ start }) => start === index));
}
