/**
 * The Linux backend: one `fs.watch` (one inotify watch) per directory and none per file.
 *
 * The order that keeps it complete: subscribe to a directory first, then list it. What appears
 * before the listing is listed; what appears after it is announced. A directory that appears is
 * subscribed, listed, and its files count as added.
 *
 * Facts it relies on (libuv 1.46 to 1.51, ext4 and tmpfs):
 * - `change` is a write or an attribute of a file, `rename` is anything that made or took away a
 *   name, or an attribute of a directory.
 * - An event about the watched directory itself carries its own base name.
 * - libuv drops IN_Q_OVERFLOW, so a lost event leaves no trace. But it reads until nothing is
 *   left before the loop gets its next turn: only a turn of very many events can have lost some,
 *   and after it everything is walked again.
 * - ext4 gives a new directory the inode number of the one just deleted: only with the time of
 *   birth does it tell whether a watched directory is still the one at its path.
 */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type Coverage,
  isExhausted,
  type OnExhausted,
  statsOf,
  timestampSlack,
  type Watcher,
  type WatchOptions,
} from './watcher.ts';

interface Folder {
  readonly path: string;
  readonly subscription: fs.FSWatcher;
  readonly identity: string | undefined;
  /** Names of the relevant files in it. */
  readonly files: Set<string>;
  readonly folders: Map<string, Folder>;
  /** No part of the tree any more: a walk that has not come to its subfolders leaves them. */
  dropped: boolean;
}

/** The kernel queues 16,384 events; well below that, what is known is compared with the disk again. */
const overflowSuspicion = 4096;
/** A walk gives the event loop a turn after this long, in ms, so that a child's start is not slowed. */
const walkSlice = 10;

/**
 * Opens the backend. `onExhausted` is called once when the kernel has no watches left, while arming
 * (then `armed` rejects with the error, too) or later; nothing is watched any more.
 */
export function openInotify(options: WatchOptions, onExhausted: OnExhausted): Watcher {
  const tree = new WatchedTree(options, onExhausted);
  return {
    armed: tree.arm(),
    async close() {
      tree.close();
    },
  };
}

class WatchedTree {
  readonly #options: WatchOptions;
  readonly #onExhausted: OnExhausted;
  /** The topmost folders: the filter's roots, or the nearest folder above one that is missing. */
  readonly #tops = new Map<string, Folder>();
  /** Folders outside the roots that a link led to, by real path: each is followed once. */
  readonly #followed = new Map<string, string>();
  #directories = 0;
  #closed = false;
  #failure: unknown;
  /** Epoch ms; every change before it has been announced. */
  #completeUntil: number;
  /** How many events this turn of the loop has brought. */
  #events = 0;
  /** Walks that are under way or wait for their turn. */
  #walks = 0;
  #lastWalk: Promise<void> = Promise.resolve();
  #resyncIsDue = false;

  constructor(options: WatchOptions, onExhausted: OnExhausted) {
    this.#options = options;
    this.#onExhausted = onExhausted;
    this.#completeUntil = options.since;
  }

