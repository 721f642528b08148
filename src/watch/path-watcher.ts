/**
 * Watches a few paths for a while, most of which do not exist: files that are about to be built or installed. Watches
 * the nearest folder above each path that exists, no folder below it, and of those above it only what leads there.
 */

import type fs from 'node:fs';
import path from 'node:path';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Change } from '../shared/events.ts';
import { stampOf } from '../shared/file-stamp.ts';
import { watchFolder } from '../shared/watch-folder.ts';
import { statsOf, timestampSlackMs, upwards } from './disk.ts';
import { createLook, stepsTo, Ways } from './ways.ts';

export interface PathWatcherOptions {
  readonly clock: Clock;
  /** Absolute. */
  readonly paths: readonly string[];
  /** Epoch ms; what has been saved since then counts as changed. */
  readonly since: number;
  /** Time without events in the watched folders, in ms, after which a change counts; by default 0. */
  readonly quietMs?: number;
  /** The file system sends no events, so the paths are polled. */
  readonly polls: boolean;
  /** Called for each path that has appeared or changed; not for one that has vanished. */
  readonly onChange: (change: Change) => void;
}

const pollIntervalMs = 1000;
/** A folder may appear while the one above it is being subscribed to, and another one in it. */
const maxDepth = 20;

export class PathWatcher {
  readonly #options: PathWatcherOptions;
  /** The stamp of each path when it was last looked at. */
  readonly #known = new Map<string, string>();
  /** By the path and the identity of a folder: one that is made again is another one. */
  readonly #folders = new Map<string, fs.FSWatcher>();
  readonly #ways: Ways;
  readonly #changed = new Map<string, Change>();
  #cancelScan: CancelTimer | undefined;
  #cancelQuiet: CancelTimer | undefined;
  #polls: boolean;
  #isClosed = false;

  constructor(options: PathWatcherOptions) {
    const { paths, since, polls } = options;
    this.#options = options;
    this.#polls = polls;
    const onExhausted = (): void => {
      this.#polls = true;
    };
    this.#ways = new Ways({ onEvent: () => this.#onEvent(), onExhausted });
    for (const file of paths) this.#known.set(file, wasSavedSince(file, since) ? '' : stampOf(file));
    this.#scan();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelScan?.();
    this.#cancelQuiet?.();
    this.#ways.close();
    for (const watcher of this.#folders.values()) watcher.close();
  }

  /** Compares all paths with what is known. A folder is subscribed to before it is looked at, so that nothing is missed. */
  #scan(): void {
    this.#cancelScan = undefined;
    for (let depth = 0; depth < maxDepth && this.#subscribe(); depth += 1);
    for (const [file, before] of this.#known) {
      const stamp = stampOf(file);
      if (stamp === before) continue;
      this.#known.set(file, stamp);
      if (stamp !== '') this.#changed.set(file, { kind: before === '' ? 'add' : 'change', path: file });
    }
    if (this.#changed.size > 0) this.#awaitQuiet();
    if (this.#polls) this.#scanAfter(pollIntervalMs);
  }

  /** Subscribes to the nearest folders; returns whether any of them is new. */
  #subscribe(): boolean {
    const paths = this.#polls ? [] : this.#options.paths;
    const look = createLook();
    const hasNewSteps = this.#ways.follow(new Map(paths.map((file) => [file, stepsTo(file, look)])));
    const wanted = new Map(paths.map((file) => nearestFolder(path.dirname(file))));
    for (const [key, watcher] of this.#folders) {
      if (wanted.has(key)) continue;
      watcher.close();
      this.#folders.delete(key);
    }
    const added = [...wanted].filter(([key]) => !this.#folders.has(key));
    try {
      for (const [key, folder] of added) this.#folders.set(key, this.#open(folder));
    } catch {
      // No watches are left, or the folder has vanished.
      this.#polls = true;
    }
    return (hasNewSteps || added.length > 0) && !this.#polls;
  }

  #open(folder: string): fs.FSWatcher {
    const watcher = watchFolder(folder).on('change', () => this.#onEvent());
    watcher.on('error', () => {
      this.#polls = true;
      this.#onEvent();
    });
    return watcher;
  }

  #onEvent(): void {
    if (this.#cancelQuiet !== undefined) this.#awaitQuiet();
    this.#cancelScan ??= this.#options.clock.soon(() => this.#scan());
  }

  #scanAfter(ms: number): void {
    this.#cancelScan?.();
    this.#cancelScan = this.#options.clock.after(ms, () => this.#scan());
  }

  #awaitQuiet(): void {
    const { clock, quietMs = 0 } = this.#options;
    this.#cancelQuiet?.();
    this.#cancelQuiet = clock.after(quietMs, () => {
      this.#cancelQuiet = undefined;
      const changes = [...this.#changed.values()].filter(({ path: file }) => stampOf(file) !== '');
      this.#changed.clear();
      for (const change of changes) if (!this.#isClosed) this.#options.onChange(change);
    });
  }
}

const wasSavedSince = (file: string, since: number): boolean =>
  (statsOf(file)?.mtimeMs ?? 0) >= since - timestampSlackMs;

/** Returns the nearest folder that exists, after a key that distinguishes it from a later one of the same name. */
function nearestFolder(wanted: string): [key: string, folder: string] {
  for (const folder of upwards(wanted)) {
    const stats = statsOf(folder);
    // The number of a folder is given again to the next one.
    if (stats?.isDirectory()) return [`${stats.dev}:${stats.ino}:${stats.birthtimeMs} ${folder}`, folder];
  }
  return ['', path.parse(wanted).root];
}
