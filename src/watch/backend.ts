/** What every watcher backend is. */

import { codeOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import type { Filter } from './filter.ts';

export type Backend = 'inotify' | 'chokidar' | 'polling';

export interface WatchOptions {
  readonly filter: Filter;
  /** Epoch ms from which on a save counts, although the watcher was not armed yet: when the program was started. */
  readonly since: number;
  /** Are links to folders and files outside followed? */
  readonly follow: boolean;
  /** Between two looks of the polling backend, in ms; undefined: what fits the number of files. */
  readonly pollInterval: number | undefined;
  /** Called for every relevant change, at once; merging them is the quiet window's work. */
  readonly onChange: (change: Change) => void;
  /** Called for changes that do not count, where the backend hears of them. */
  readonly onIgnored?: ((file: string) => void) | undefined;
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
  /** The relevant files that are there now, absolute. */
  files(): Iterable<string>;
  close(): Promise<void>;
}

/** `since`: epoch ms from which on changes may not have been reported. */
export type OnExhausted = (error: unknown, since: number) => void;

/** inotify limits reached: ENOSPC for watches (fs.inotify.max_user_watches), EMFILE for instances. */
export const isExhausted = (error: unknown): boolean => codeOf(error) === 'ENOSPC' || codeOf(error) === 'EMFILE';
