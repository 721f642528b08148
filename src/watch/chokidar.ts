/**
 * The portable backend: chokidar's events on macOS and Windows, and polling everywhere.
 * Imported only when it is used: it costs about 20 ms to load.
 */

import fs from 'node:fs';
import path from 'node:path';
import { watch } from 'chokidar';
import { codeOf, messageOf } from '../errors.ts';
import type { Change } from '../events.ts';
import { type Coverage, statsOf, timestampSlack, type Watcher, type WatchOptions } from './watcher.ts';

/**
 * Polling is not ready when it says so: what it compares with is still being read in the thread
 * pool, and a save before that would become part of it. That takes well below this, in ms.
 */
const firstLook = 100;

export function openChokidar(options: WatchOptions, poll: boolean): Watcher {
  const { filter, onChange, onWarning, pollInterval, since } = options;
  const watcher = watch([...filter.roots], {
    ignored: (file, stats) => {
      // Called first without stats (may it be a folder worth entering?), then with them.
      const full = path.resolve(file);
      if (stats?.isFile() === true) return !filter.accepts(full);
      return !(filter.descends(full) || filter.accepts(full));
    },
    ignoreInitial: true,
    // Both would delay events; the quiet window merges what an editor does in one save.
    atomic: false,
    awaitWriteFinish: false,
    ignorePermissionErrors: true,
    usePolling: poll,
    interval: pollInterval,
  });
  /** Times of what polling has announced: it may come to the same change again. */
  const announced = new Map<string, number>();
  function announce(kind: Change['kind'], file: string, stats: fs.Stats | undefined): void {
    if (poll && kind === 'change' && stats !== undefined) {
      if (announced.get(file) === stats.ctimeMs) return;
      announced.set(file, stats.ctimeMs);
    }
    onChange({ kind, path: file });
  }

  const kinds: Readonly<Record<string, Change['kind']>> = { add: 'add', change: 'change', unlink: 'unlink' };
  watcher.on('all', (event, file, stats) => {
    const kind = kinds[event];
    const full = path.resolve(file);
    if (kind !== undefined && filter.accepts(full)) announce(kind, full, stats);
  });

  // When watches or descriptors run out, every file reports it.
  const warned = new Set<string | undefined>();
  watcher.on('error', (error) => {
    if (warned.has(codeOf(error))) return;
    warned.add(codeOf(error));
    onWarning(`the watcher reports: ${messageOf(error)}`);
  });

  /** Announces what was touched since the program was started, and counts what is watched. */
  function announceSince(): Coverage {
    const watched = Object.entries(watcher.getWatched());
    let files = 0;
    for (const [folder, names] of watched) {
      for (const name of names) {
        const full = path.resolve(folder, name);
        if (!filter.accepts(full)) continue;
        const stats = statsOf(full, fs.statSync);
        if (stats?.isFile() !== true) continue;
        files += 1;
        if (stats.ctimeMs >= since - timestampSlack) announce('change', full, stats);
      }
    }
    return { backend: poll ? 'polling' : 'chokidar', directories: watched.length, files };
  }

  let timer: NodeJS.Timeout | undefined;
  const armed = new Promise<Coverage>((resolve) => {
    watcher.on('ready', () => {
      timer = setTimeout(() => resolve(announceSince()), poll ? firstLook : 0);
    });
  });

  return {
    armed,
    close() {
      clearTimeout(timer);
      return watcher.close();
    },
  };
}
