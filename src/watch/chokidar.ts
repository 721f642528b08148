/**
 * The portable backend: chokidar's events on macOS and Windows, and polling everywhere. Loaded only
 * when it is used, because loading it takes about 20 ms.
 */

import type fs from 'node:fs';
import path from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { codeOf, messageOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import { isExhausted, statsOf, timestampSlackMs } from './disk.ts';
import type { Coverage, Watcher, WatchOptions } from './watcher.ts';

/**
 * Polling is not ready when chokidar emits `ready`: the states to compare with are still being read in the thread
 * pool, and a save before that would become part of them. That takes well below this time.
 */
const firstPollMs = 100;

/** Watches by events, or with `intervalMs` by comparing every file with its last state, once per interval. */
export class ChokidarWatcher implements Watcher {
  readonly armed: Promise<Coverage>;
  readonly #options: WatchOptions;
  readonly #polls: boolean;
  readonly #watcher: FSWatcher;
  /** ctime of the changes that polling has announced: it may find the same change again. */
  readonly #announced = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchOptions, intervalMs?: number) {
    this.#options = options;
    this.#polls = intervalMs !== undefined;
    this.#watcher = watch([...options.filter.roots], {
      ignored: (file, stats) => !this.#mayMatter(path.resolve(file), stats),
      ignoreInitial: true,
      // Both would delay events; the quiet window merges the events of one save.
      atomic: false,
      awaitWriteFinish: false,
      ignorePermissionErrors: true,
      followSymlinks: options.follow,
      usePolling: this.#polls,
      ...(intervalMs !== undefined && { interval: intervalMs, binaryInterval: intervalMs }),
    });
    this.#watcher.on('all', (event, file, stats) => {
      if (event !== 'add' && event !== 'change' && event !== 'unlink') return;
      const full = path.resolve(file);
      if (options.filter.accepts(full)) this.#announce(event, full, stats);
    });
    // When watches or descriptors run out, every file causes the same error.
    const reported = new Set<string | undefined>();
    this.armed = new Promise((resolve, reject) => {
      this.#watcher.on('error', (error) => {
        if (reported.has(codeOf(error))) return;
        reported.add(codeOf(error));
        if (this.#polls || !isExhausted(error)) return options.onWarning(`the watcher reports: ${messageOf(error)}`);
        void this.close();
        options.onExhausted?.(error, options.since);
        reject(error);
      });
      this.#watcher.on('ready', () => {
        this.#timer = setTimeout(() => resolve(this.#announceSince()), this.#polls ? firstPollMs : 0);
      });
    });
  }

  *files(): Generator<string> {
    const { filter } = this.#options;
    for (const [folder, names] of Object.entries(this.#watcher.getWatched())) {
      for (const name of names) {
        const full = path.resolve(folder, name);
        // A file whose removal has not been noticed yet is still known. Folders are listed as well.
        if (filter.accepts(full) && statsOf(full)?.isFile() !== false) yield full;
      }
    }
  }

  isResyncing(): boolean {
    return false;
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    return this.#watcher.close();
  }

  /** Is called first without stats (could it be a folder to enter?), then with them. */
  #mayMatter(file: string, stats: fs.Stats | undefined): boolean {
    const { filter } = this.#options;
    return filter.accepts(file) || (stats?.isFile() !== true && filter.mayContain(file));
  }

  #announce(kind: Change['kind'], file: string, stats: fs.Stats | undefined): void {
    if (this.#polls && kind === 'change' && stats !== undefined) {
      if (this.#announced.get(file) === stats.ctimeMs) return;
      this.#announced.set(file, stats.ctimeMs);
    }
    this.#options.onChange({ kind, path: file });
  }

  /** Announces all files touched since the program was started, and counts what is watched. */
  #announceSince(): Coverage {
    const { since } = this.#options;
    let count = 0;
    for (const file of this.files()) {
      count += 1;
      const stats = statsOf(file);
      if (stats !== undefined && stats.ctimeMs >= since - timestampSlackMs) this.#announce('change', file, stats);
    }
    const directories = Object.keys(this.#watcher.getWatched()).length;
    return { backend: this.#polls ? 'polling' : 'chokidar', directories, files: count };
  }
}
