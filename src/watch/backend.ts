import { codeOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import type { Filter } from './filter.ts';

export type Backend = 'inotify' | 'chokidar' | 'polling';

export interface WatchOptions {
  readonly filter: Filter;
  /** Epoch ms from which on a save counts, even before the watcher is armed: the time at which the program was started. */
  readonly since: number;
  /** Are links to folders and files outside followed? */
  readonly follow: boolean;
  /** Interval of the polling backend, in ms; undefined chooses one by the number of files. */
  readonly pollInterval: number | undefined;
  /** Called for every relevant change, at once; the quiet window merges them. */
  readonly onChange: (change: Change) => void;
  /** Called for changes that do not count, where the backend receives them. */
  readonly onIgnored?: ((file: string) => void) | undefined;
  /** Called with a message for the user; watching goes on. */
  readonly onWarning: (message: string) => void;
}

/** The watched folders and files at the moment at which the watcher is armed. */
export interface Coverage {
  readonly backend: Backend;
  readonly directories: number;
  readonly files: number;
}

/** The interface of all backends. */
export interface Watcher {
  /** Resolves once no save can be missed any more, from `since` on. Rejects when watching is impossible. */
  readonly armed: Promise<Coverage>;
  /** The relevant files that exist now, absolute. */
  files(): Iterable<string>;
  /** Is everything being compared with the disk again, so that earlier changes may still be reported? */
  isResyncing(): boolean;
  close(): Promise<void>;
}

/** @param since epoch ms from which on changes may not have been reported */
export type OnExhausted = (error: unknown, since: number) => void;

/** Has inotify reached a limit? ENOSPC: watches (fs.inotify.max_user_watches); EMFILE: instances. */
export const isExhausted = (error: unknown): boolean => codeOf(error) === 'ENOSPC' || codeOf(error) === 'EMFILE';
