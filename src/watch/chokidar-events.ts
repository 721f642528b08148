/**
 * The events of chokidar, one of its watchers for each folder: it knows systems on which a folder does not report the
 * writes to its files. chokidar alone does not notice that a folder was removed and made again at once, reports only
 * the first of several writes within 50 ms, and begins some time after it was asked to. The comparison with the disk
 * repairs all three. Loaded only when it is used, because loading chokidar takes about 20 ms.
 */

import fs from 'node:fs';
import path from 'node:path';
import { watch } from 'chokidar';
import type { FolderEvents } from './folder-events.ts';

export const chokidarEvents: FolderEvents = {
  backend: 'chokidar',
  coalesces: false,
  bindsToFolder: true,
  beginsAfterMs: [],
  onInterruption: () => () => {},
  open(folder, _isTree, { mayCount, onBegin, onEvent, onError }) {
    fs.accessSync(folder);
    const watcher = watch(folder, {
      depth: 0,
      ignored: (file) => path.resolve(file) !== folder && !mayCount(path.basename(file)),
      ignoreInitial: true,
      // Both would delay events.
      atomic: false,
      awaitWriteFinish: false,
      ignorePermissionErrors: true,
      followSymlinks: false,
    });
    watcher.on('raw', (type, name) => {
      const isOfFolder = typeof name !== 'string' || name === path.basename(folder);
      onEvent(type, isOfFolder ? [] : [name]);
    });
    watcher.on('all', (type, file) => {
      const name = path.relative(folder, path.resolve(file));
      if (name !== '') onEvent(type === 'change' ? 'change' : 'rename', [name]);
    });
    watcher.on('ready', onBegin);
    watcher.on('error', onError);
    return { coversBelow: false, close: () => void watcher.close() };
  },
};
