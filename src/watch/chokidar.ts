/**
 * The portable backend: chokidar's events on macOS and Windows, and polling everywhere.
 * Imported only when it is used: it costs about 20 ms to load.
 */

import fs from 'node:fs';
import path from 'node:path';
import { watch } from 'chokidar';
import { messageOf } from '../errors.ts';
import type { Change } from '../events.ts';
import { type Coverage, timestampSlack, type Watcher, type WatchOptions } from './watcher.ts';

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
  const changes: Readonly<Record<string, Change['kind']>> = { add: 'add', change: 'change', unlink: 'unlink' };
  watcher.on('all', (event, file) => {
    const kind = changes[event];
    const full = path.resolve(file);
    if (kind !== undefined && filter.accepts(full)) onChange({ kind, path: full });
  });

  const armed = new Promise<Coverage>((resolve) => {
    let ready = false;
    watcher.on('error', (error) => {
      if (ready) onWarning(`the watcher reports: ${messageOf(error)}`);
    });
    watcher.on('ready', () => {
      ready = true;
      const watched = watcher.getWatched();
      let files = 0;
      for (const [folder, names] of Object.entries(watched)) {
        for (const name of names) {
          const full = path.resolve(folder, name);
          if (!filter.accepts(full)) continue;
          const stats = fs.statSync(full, { throwIfNoEntry: false });
          if (stats?.isFile() !== true) continue;
          files += 1;
          if (stats.ctimeMs >= since - timestampSlack) onChange({ kind: 'change', path: full });
        }
      }
      resolve({ backend: poll ? 'polling' : 'chokidar', directories: Object.keys(watched).length, files });
    });
  });

  return { armed, close: () => watcher.close() };
}
