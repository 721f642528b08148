/**
 * Polls: chokidar compares each file with its last state, once per interval. Loaded only when it is used, because
 * loading chokidar takes about 20 ms.
 */

import type fs from 'node:fs';
import path from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { codeOf, messageOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import { statsOf, timestampSlackMs } from './disk.ts';
import type { Coverage, Watcher, WatchOptions } from './watcher.ts';

/**
 * Polling is not ready when chokidar emits `ready`: the states to compare with are still being read in the thread
 * pool, and a save before that would become part of them. That takes well below this time.
 */
const firstPollMs = 100;

export class PollingWatcher implements Watcher {
  readonly armed: Promise<Coverage>;
  readonly #options: WatchOptions;
  readonly #watcher: FSWatcher;
  /** ctime of the changes that have been announced: the same change may be found again. */
  readonly #announced = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchOptions, intervalMs: number) {
    this.#options = options;
    this.#watcher = watch([...options.filter.roots], {
      ignored: (file, stats) => !this.#mayMatter(path.resolve(file), stats),
      ignoreInitial: true,
      // Both would delay events; the quiet window merges the events of one save.
      atomic: false,
      awaitWriteFinish: false,
      ignorePermissionErrors: true,
      followSymlinks: options.follow,
      usePolling: true,
      interval: intervalMs,
      binaryInterval: intervalMs,
    });
    this.#watcher.on('all', (event, file, stats) => {
      if (event !== 'add' && event !== 'change' && event !== 'unlink') return;
      const full = path.resolve(file);
      if (options.filter.accepts(full)) this.#announce(event, full, stats);
    });
    // When descriptors run out, every file causes the same error.
    const reported = new Set<string | undefined>();
    this.#watcher.on('error', (error) => {
      if (reported.has(codeOf(error))) return;
      reported.add(codeOf(error));
      options.onWarning(`the watcher reports: ${messageOf(error)}`);
    });
    this.armed = new Promise((resolve) => {
      this.#watcher.on('ready', () => {
        this.#timer = setTimeout(() => resolve(this.#announceSince()), firstPollMs);
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
    if (kind === 'change' && stats !== undefined) {
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
    return { backend: 'polling', directories, files: count };
  }
}
