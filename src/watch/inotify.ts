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
 * - A `chmod` arrives as `change`, too; a write moves the time of modification or the size.
 */

import fs from 'node:fs';
import path from 'node:path';
import { codeOf } from '../shared/errors.ts';
import { type Coverage, isExhausted, type OnExhausted, type Watcher, type WatchOptions } from './backend.ts';
import { entriesOf, fingerprintOf, inSlices, realPathOf, statsOf, timestampSlack } from './disk.ts';
import { LinkTargets } from './link-targets.ts';
import { isAtOrBelow } from './paths.ts';

interface Folder {
  readonly path: string;
  readonly subscription: Subscription;
  readonly identity: string | undefined;
  /** The relevant files in it by name, each with what it was like when it was last looked at. */
  readonly files: Map<string, Baseline | undefined>;
  /** Undefined as long as there was none: of 500 folders, empty ones take 0.2 MB. */
  folders: Map<string, Folder> | undefined;
  /** Names of links to folders that are watched elsewhere; undefined as long as there was none. */
  covered: Set<string> | undefined;
  /** No part of the tree any more: a walk that has not come to its subfolders leaves them. */
  dropped: boolean;
}

/** Hands what it hears to the tree; see `handOn`. */
interface Subscription extends fs.FSWatcher {
  /** Undefined when nothing is to be heard any more. */
  folder?: Folder | undefined;
}

/** A file as far as a write moves it. */
interface Baseline {
  readonly mtimeMs: number;
  readonly size: number;
  /** Where a second write might leave the same time behind. */
  readonly digest: string | undefined;
}

/** A link in the tree. */
interface Link {
  readonly folder: Folder;
  readonly name: string;
}

/** Which of the files that a walk finds are announced: as added, or as changed when touched since then (epoch ms). */
type Announced = 'nothing' | 'all' | { readonly since: number };

/** The kernel queues 16,384 events; well below that, what is known is compared with the disk again. */
const overflowSuspicion = 4096;
/** The longest time, in ms, for which a file system (FAT) gives two writes the same time of modification. */
const coarsestTimestamp = 2100;
/** Larger files are not read to tell a `chmod` right after a write from another write. Bytes. */
const largestDigested = 1_000_000;
/** In a turn of more events than this, a checkout perhaps, files are not read at all. */
const largestDigestedBurst = 64;

/**
 * Opens the backend. `onExhausted` is called once when the kernel has no watches left, while arming
 * (then `armed` rejects with the error, too) or later; nothing is watched any more.
 */
