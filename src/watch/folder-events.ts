/**
 * Where a watcher that compares with the disk gets its events from. What each system reports, and how far that can be
 * relied on (libuv 1.46 to 1.52, `fsevents.c` and `win/fs-event.c`):
 *
 * - macOS, one subscription to the FSEvents of a tree. It begins some time after it was opened, and may begin with
 *   events from before. Events of one path within 50 ms become one, of type `rename` if the path was ever made or
 *   renamed. Many events in a folder may become one of the folder. libuv drops the notice that events have been lost.
 *   The removal of the root itself is not reported.
 * - Windows, one subscription by ReadDirectoryChangesW to a tree. It begins at once. The buffer has 4 KB: what does not
 *   fit becomes one event without a name. A name that is gone may be reported in its short form, `SERVER~1.JS`. An entry that
 *   comes or goes is also reported as a change of its folder. One handle for each folder would keep all folders above
 *   it from being renamed (https://github.com/paulmillr/chokidar/issues/1031), so there is one for each root.
 * - Wine reports no events of trees: one subscription for each folder. So does Linux when it plays macOS in tests.
 *
 * On all of them a name may differ from the one in its folder in case and in Unicode normalization.
 */

import type fs from 'node:fs';
import path from 'node:path';
import type { NativeEvents } from '../shared/native-events.ts';
import { onInterruption, watchFolder } from '../shared/watch-folder.ts';

/** Receives the events of a folder. */
export interface FolderListener {
  /** May a file of this name count? The events of others are not needed. */
  readonly mayCount: (name: string) => boolean;
  /** Called when only now the events begin; otherwise they begin with the subscription, or see `beginsAfterMs`. */
  readonly onBegin: () => void;
  /**
   * @param type by the names of `fs.watch`
   * @param names the way from the folder to the entry, empty for the folder itself; undefined where events have been lost
   */
  readonly onEvent: (type: string, names: readonly string[] | undefined) => void;
  /** Called when the subscription has ended. */
  readonly onError: (error: unknown) => void;
}

export interface Subscription {
  /** Are events of everything below the folder reported as well? */
  readonly coversBelow: boolean;
  close(): void;
}

export interface FolderEvents {
  readonly backend: NativeEvents | 'chokidar';
  /** May one event of a folder stand for events of anything below it? */
  readonly coalesces: boolean;
  /** Is a subscription bound to the folder that was there when it was opened, rather than to its path? */
  readonly bindsToFolder: boolean;
  /** Does a subscription to a folder share that of a file which was at its path, and hears nothing then? */
  readonly sharesByPath: boolean;
  /** Times in ms after which a subscription has surely begun: then the disk is compared once more. */
  readonly beginsAfterMs: readonly number[];
  /** Throws like `fs.watch`. `isTree`: asks for the events of everything below as well, where that is possible. */
  open(folder: string, isTree: boolean, listener: FolderListener): Subscription;
  /** Calls `listener` when events may have been lost because subscriptions have been replaced; returns how to end this. */
  onInterruption(listener: () => void): () => void;
}

/** Long after the usual 100 ms; the second one for a busy machine. */
const beginsAfterMs = [300, 2000];

const never = (): (() => void) => () => {};

/** Returns the events of the system. `watch` is replaced in tests. */
export function openFolderEvents(
  backend: Exclude<NativeEvents, 'inotify'>,
  watch: typeof watchFolder = watchFolder,
): FolderEvents {
  const isMac = backend === 'FSEvents';
  const hasTrees = backend !== 'fs.watch';
  const separator = backend === 'ReadDirectoryChangesW' ? /[\\/]/ : '/';
  return {
    backend,
    coalesces: isMac,
    bindsToFolder: !isMac,
    sharesByPath: false,
    beginsAfterMs: isMac ? beginsAfterMs : [],
    onInterruption: isMac ? onInterruption : never,
    open(folder, isTree, { onEvent, onError }) {
      const coversBelow = isTree && hasTrees;
      // A folder that is being removed reports its own path (Windows).
      const namesOf = (name: string): string[] => (path.isAbsolute(name) ? [] : name.split(separator).filter(Boolean));
      const subscription: fs.FSWatcher = watch(folder, { recursive: coversBelow });
      subscription.on('change', (type, name) => onEvent(type, name === null ? undefined : namesOf(String(name))));
      subscription.on('error', onError);
      return { coversBelow, close: () => subscription.close() };
    },
  };
}
