/**
 * devwatch as a library.
 *
 * ```ts
 * import { watch } from 'devwatch';
 *
 * await using watcher = watch({ script: 'server.js' });
 * watcher.on('start', ({ run, cause }) => …);
 * ```
 */

import process from 'node:process';
import { loadGiven } from './config/load.ts';
import type { SettingsInput } from './config/settings-types.ts';
import { Runner } from './run/runner.ts';
import { UsageError } from './shared/errors.ts';

export type { Settings, SettingsInput } from './config/settings-types.ts';
export type { Runner } from './run/runner.ts';
export type {
  Cause,
  Change,
  DevwatchEvent,
  EventOf,
  EventType,
  Next,
  Outcome,
  PortHolder,
  StopReason,
  StopStage,
  Survivor,
} from './shared/events.ts';
export { UsageError };

/**
 * Runs a program, watches its files, and keeps it fresh and alive. Nothing is printed, no settings
 * file is read and no signal is handled: that is the caller's, who hears of everything by events.
 * The program shares the caller's stdin, stdout and stderr.
 *
 * @param options as in `.watchrc`; durations in ms or as text (`"5s"`); `script` or `exec` is required;
 *   paths and patterns are relative to `cwd`, by default the process's own
 * @returns the running watcher, an event emitter that `await using` stops
 * @throws UsageError when an option is wrong or there is nothing to run
 */
export function watch(options: SettingsInput): Runner {
  if (typeof options !== 'object' || options === null) throw new UsageError('watch() takes an object of options');
  const runner = new Runner({ loaded: loadGiven(options, process.cwd()), program: [], nodeArgs: [] });
  // Not before the caller has had the chance to listen.
  queueMicrotask(() => runner.start());
  return runner;
}

/** Returns its argument: gives a settings object its types in an editor. */
export function defineConfig(options: SettingsInput): SettingsInput {
  return options;
}