export function openInotify(options: WatchOptions, onExhausted: OnExhausted): Watcher {
  const tree = new WatchedTree(options, onExhausted);
  return {
    armed: tree.arm(),
    files: () => tree.files(),
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
  /** Those of them that more links lead to, which count when the first one goes. */
  readonly #linkedAgain = new Set<string>();
  readonly #targets: LinkTargets<Link>;
  /** Of all subscriptions. */
  #prototype: object | undefined;
  /** Files that had an event this turn, but seem not to have been written. */
  readonly #suspects = new Set<string>();
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
  #warned = false;

  constructor(options: WatchOptions, onExhausted: OnExhausted) {
    this.#options = options;
    this.#onExhausted = onExhausted;
    this.#completeUntil = options.since;
    this.#targets = new LinkTargets(
      // A watched folder that vanishes may report an error; what it means arrives as an event, too.
      (folder) => this.#open(folder)?.on('error', passOver),
      (type, link) => this.#onTarget(type, link),
      () => this.#resync(),
    );
  }

  async arm(): Promise<Coverage> {
    await this.#queue(async () => {
      await this.#establish({ since: this.#options.since });
    });
    if (this.#failure !== undefined) throw this.#failure;
    let files = 0;
    for (const folder of this.#everyFolder()) files += folder.files.size;
    return { backend: 'inotify', directories: this.#directories, files };
  }

  *files(): Generator<string> {
    for (const folder of this.#everyFolder()) {
      for (const name of folder.files.keys()) yield at(folder.path, name);
    }
  }

  /** The relevant files, and the links to folders that are watched elsewhere. */
  *#paths(): Generator<string> {
    yield* this.files();
    for (const folder of this.#everyFolder()) {
      for (const name of folder.covered ?? []) yield at(folder.path, name);
    }
  }

  close(): void {
    this.#closed = true;
    this.#dropAll();
  }

  /** Covers every root, or where one is missing the nearest folder above it. */
  async #establish(announced: Announced): Promise<void> {
    // Parents come first: their walk covers what lies in them.
    const tops = this.#options.filter.roots.map(nearestFolder).sort();
    for (const wanted of tops) {
      for (let top = wanted; !this.#covers(top); ) {
        await inSlices(this.#walk(top, undefined, announced), () => this.#closed);
        // Vanished meanwhile? Then the one above it; else it may not be read, or all is closed.
        const nearest = nearestFolder(wanted);
        if (nearest === top) break;
        top = nearest;
      }
    }
  }

  /** Takes in a folder and everything below it, one folder a step. */
  *#walk(top: string, parent: Folder | undefined, announced: Announced): Generator<void> {
    const queue = [{ folderPath: top, parent }];
    for (let next = queue.pop(); next !== undefined && !this.#closed; next = queue.pop()) {
      const { folderPath, parent } = next;
      // An event between two steps may have taken away the parent, or taken in the folder.
      if (parent?.folders?.has(path.basename(folderPath)) === true) continue;
      const folder = parent?.dropped === true ? undefined : this.#subscribe(folderPath, parent);
      if (folder === undefined) {
        this.#unfollow(folderPath);
        continue;
      }
      for (const name of this.#list(folder, announced)) {
        queue.push({ folderPath: at(folderPath, name), parent: folder });
      }
      yield;
    }
  }

  /** Subscribes to one folder and hangs it in the tree. Undefined when it has vanished or may not be read. */
  #subscribe(folderPath: string, parent: Folder | undefined): Folder | undefined {
    const subscription: Subscription | undefined = this.#open(folderPath);
    if (subscription === undefined) return undefined;
    this.#prototype ??= handOn(subscription, (folder, type, name) => this.#onEvent(folder, type, name));
    Object.setPrototypeOf(subscription, this.#prototype);
    this.#directories += 1;
    const folder: Folder = {
      path: folderPath,
      subscription,
      identity: identityOf(statsOf(folderPath, fs.statSync)),
      files: new Map(),
      folders: undefined,
      covered: undefined,
      dropped: false,
    };
    subscription.folder = folder;
    if (parent === undefined) this.#tops.set(folderPath, folder);
    else {
      parent.folders ??= new Map();
      parent.folders.set(path.basename(folderPath), folder);
    }
    return folder;
  }

  #open(folderPath: string): fs.FSWatcher | undefined {
    try {
      return fs.watch(folderPath);
    } catch (error) {
      if (isExhausted(error)) this.#fail(error);
      else if (codeOf(error) === 'EACCES') this.#warnUnreadable(folderPath);
      return undefined;
    }
  }

  /** Notes the relevant files of a folder, and returns the names of its relevant subfolders. */
  #list(folder: Folder, announced: Announced): string[] {
    const { filter, onChange } = this.#options;
    const subfolders: string[] = [];
    for (const entry of entriesOf(folder.path)) {
      // Most names end here, before a path is made of them.
      if (entry.isFile() && !filter.mayAccept(entry.name)) continue;
      const full = at(folder.path, entry.name);
      switch (this.#kindOf(folder, entry.name, entry)) {
        case 'folder':
          if (filter.mayContain(full)) subfolders.push(entry.name);
          break;
        case 'file':
          if (!filter.accepts(full)) break;
          folder.files.set(entry.name, undefined);
          if (announced === 'all') onChange({ kind: 'add', path: full });
          else if (announced !== 'nothing') this.#lookAgain(folder, entry.name, announced.since);
          break;
        case 'covered':
          folder.covered ??= new Set();
          folder.covered.add(entry.name);
          break;
        default:
      }
    }
    return subfolders;
  }

  #kindOf(folder: Folder, name: string, entry: fs.Dirent | fs.Stats): 'file' | 'folder' | 'covered' | 'other' {
    if (entry.isFile()) return 'file';
    if (entry.isDirectory()) return 'folder';
    if (!entry.isSymbolicLink()) return 'other';
    const { filter, follow } = this.#options;
    const full = at(folder.path, name);
    const counts = { file: filter.accepts(full), folder: filter.mayContain(full) };
    const target = realPathOf(full);
    const stats = target === undefined ? undefined : statsOf(target, fs.statSync);
    // A target that counts by itself is reported under its own name.
    const reportsItself = target !== undefined && filter.accepts(target);
    if (follow && (counts.file || counts.folder) && !reportsItself) this.#targets.add(full, { folder, name });
    if (stats?.isFile() === true) return 'file';
    if (target === undefined || stats?.isDirectory() !== true || !follow || !counts.folder) return 'other';
    return this.#follows(full, target) ? 'folder' : 'covered';
  }

  /** A linked folder is followed once, and only when no root covers it or lies inside it. */
  #follows(link: string, target: string): boolean {
    const { roots } = this.#options.filter;
    if (roots.some((root) => isAtOrBelow(target, root) || isAtOrBelow(root, target))) return false;
    const first = this.#followed.get(target) ?? link;
    this.#followed.set(target, first);
    if (first !== link) this.#linkedAgain.add(target);
    return first === link;
  }

  /** Nothing is watched through this link any more: another one that leads to the same folder takes over. */
  #unfollow(link: string): void {
    for (const [target, first] of this.#followed) {
      if (first !== link) continue;
      this.#followed.delete(target);
      if (this.#linkedAgain.has(target)) this.#resync();
    }
  }

  /** What happens to the target counts as if it had happened to the link. */
  #onTarget(type: string, { folder, name }: Link): void {
    if (folder.dropped) return;
    if (type === 'rename') this.#onEvent(folder, type, name);
    else if (folder.files.has(name)) this.#options.onChange({ kind: 'change', path: at(folder.path, name) });
  }

  #onEvent(folder: Folder, type: string, name: string | null): void {
    this.#countEvent();
    if (name === null) {
      this.#resync();
      return;
    }
    const { filter, onChange } = this.#options;
    const full = at(folder.path, name);
    if (type === 'change') {
      if (!folder.files.has(name)) this.#options.onIgnored?.(full);
      else this.#onWrite(folder, name, full);
      return;
    }
    // A topmost folder may be gone, or be another one by now; of any other its parent tells.
    if (name === path.basename(folder.path) && this.#tops.get(folder.path) === folder) {
      if (!isStill(folder, statsOf(folder.path, fs.statSync))) this.#resync();
    }
    const stats = statsOf(full, fs.lstatSync);
    const known = folder.folders?.get(name);
    if (known !== undefined) {
      if (isStill(known, stats)) return;
      folder.folders?.delete(name);
      this.#drop(known, true);
    }
    if (stats === undefined) this.#targets.remove(full);
    const kind = stats === undefined ? 'missing' : this.#kindOf(folder, name, stats);
    if (kind === 'file' && filter.accepts(full)) {
      onChange({ kind: folder.files.has(name) ? 'change' : 'add', path: full });
      this.#look(folder, name, full, statsOf(full, fs.statSync));
      return;
    }
    if (kind === 'covered') {
      folder.covered ??= new Set();
      if (!folder.covered.has(name)) onChange({ kind: 'add', path: full });
      folder.covered.add(name);
      return;
    }
    if (folder.files.delete(name) || folder.covered?.delete(name)) onChange({ kind: 'unlink', path: full });
    else if (kind === 'file') this.#options.onIgnored?.(full);
    if (kind === 'folder' && filter.mayContain(full)) {
      // In one go: an event about the subtree must find it complete.
      for (const _ of this.#walk(full, folder, 'all'));
    }
  }

  #onWrite(folder: Folder, name: string, full: string): void {
    const before = folder.files.get(name);
    const stats = statsOf(full, fs.statSync);
    // A copy that keeps the times (`cp -p`) leaves two events at least, of a write and of an attribute.
    if (!isWritten(full, before, stats) && (before?.digest !== undefined || !this.#suspects.has(full))) {
      this.#suspects.add(full);
      return;
    }
    this.#options.onChange({ kind: 'change', path: full });
    this.#look(folder, name, full, stats);
  }

  #look(folder: Folder, name: string, full: string, stats: fs.Stats | undefined): void {
    folder.files.set(name, baselineOf(full, stats, this.#events <= largestDigestedBurst));
  }

  #drop(folder: Folder, announce: boolean): void {
    folder.dropped = true;
    folder.subscription.folder = undefined;
    folder.subscription.close();
    this.#directories -= 1;
    if (announce) {
      this.#unfollow(folder.path);
      for (const name of folder.files.keys()) this.#options.onChange({ kind: 'unlink', path: at(folder.path, name) });
    }
    for (const subfolder of folder.folders?.values() ?? []) this.#drop(subfolder, announce);
  }

  #dropAll(): void {
    for (const folder of this.#tops.values()) this.#drop(folder, false);
    this.#tops.clear();
    this.#followed.clear();
    this.#linkedAgain.clear();
    this.#targets.clear();
  }

  #warnUnreadable(folder: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.onWarning(`${folder} may not be read: changes in it are not seen`);
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
        if (name !== '') folder = folder?.folders?.get(name);
      }
      if (folder !== undefined) return true;
    }
    return false;
  }

  *#everyFolder(): Generator<Folder> {
    const stack = [...this.#tops.values()];
    for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
      yield folder;
      stack.push(...(folder.folders?.values() ?? []));
    }
  }

  /** Announces the known files that were touched at or after `since` (epoch ms). */
  async #announceSince(since: number): Promise<void> {
    await inSlices(this.#touchedSince(since), () => this.#closed);
  }

  *#touchedSince(since: number): Generator<void> {
    for (const folder of [...this.#everyFolder()]) {
      for (const name of folder.files.keys()) {
        this.#lookAgain(folder, name, since);
      }
      yield;
    }
  }

  /** Notes what a known file is like, and announces it when it was touched at or after `since` (epoch ms). */
  #lookAgain(folder: Folder, name: string, since: number): void {
    const full = at(folder.path, name);
    const stats = statsOf(full, fs.statSync);
    folder.files.set(name, baselineOf(full, stats, false));
    // ctime, unlike mtime, also moves when a rename puts an older file in place.
    if (stats !== undefined && stats.ctimeMs >= since - timestampSlack) {
      this.#options.onChange({ kind: 'change', path: full });
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
    this.#suspects.clear();
    if (this.#walks === 0) this.#completeUntil = began;
  }

  /** Walks everything anew, and announces what differs from what was known, or may not have been announced. */
  #resync(): void {
    if (this.#resyncIsDue) return;
    this.#resyncIsDue = true;
    const since = this.#completeUntil;
    void this.#queue(async () => {
      this.#resyncIsDue = false;
      const before = new Set(this.#paths());
      this.#dropAll();
      await this.#establish('nothing');
      if (this.#closed) return;
      const after = new Set(this.#paths());
      for (const file of before) if (!after.has(file)) this.#options.onChange({ kind: 'unlink', path: file });
      for (const file of after) if (!before.has(file)) this.#options.onChange({ kind: 'add', path: file });
      await this.#announceSince(since);
    });
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

/** One for all: of 500 folders, one each takes 32 KB. */
const passOver = (): void => {};

/**
 * A prototype for watchers that have no listeners: the tables of two listeners are 1 KB of the 1.5 that a
 * watcher takes, and there are as many as folders. A watched folder that vanishes may report an error; what
 * it means arrives as a change, too.
 */
function handOn(watcher: fs.FSWatcher, hear: (folder: Folder, type: string, name: string | null) => void): object {
  return Object.create(Object.getPrototypeOf(watcher), {
    emit: {
      value(this: Subscription, event: string, type: string, name: string | Buffer | null): boolean {
        if (event === 'change' && this.folder !== undefined)
          hear(this.folder, type, name === null ? null : String(name));
        return true;
      },
    },
  });
}

/** What `path.join` says, at a tenth of its price: a large tree has many names. */
const at = (folder: string, name: string): string => (folder.endsWith('/') ? folder + name : `${folder}/${name}`);

/** Tells a folder from any later one; undefined while one made right after it could look the same. */
function identityOf(stats: fs.Stats | undefined): string | undefined {
  if (stats === undefined || stats.birthtimeMs === 0) return undefined;
  return stats.birthtimeMs < Date.now() - timestampSlack ? `${stats.ino} ${stats.birthtimeMs}` : undefined;
}

const isStill = (folder: Folder, stats: fs.Stats | undefined): boolean =>
  folder.identity !== undefined && folder.identity === identityOf(stats);

/**
 * What a later look is compared with; undefined where that would prove nothing. A file that was
 * modified a moment ago may be written again and keep its time: its content has to be known, too.
 */
function baselineOf(full: string, stats: fs.Stats | undefined, readsContent: boolean): Baseline | undefined {
  if (stats === undefined) return undefined;
  const isSettled = Date.now() - stats.mtimeMs > coarsestTimestamp;
  if (!isSettled && !(readsContent && stats.size <= largestDigested)) return undefined;
  return { mtimeMs: stats.mtimeMs, size: stats.size, digest: isSettled ? undefined : fingerprintOf(full) };
}

/** Was a file that has an event written, and not only given another mode or owner? */
function isWritten(full: string, before: Baseline | undefined, stats: fs.Stats | undefined): boolean {
  if (before === undefined || stats === undefined || before.size !== stats.size) return true;
  // Time goes on with a write and with a `touch`; a copy that has just been written gets its old time last.
  if (stats.mtimeMs > before.mtimeMs || (stats.mtimeMs < before.mtimeMs && before.digest === undefined)) return true;
  return before.digest !== undefined && before.digest !== fingerprintOf(full);
}

/** The folder itself, the folder of a file, or the nearest folder above what is missing. */
function nearestFolder(wanted: string): string {
  for (let folder = wanted; ; folder = path.dirname(folder)) {
    if (statsOf(folder, fs.statSync)?.isDirectory() === true) return folder;
    if (folder === path.dirname(folder)) return folder;
  }
}
