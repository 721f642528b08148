/**
 * The Linux backend: one `fs.watch` (one inotify watch) per directory and none per file.
 *
 * The order that keeps it complete: subscribe to a directory first, then list it. What appears
 * before the listing is listed; what appears after it is announced. A directory that appears is
 * subscribed, listed, and its files count as added.
 *
 * Facts it relies on (libuv 1.46 to 1.51, ext4 and tmpfs):
 * - `change` is a write or an attribute, `rename` is anything that made or took away a name.
 * - An event about the watched directory itself carries its own base name.
 * - libuv drops IN_Q_OVERFLOW, so a lost event leaves no trace: after a large burst everything
 *   is walked again.
 * - ext4 gives a new directory the inode number of the one just deleted: comparing inodes does
 *   not tell whether a watched directory is still the one at its path.
 */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { codeOf } from '../errors.ts';
import { type Coverage, isExhausted, timestampSlack, type Watcher, type WatchOptions } from './watcher.ts';

interface Folder {
  readonly path: string;
  readonly subscription: fs.FSWatcher;
  /** Names of the relevant files in it. */
  readonly files: Set<string>;
  readonly folders: Map<string, Folder>;
}

/** The kernel queues 16,384 events; well below that, what is known is compared with the disk again. */
const overflowSuspicion = 4096;
/** A burst of that size is over when nothing has come for this long, in ms. */
const burstEnd = 100;
/** A walk gives the event loop a turn after this long, in ms, so that a child's start is not slowed. */
const walkSlice = 10;

/**
 * Opens the backend. `onExhausted` is called once, with the system's error, when the kernel has no
 * watches left, while arming (then `armed` rejects with it, too) or later; nothing is watched any more.
 */