  async arm(): Promise<Coverage> {
    await this.#queue(async () => {
      await this.#establish();
      await this.#announceSince(this.#options.since);
    });
    if (this.#failure !== undefined) throw this.#failure;
    let files = 0;
    for (const folder of this.#everyFolder()) files += folder.files.size;
    return { backend: 'inotify', directories: this.#directories, files };
  }

  close(): void {
    this.#closed = true;
    this.#dropAll();
  }

  /** Covers every root, or where one is missing the nearest folder above it. */
  async #establish(): Promise<void> {
    // Parents come first: their walk covers what lies in them.
    const tops = this.#options.filter.roots.map(nearestFolder).sort();
    for (const wanted of tops) {
      for (let top = wanted; !this.#covers(top); ) {
        await inSlices(this.#walk(top, undefined, false), () => this.#closed);
        // Vanished meanwhile? Then the one above it; else it may not be read, or all is closed.
        const nearest = nearestFolder(wanted);
        if (nearest === top) break;
        top = nearest;
      }
    }
  }

  /** Takes in a folder and everything below it, one folder a step. */
  *#walk(top: string, parent: Folder | undefined, announce: boolean): Generator<void> {
    const queue = [{ folderPath: top, parent }];
    for (let next = queue.pop(); next !== undefined && !this.#closed; next = queue.pop()) {
      const { folderPath, parent } = next;
      // An event between two steps may have taken away the parent, or taken in the folder.
      if (parent?.dropped === true || parent?.folders.has(path.basename(folderPath)) === true) continue;
      const folder = this.#subscribe(folderPath, parent);
      if (folder === undefined) continue;
      for (const name of this.#list(folder, announce)) {
        queue.push({ folderPath: path.join(folderPath, name), parent: folder });
      }
      yield;
    }
  }

  /** Subscribes to one folder and hangs it in the tree. Undefined when it has vanished or may not be read. */
  #subscribe(folderPath: string, parent: Folder | undefined): Folder | undefined {
    let subscription: fs.FSWatcher;
    try {
      subscription = fs.watch(folderPath);
    } catch (error) {
      if (isExhausted(error)) this.#fail(error);
      return undefined;
    }
    this.#directories += 1;
    const folder: Folder = {
      path: folderPath,
      subscription,
      identity: identityOf(statsOf(folderPath, fs.statSync)),
      files: new Set(),
      folders: new Map(),
      dropped: false,
    };
    subscription.on('change', (type, name) => this.#onEvent(folder, type, name === null ? null : String(name)));
    // A watched folder that vanishes may report an error; what it means arrives as an event, too.
    subscription.on('error', () => {});
    if (parent === undefined) this.#tops.set(folderPath, folder);
    else parent.folders.set(path.basename(folderPath), folder);
    return folder;
  }

  /** Notes the relevant files of a folder, and returns the names of its relevant subfolders. */
  #list(folder: Folder, announce: boolean): string[] {
    const { filter, onChange } = this.#options;
    const subfolders: string[] = [];
    for (const entry of entriesOf(folder.path)) {
      const full = path.join(folder.path, entry.name);
      switch (this.#kindOf(full, entry)) {
        case 'folder':
          if (filter.descends(full)) subfolders.push(entry.name);
          break;
        case 'file':
          if (!filter.accepts(full)) break;
          folder.files.add(entry.name);
          if (announce) onChange({ kind: 'add', path: full });
          break;
        default:
      }
    }
    return subfolders;
  }

  #kindOf(full: string, entry: fs.Dirent | fs.Stats): 'file' | 'folder' | 'other' {
    if (entry.isFile()) return 'file';
    if (entry.isDirectory()) return 'folder';
    if (!entry.isSymbolicLink()) return 'other';
    try {
      const target = fs.statSync(full);
      if (!target.isDirectory()) return target.isFile() ? 'file' : 'other';
      if (!this.#options.filter.descends(full)) return 'other';
      return this.#follows(full, fs.realpathSync(full)) ? 'folder' : 'other';
    } catch {
      return 'other';
    }
  }

  /** A linked folder is followed once, and only when no root covers it or lies inside it. */
  #follows(link: string, target: string): boolean {
    const { roots } = this.#options.filter;
    if (roots.some((root) => isAtOrBelow(target, root) || isAtOrBelow(root, target))) return false;
    const first = this.#followed.get(target) ?? link;
    this.#followed.set(target, first);
    return first === link;
  }

  #onEvent(folder: Folder, type: string, name: string | null): void {
    this.#countEvent();
    if (name === null) {
      this.#resync();
      return;
    }
    const { filter, onChange } = this.#options;
    const full = path.join(folder.path, name);
    if (type === 'change') {
      if (folder.files.has(name)) onChange({ kind: 'change', path: full });
      return;
    }
    // A topmost folder may be gone, or be another one by now; of any other its parent tells.
    if (name === path.basename(folder.path) && this.#tops.get(folder.path) === folder) {
      if (!isStill(folder, statsOf(folder.path, fs.statSync))) this.#resync();
    }
    const stats = statsOf(full, fs.lstatSync);
    const known = folder.folders.get(name);
    if (known !== undefined) {
      if (isStill(known, stats)) return;
      folder.folders.delete(name);
      this.#drop(known, true);
    }
    const kind = stats === undefined ? 'missing' : this.#kindOf(full, stats);
    if (kind === 'file' && filter.accepts(full)) {
      onChange({ kind: folder.files.has(name) ? 'change' : 'add', path: full });
      folder.files.add(name);
      return;
    }
    if (folder.files.delete(name)) onChange({ kind: 'unlink', path: full });
    if (kind === 'folder' && filter.descends(full)) {
      // In one go: an event about the subtree must find it complete.
      for (const _ of this.#walk(full, folder, true));
    }
  }

  #drop(folder: Folder, announce: boolean): void {
    folder.dropped = true;
    folder.subscription.removeAllListeners('change');
    folder.subscription.close();
    this.#directories -= 1;
    for (const [target, link] of this.#followed) if (link === folder.path) this.#followed.delete(target);
    if (announce) {
      for (const name of folder.files) this.#options.onChange({ kind: 'unlink', path: path.join(folder.path, name) });
    }
    for (const subfolder of folder.folders.values()) this.#drop(subfolder, announce);
  }

  #dropAll(): void {
    for (const folder of this.#tops.values()) this.#drop(folder, false);
    this.#tops.clear();
    this.#followed.clear();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.close();
    this.#onExhausted(error, this.#completeUntil);
  }

  #covers(wanted: string): boolean {
    for (const top of this.#tops.values()) {
      if (!isAtOrBelow(wanted, top.path)) continue;
      let folder: Folder | undefined = top;
      for (const name of path.relative(top.path, wanted).split(path.sep)) {
        if (name !== '') folder = folder?.folders.get(name);
      }
      if (folder !== undefined) return true;
    }
    return false;
  }

  *#everyFolder(): Generator<Folder> {
    const stack = [...this.#tops.values()];
    for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
      yield folder;
      stack.push(...folder.folders.values());
    }
  }

  /** Announces the known files that were touched at or after `since` (epoch ms). */
  async #announceSince(since: number): Promise<void> {
    await inSlices(this.#touchedSince(since), () => this.#closed);
  }

  *#touchedSince(since: number): Generator<void> {
    for (const folder of [...this.#everyFolder()]) {
      for (const name of folder.files) {
        const full = path.join(folder.path, name);
        const stats = statsOf(full, fs.statSync);
        // ctime, unlike mtime, also moves when a rename puts an older file in place.
        if (stats !== undefined && stats.ctimeMs >= since - timestampSlack) {
          this.#options.onChange({ kind: 'change', path: full });
        }
      }
      yield;
    }
  }

  #countEvent(): void {
    if (this.#events === 0) {
      const began = Date.now();
      setImmediate(() => this.#endTurn(began));
    }
    this.#events += 1;
  }

  #endTurn(began: number): void {
    if (this.#events > overflowSuspicion) this.#resync();
    this.#events = 0;
    if (this.#walks === 0) this.#completeUntil = began;
  }

  /** Walks everything anew, and announces what differs from what was known, or may not have been announced. */
  #resync(): void {
    if (this.#resyncIsDue) return;
    this.#resyncIsDue = true;
    const since = this.#completeUntil;
    void this.#queue(async () => {
      this.#resyncIsDue = false;
      const before = this.#knownFiles();
      this.#dropAll();
      await this.#establish();
      if (this.#closed) return;
      const after = this.#knownFiles();
      for (const file of before) if (!after.has(file)) this.#options.onChange({ kind: 'unlink', path: file });
      for (const file of after) if (!before.has(file)) this.#options.onChange({ kind: 'add', path: file });
      await this.#announceSince(since);
    });
  }

  #knownFiles(): Set<string> {
    const known = new Set<string>();
    for (const folder of this.#everyFolder()) {
      for (const name of folder.files) known.add(path.join(folder.path, name));
    }
    return known;
  }

  /** Walks that take several turns run one after the other. */
  #queue(walk: () => Promise<void>): Promise<void> {
    this.#walks += 1;
    this.#lastWalk = this.#lastWalk.then(async () => {
      if (!this.#closed) await walk();
      this.#walks -= 1;
    });
    return this.#lastWalk;
  }
}

/** Runs steps until they end or `cancelled`, giving the event loop a turn every few milliseconds. */
async function inSlices(steps: Generator<void>, cancelled: () => boolean): Promise<void> {
  let turnEnds = performance.now() + walkSlice;
  for (const _ of steps) {
    if (cancelled()) return;
    if (performance.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = performance.now() + walkSlice;
  }
}

const isAtOrBelow = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);

/** Tells a folder from any later one; undefined while one made right after it could look the same. */
function identityOf(stats: fs.Stats | undefined): string | undefined {
  if (stats === undefined || stats.birthtimeMs === 0) return undefined;
  return stats.birthtimeMs < Date.now() - timestampSlack ? `${stats.ino} ${stats.birthtimeMs}` : undefined;
}

const isStill = (folder: Folder, stats: fs.Stats | undefined): boolean =>
  folder.identity !== undefined && folder.identity === identityOf(stats);

function entriesOf(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** The folder itself, the folder of a file, or the nearest folder above what is missing. */
function nearestFolder(wanted: string): string {
  for (let folder = wanted; ; folder = path.dirname(folder)) {
    if (statsOf(folder, fs.statSync)?.isDirectory() === true) return folder;
    if (folder === path.dirname(folder)) return folder;
  }
}
