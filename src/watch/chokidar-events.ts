/**
 * The events of chokidar, one of its watchers for each folder: it knows systems on which a folder does not report the
 * writes to its files. chokidar alone does not notice that a folder was removed and made again at once, reports only
 * the first of several writes within 50 ms, and begins some time after it was asked to. The comparison with the disk
 * repairs all three. Loaded only when it is used, because loading chokidar takes about 20 ms.
 */

import fs from 'node:fs';
import path from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { FolderEvents, FolderListener } from './folder-events.ts';

/** Longest wait for a watcher that is to be closed: chokidar does not report that it is ready where the folder has gone. */
const maxOpeningMs = 300;

/** Watchers that are being closed, by their folders. */
const closing = new Map<string, Promise<unknown>>();

export const chokidarEvents: FolderEvents = {
  backend: 'chokidar',
  coalesces: false,
  bindsToFolder: true,
  sharesByPath: true,
  beginsAfterMs: [],
  onInterruption: () => () => {},
  open(folder, _isTree, listener) {
    fs.accessSync(folder);
    let opened: OpenedWatcher | undefined;
    let isClosed = false;
    const open = (): void => {
      if (!isClosed) opened = openWatcher(folder, listener);
    };
    // chokidar's watchers of one path share a subscription: that of the folder which was there before would be deaf.
    const others = closing.get(folder);
    if (others === undefined) open();
    else void others.then(open);
    return {
      coversBelow: false,
      close() {
        isClosed = true;
        if (opened !== undefined) closeWatcher(folder, opened);
      },
    };
  },
};

interface OpenedWatcher {
  readonly watcher: FSWatcher;
  /** Settles when the watcher has begun; undefined as soon as it has. */
  isOpening: Promise<void> | undefined;
}

function openWatcher(folder: string, { mayCount, onBegin, onEvent, onError }: FolderListener): OpenedWatcher {
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
  const isOpening = new Promise<void>((resolve) => {
    watcher.on('ready', () => {
      opened.isOpening = undefined;
      resolve();
      onBegin();
    });
  });
  const opened: OpenedWatcher = { watcher, isOpening };
  watcher.on('raw', (type, name) => {
    const isOfFolder = typeof name !== 'string' || name === path.basename(folder);
    onEvent(type, isOfFolder ? [] : [name]);
  });
  watcher.on('all', (type, file) => {
    const name = path.relative(folder, path.resolve(file));
    if (name !== '') onEvent(type === 'change' ? 'change' : 'rename', [name]);
  });
  watcher.on('error', onError);
  return opened;
}

/** Closes a watcher when it has begun: chokidar would leave open what it is just opening. */
function closeWatcher(folder: string, { watcher, isOpening }: OpenedWatcher): void {
  if (isOpening === undefined) return void watcher.close();
  const closed = withDeadline(systemClock, maxOpeningMs, isOpening)
    .then(() => watcher.close())
    .finally(() => {
      if (closing.get(folder) === closed) closing.delete(folder);
    });
  closing.set(folder, closed);
}
