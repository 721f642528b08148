/**
 * The API of devwatch.
 *
 * ```ts
 * import { watch } from 'devwatch';
 *
 * await using watcher = watch({ script: 'server.js' });
 * watcher.on('start', ({ run, cause }) => …);
 * ```
 */

import type { EventEmitter } from 'node:events';
import { loadGiven } from './config/load.ts';
import type { SettingsInput } from './config/settings-types.ts';
import { Runner } from './run/runner.ts';
import { UsageError } from './shared/errors.ts';
import type { EventOf, EventType, StopReason } from './shared/events.ts';
import { workingFolder } from './shared/working-folder.ts';

export type { Settings, SettingsInput } from './config/settings-types.ts';
export type {
  Cause,
  Change,
  DevwatchEvent,
  EventOf,
  EventType,
  Next,
  Outcome,
  PortHolder,
  ProgramError,
  SourceLocation,
  StopReason,
  StopStage,
  Survivor,
} from './shared/events.ts';
export { UsageError };

/** The events of a watcher: each has one argument, whose `type` is the name of the event. */
export type WatcherEvents = { [Type in EventType]: [event: EventOf<Type>] };

/** A program that is being watched and restarted. `end` is its last event. `await using` stops it. */
export interface Watcher extends EventEmitter<WatcherEvents>, AsyncDisposable {
  /** The program's root process; undefined while none runs. */
  readonly pid: number | undefined;
  /** Resolves once the program has been started and the watcher is armed. Rejects if nothing can be watched. */
  ready(): Promise<void>;
  /** Restarts the program. A second call while the old run is being stopped kills it. */
  restart(): void;
  /** From now on saves are collected. Crashes and `restart()` restart the program as before. */
  pause(): void;
  /** Ends the pause. The program is restarted once for all that was saved meanwhile, unless a run has started since. */
  resume(): void;
  /**
   * Stops watching, and terminates the program with all of its processes. A second call before that is done kills them.
   *
   * @returns why the watcher ended
   */
  stop(): Promise<StopReason>;
}

/**
 * Runs a program, watches its files, and restarts it at changes and crashes. Prints nothing, reads no settings file and
 * handles no signals; the caller is notified by events. The program inherits the caller's stdin, stdout and stderr.
 *
 * @param options as in `.watchrc`; durations in ms or as text (`"5s"`); `script` or `exec` is required;
 *   paths and patterns are relative to `cwd`, by default the working folder
 * @throws UsageError if an option is wrong or there is nothing to run
 */
export function watch(options: SettingsInput): Watcher {
  if (typeof options !== 'object' || options === null) throw new UsageError('watch() takes an object of options');
  const runner = new Runner({ loaded: loadGiven(options, workingFolder()), program: [], nodeArgs: [] });
  // The caller first adds its listeners.
  queueMicrotask(() => runner.start());
  return runner;
}

/** Returns its argument; gives an object of settings its type in editors. */
export function defineConfig(options: SettingsInput): SettingsInput {
  return options;
}