export function openInotify(options: WatchOptions, onExhausted: (error: unknown) => void): Watcher {
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
  readonly #onExhausted: (error: unknown) => void;
  /** The topmost folders: the filter's roots, or the nearest folder above one that is missing. */
  readonly #tops = new Map<string, Folder>();
  /** Folders outside the roots that a link led to, by real path: each is followed once. */
  readonly #followed = new Map<string, string>();
  #directories = 0;
  #closed = false;
  #failure: unknown;
  #burst = 0;
  #burstSince = 0;
  #burstTimer: NodeJS.Timeout | undefined;
  #walking: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions, onExhausted: (error: unknown) => void) {
    this.#options = options;
    this.#onExhausted = onExhausted;
  }

  async arm(): Promise<Coverage> {
    this.#walking = this.#establish(false);
    await this.#walking;
    await this.#announceSince(this.#options.since);
    if (this.#failure !== undefined) throw this.#failure;
    let files = 0;
    for (const folder of this.#everyFolder()) files += folder.files.size;
    return { backend: 'inotify', directories: this.#directories, files };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#burstTimer);
    this.#dropAll();
  }

  /** Covers every root, or where one is missing the nearest folder above it. */
  async #establish(announce: boolean): Promise<void> {
    for (const root of this.#options.filter.roots) {
      const top = nearestFolder(root);
      if (this.#covers(top)) continue;
      await inSlices(
        this.#walk(top, announce, (folder) => this.#tops.set(top, folder)),
        () => this.#closed,
      );
    }
  }

  /** Takes in a folder and everything below it, one folder a step; each hangs in its parent before its own are entered. */
  *#walk(top: string, announce: boolean, hang: (folder: Folder) => void): Generator<void> {
    const queue = [{ path: top, hang }];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const entered = this.#enter(next.path, announce);
      if (entered === undefined) continue;
      const { folder, subfolders } = entered;
      next.hang(folder);
      for (const name of subfolders) {
        queue.push({ path: path.join(folder.path, name), hang: (child) => folder.folders.set(name, child) });
      }
      yield;
    }
  }

  /** Subscribes to one folder, then lists it. Undefined when it has vanished or may not be read. */
  #enter(folderPath: string, announce: boolean): { folder: Folder; subfolders: string[] } | undefined {
    const { filter, onChange } = this.#options;
    let subscription: fs.FSWatcher;
    try {
      subscription = fs.watch(folderPath);
    } catch (error) {
      if (isExhausted(error)) this.#fail(error);
      return undefined;
    }
    this.#directories += 1;
    const folder: Folder = { path: folderPath, subscription, files: new Set(), folders: new Map() };
    subscription.on('change', (type, name) => this.#onEvent(folder, type, name === null ? null : String(name)));
    // A watched folder that vanishes may report an error; what it means arrives as an event, too.
    subscription.on('error', () => {});
    const subfolders: string[] = [];
    for (const entry of list(folderPath)) {
      const full = path.join(folderPath, entry.name);
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
    return { folder, subfolders };
  }

  #kindOf(full: string, entry: fs.Dirent | fs.Stats): 'file' | 'folder' | 'other' {
    if (entry.isFile()) return 'file';
    if (entry.isDirectory()) return 'folder';
    if (!entry.isSymbolicLink()) return 'other';
    try {
      const target = fs.statSync(full);
      if (!target.isDirectory()) return target.isFile() ? 'file' : 'other';
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
    this.#countBurst();
    if (name === null) {
      this.#resync(Date.now() - burstEnd);
      return;
    }
    const { filter, onChange } = this.#options;
    const full = path.join(folder.path, name);
    if (type === 'change') {
      if (folder.files.has(name)) onChange({ kind: 'change', path: full });
      return;
    }
    const stats = lstat(full);
    const kind = stats === undefined ? 'missing' : this.#kindOf(full, stats);
    const known = folder.folders.get(name);
    if (known !== undefined) {
      folder.folders.delete(name);
      this.#drop(known, true);
    }
    if (kind === 'file' && filter.accepts(full)) {
      onChange({ kind: folder.files.has(name) ? 'change' : 'add', path: full });
      folder.files.add(name);
      return;
    }
    if (folder.files.delete(name)) onChange({ kind: 'unlink', path: full });
    if (kind === 'folder' && filter.descends(full)) {
      // In one go: an event about the subtree must find it complete.
      for (const _ of this.#walk(full, true, (child) => folder.folders.set(name, child)));
    }
    if (kind === 'missing' && name === path.basename(folder.path)) this.#renew(folder);
  }

  /** A topmost folder was deleted or moved; what stands at its path now, if anything, is another one. */
  #renew(folder: Folder): void {
    if (this.#tops.get(folder.path) !== folder) return;
    this.#tops.delete(folder.path);
    this.#drop(folder, true);
    this.#queue(() => this.#establish(true));
  }

  #drop(folder: Folder, announce: boolean): void {
    folder.subscription.removeAllListeners('change');
    folder.subscription.close();
    this.#directories -= 1;
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
    this.#onExhausted(error);
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
        const stats = fs.statSync(full, { throwIfNoEntry: false });
        // ctime, unlike mtime, also moves when a rename puts an older file in place.
        if (stats !== undefined && stats.ctimeMs >= since - timestampSlack) {
          this.#options.onChange({ kind: 'change', path: full });
        }
      }
      yield;
    }
  }

  #countBurst(): void {
    if (this.#burst === 0) this.#burstSince = Date.now();
    this.#burst += 1;
    if (this.#burstTimer === undefined) this.#burstTimer = setTimeout(() => this.#endBurst(), burstEnd);
    else this.#burstTimer.refresh();
  }

  #endBurst(): void {
    const suspicious = this.#burst > overflowSuspicion;
    this.#burst = 0;
    this.#burstTimer = undefined;
    if (suspicious) this.#resync(this.#burstSince);
  }

  /** Walks everything anew, and announces what differs from what was known or was touched since. */
  #resync(since: number): void {
    this.#queue(async () => {
      const before = this.#knownFiles();
      this.#dropAll();
      await this.#establish(false);
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
  #queue(walk: () => Promise<void>): void {
    this.#walking = this.#walking.then(() => (this.#closed ? undefined : walk()));
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

function list(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function lstat(file: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(file, { throwIfNoEntry: false });
  } catch (error) {
    // A parent that is no folder any more, or may not be entered: as good as missing.
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** The folder itself, the folder of a file, or the nearest folder above what is missing. */
function nearestFolder(wanted: string): string {
  for (let folder = wanted; ; folder = path.dirname(folder)) {
    if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return folder;
    if (folder === path.dirname(folder)) return folder;
  }
}
