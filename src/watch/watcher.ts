/** What every watcher backend is, and which one is used. */

import type { StatSyncFn, Stats } from 'node:fs';
import { codeOf } from '../errors.ts';
import type { Change } from '../events.ts';
import type { Filter } from './filter.ts';

export type Backend = 'inotify' | 'chokidar' | 'polling';

export interface WatchOptions {
  readonly filter: Filter;
  /** Epoch ms from which on a save counts, although the watcher was not armed yet: when the program was started. */
  readonly since: number;
  /** Between two looks of the polling backend, in ms. */
  readonly pollInterval: number;
  /** Called for every relevant change, at once; merging them is the quiet window's work. */
  readonly onChange: (change: Change) => void;
  /** Something the user should know; watching goes on. */
  readonly onWarning: (message: string) => void;
}

/** What is watched at the moment at which the watcher is armed. */
export interface Coverage {
  readonly backend: Backend;
  readonly directories: number;
  readonly files: number;
}

export interface Watcher {
  /** Resolves once no save can be missed any more, `since` included. Rejects when watching is impossible. */
  readonly armed: Promise<Coverage>;
  close(): Promise<void>;
}

/**
 * The kernel stamps files with the time of its last tick (up to 10 ms ago at 100 Hz), so a save
 * right after `since` may look this much older than it is.
 */
export const timestampSlack = 10;

/** What stands at this path; undefined when nothing does, or it cannot be reached. */
export function statsOf(file: string, stat: StatSyncFn): Stats | undefined {
  try {
    return stat(file, { throwIfNoEntry: false });
  } catch (error) {
    // A parent that is no folder any more, or may not be entered: as good as missing.
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** inotify limits reached: ENOSPC for watches (fs.inotify.max_user_watches), EMFILE for instances. */
export const isExhausted = (error: unknown): boolean => codeOf(error) === 'ENOSPC' || codeOf(error) === 'EMFILE';

export interface BackendChoice {
  readonly watcher: 'auto' | 'inotify' | 'chokidar';
  readonly poll: boolean;
}

/**
 * Opens the backend that fits: by directory through inotify on Linux, chokidar elsewhere or when
 * asked for. Each is loaded only when it is used. When the kernel's watches run out, polling takes
 * over; what was saved between the two is not lost.
 */
export async function openWatcher(options: WatchOptions, choice: BackendChoice): Promise<Watcher> {
  const native = choice.watcher === 'auto' ? process.platform === 'linux' : choice.watcher === 'inotify';
  if (choice.poll || !native) {
    const { openChokidar } = await import('./chokidar.ts');
    return openChokidar(options, choice.poll);
  }
  const { openInotify } = await import('./inotify.ts');
  return withPollingFallback(options, openInotify);
}

/** `since`: epoch ms from which on changes may not have been reported. */
export type OnExhausted = (error: unknown, since: number) => void;

type OpenNative = (options: WatchOptions, onExhausted: OnExhausted) => Watcher;

/** Exported for the tests, which inject a backend that runs out of watches. */
export function withPollingFallback(options: WatchOptions, openNative: OpenNative): Watcher {
  let polling: Promise<Watcher> | undefined;

  async function openPolling(since: number): Promise<Watcher> {
    const { openChokidar } = await import('./chokidar.ts');
    return openChokidar({ ...options, since }, true);
  }

  const native = openNative(options, (error, since) => {
    options.onWarning(exhaustedMessage(error));
    polling = openPolling(since);
  });
  return {
    armed: native.armed.catch(async (error: unknown) => {
      if (polling === undefined) throw error;
      return (await polling).armed;
    }),
    async close() {
      await native.close();
      await (await polling)?.close();
    },
  };
}

function exhaustedMessage(error: unknown): string {
  const limit =
    codeOf(error) === 'EMFILE' ? 'fs.inotify.max_user_instances=1024' : 'fs.inotify.max_user_watches=524288';
  return `the system's limit of file watches is reached: polling instead · to raise it: sudo sysctl ${limit}`;
}
