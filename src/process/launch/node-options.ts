/**
 * Modules that NODE_OPTIONS preloads. Node loads them before those of the command line, and so before devwatch's own
 * preload: held ports, standbys and the cgroup would come too late. They are moved to the command line, behind it; the
 * preload restores the variable, and removes them from `process.execArgv` (preload/preload.cts).
 */

import type { ChildOptions } from './child.ts';
import { preloadsIn, splitOptions } from './loaders.ts';

/** Returns options with which Node loads the same modules in the same order, behind the preload. */
export function withPreloadsMoved<Options extends ChildOptions>(options: Options): Options {
  const { command, env } = options;
  const { NODE_OPTIONS: nodeOptions = '' } = env;
  if (!command.isNode || nodeOptions === '') return options;
  const parts = splitOptions(nodeOptions);
  const words = parts.map(({ word }) => word);
  // Loaders of ES modules run in another thread.
  const moved = preloadsIn(words).filter(({ kind }) => kind !== 'loader');
  if (moved.length === 0) return options;
  const isMoved = (index: number): boolean => moved.some(({ start, end }) => start <= index && index < end);
  const rest = parts.filter((_, index) => !isMoved(index)).map(({ text }) => text);
  const { NODE_OPTIONS: _, ...others } = env;
  return {
    ...options,
    command: { ...command, nodeArgs: [...words.filter((_, index) => isMoved(index)), ...command.nodeArgs] },
    env: rest.length === 0 ? others : { ...others, NODE_OPTIONS: rest.join(' ') },
    nodeOptions,
  };
}
