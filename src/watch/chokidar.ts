/**
 * The portable backend: chokidar's events on macOS and Windows, and polling everywhere.
 * Imported only when it is used: it costs about 20 ms to load.
 */

import fs from 'node:fs';
import path from 'node:path';
import { watch } from 'chokidar';
import { codeOf, messageOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import { type Coverage, isExhausted, type OnExhausted, type Watcher, type WatchOptions } from './backend.ts';
import { statsOf, timestampSlackMs } from './disk.ts';

/**
 * Polling is not ready when it says so: what it compares with is still being read in the thread
 * pool, and a save before that would become part of it. That takes well below this, in ms.
 */
const firstLook = 100;

/** Watches by events. `onExhausted` is called once when there are no watches or descriptors left. */
export function openChokidar(options: WatchOptions, onExhausted: OnExhausted): Watcher {
  return open(options, undefined, onExhausted);
}

/** Looks at every file once in `interval` ms. */
export function openPolling(options: WatchOptions, interval: number): Watcher {
  return open(options, interval, () => {});
}

function open(options: WatchOptions, interval: number | undefined, onExhausted: OnExhausted): Watcher {
  const { filter, follow, onChange, onWarning, since } = options;
  const poll = interval !== undefined;
  const watcher = watch([...filter.roots], {
    ignored: (file, stats) => {
      // Called first without stats (may it be a folder worth entering?), then with them.
      const full = path.resolve(file);
      if (stats?.isFile() === true) return !filter.accepts(full);
      return !(filter.mayContain(full) || filter.accepts(full));
    },
    ignoreInitial: true,
    // Both would delay events; the quiet window merges what an editor does in one save.
    atomic: false,
    awaitWriteFinish: false,
    ignorePermissionErrors: true,
    followSymlinks: follow,
    usePolling: poll,
    ...(poll && { interval, binaryInterval: interval }),
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
  const seen = new Set<string | undefined>();
  watcher.on('error', (error) => {
    if (seen.has(codeOf(error))) return;
    seen.add(codeOf(error));
    if (poll || !isExhausted(error)) return onWarning(`the watcher reports: ${messageOf(error)}`);
    void close();
    onExhausted(error, since);
    giveUp(error);
  });

  function* files(): Generator<string> {
    for (const [folder, names] of Object.entries(watcher.getWatched())) {
      for (const name of names) {
        const full = path.resolve(folder, name);
        if (filter.accepts(full) && statsOf(full, fs.statSync)?.isFile() === true) yield full;
      }
    }
  }

  /** Announces what was touched since the program was started, and counts what is watched. */
  function announceSince(): Coverage {
    let count = 0;
    for (const file of files()) {
      count += 1;
      const stats = statsOf(file, fs.statSync);
      if (stats !== undefined && stats.ctimeMs >= since - timestampSlackMs) announce('change', file, stats);
    }
    const directories = Object.keys(watcher.getWatched()).length;
    return { backend: poll ? 'polling' : 'chokidar', directories, files: count };
  }

  let timer: NodeJS.Timeout | undefined;
  let giveUp: (error: unknown) => void = () => {};
  const armed = new Promise<Coverage>((resolve, reject) => {
    giveUp = reject;
    watcher.on('ready', () => {
      timer = setTimeout(() => resolve(announceSince()), poll ? firstLook : 0);
    });
  });

  function close(): Promise<void> {
    clearTimeout(timer);
    return watcher.close();
  }

  return { armed, files, close };
}
