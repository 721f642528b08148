/**
 * The Linux backend: one `fs.watch` (one inotify watch) per directory and none per file.
 *
 * The order that keeps it complete: subscribe to a directory first, then list it. Anything that
 * appears before the listing is listed; anything that appears after it is announced. A directory
 * that appears is subscribed, listed, and its files count as added.
 *
 * Facts it relies on (libuv 1.46 to 1.51, ext4 and tmpfs):
 * - `change` is a write to a file or a change of its attributes; `rename` is anything that created
 *   or removed a name, or a change of a directory's attributes.
 * - An event about the watched directory itself carries its own base name.
 * - libuv drops IN_Q_OVERFLOW, so a lost event leaves no trace. But it reads until nothing is left
 *   before the loop gets its next turn: only a turn with very many events can have lost some, and
 *   after such a turn everything is walked again.
 * - A `chmod` arrives as `change` as well (see written.ts).
 */

import fs from 'node:fs';
import path from 'node:path';
import { codeOf } from '../shared/errors.ts';
import { entriesOf, inSlices, isExhausted, realPathOf, statsOf, timestampSlackMs } from './disk.ts';
import { type Folder, FolderTree, isStill, joinPath, nearestFolder } from './folder-tree.ts';
import { Links } from './links.ts';
import { decodeName, rawPath } from './raw-names.ts';
import type { Coverage, Watcher, WatchOptions } from './watcher.ts';
import { type Baseline, baselineOf, isWritten } from './written.ts';

/** The place of a link in the tree. */
type Place = { readonly folder: Folder; readonly name: string };

/** The files that a walk announces: none, all as added, or as changed those touched since a time (epoch ms). */
type Announced = 'nothing' | 'all' | { readonly since: number };

/** The kernel queues 16,384 events. After a turn with more than this, the known state is compared with the disk again. */
const maxTrustedEvents = 4096;
/** In a turn with more events than this (a checkout perhaps) no file is read. */
const maxEventsWithReads = 64;

/** In a walk that takes longer, devwatch hears a signal. */
const maxBlockedMs = 300;

export class InotifyWatcher implements Watcher {
  readonly armed: Promise<Coverage>;
  readonly #options: WatchOptions;
  readonly #tree = new FolderTree();
  readonly #links: Links<Place>;
  /** See `isWritten`; emptied after each turn of the loop. */
  readonly #suspects = new Set<string>();
  #isClosed = false;
  #failure: unknown;
  /** Epoch ms; every change before it has been announced. */
  #completeUntil: number;
  /** Number of events in this turn of the loop. */
  #events = 0;
  /** Walks that are under way or wait for their turn. */
  #walks = 0;
  #lastWalk: Promise<void> = Promise.resolve();
  #resyncIsDue = false;
  #isResyncing = false;
  #hasWarned = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#completeUntil = options.since;
    this.#links = new Links({
      ...options,
      open: (folder) => this.#open(folder),
      onTarget: (type, place) => this.#onTarget(type, place),
      onUncertain: () => this.#resync(),
    });
    this.armed = this.#arm();
  }

  async #arm(): Promise<Coverage> {
    await this.#queue(() => this.#establish({ since: this.#options.since }));
    if (this.#failure !== undefined) throw this.#failure;
    const folders = [...this.#tree.all()];
    const files = folders.reduce((count, folder) => count + folder.files.size, 0);
    return { backend: 'inotify', directories: folders.length, files };
  }

  files(): Iterable<string> {
    return this.#tree.files();
  }

  isResyncing(): boolean {
    return this.#isResyncing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#dropAll();
  }

  /** Covers every root, or where one is missing the nearest folder above it. */
  async #establish(announced: Announced): Promise<void> {
    // Parents come first: their walk covers what lies in them.
    const tops = this.#options.filter.roots.map(nearestFolder).sort();
    for (const wanted of tops) {
      for (let top = wanted; !this.#tree.covers(top); ) {
        await inSlices(this.#walk(top, undefined, announced), () => this.#isClosed);
        // If the folder has vanished, take the one above it; else it cannot be read, or everything is closed.
        const nearest = nearestFolder(wanted);
        if (nearest === top) break;
        top = nearest;
      }
    }
  }

  /** Adds a folder and everything below it to the tree, one folder per step. */
  *#walk(top: string, parent: Folder | undefined, announced: Announced): Generator<void> {
    const queue = [{ folderPath: top, parent }];
    for (let next = queue.pop(); next !== undefined && !this.#isClosed; next = queue.pop()) {
      const { folderPath, parent } = next;
      // An event between two steps may have dropped the parent, or added the folder.
      if (parent?.folders.has(path.basename(folderPath)) === true) continue;
      const folder = parent?.isDropped === true ? undefined : this.#subscribe(folderPath, parent);
      if (folder === undefined) this.#links.unfollow(folderPath);
      else for (const subfolder of this.#list(folder, announced)) queue.push({ folderPath: subfolder, parent: folder });
      yield;
    }
  }

  /** Subscribes to one folder and adds it to the tree. Returns undefined when it has vanished or cannot be read. */
  #subscribe(folderPath: string, parent: Folder | undefined): Folder | undefined {
    const subscription = this.#open(folderPath, 'buffer');
    if (subscription === undefined) return undefined;
    const folder = this.#tree.add(folderPath, subscription, parent);
    subscription.on('change', (type, name) =>
      this.#onEvent(folder, type, Buffer.isBuffer(name) ? decodeName(name) : name),
    );
    return folder;
  }

  #open(folderPath: string, encoding: BufferEncoding | 'buffer' = 'utf8'): fs.FSWatcher | undefined {
    try {
      // A watched folder that vanishes may report an error; what it means arrives as an event as well.
      return fs.watch(rawPath(folderPath), { encoding: encoding as BufferEncoding }).on('error', () => {});
    } catch (error) {
      if (isExhausted(error)) this.#fail(error);
      else if (codeOf(error) === 'EACCES' && !this.#hasWarned) {
        this.#hasWarned = true;
        this.#options.onWarning(`${folderPath} cannot be read: changes in it are not seen`);
      }
      return undefined;
    }
  }

  /** Adds the relevant files of a folder, and returns its relevant subfolders. */
  #list(folder: Folder, announced: Announced): string[] {
    const { filter, onChange } = this.#options;
    const subfolders: string[] = [];
    for (const entry of entriesOf(folder.path)) {
      // Most names are rejected here, before a path is made of them.
      if (entry.isFile() && !filter.mayAccept(entry.name)) continue;
      const full = joinPath(folder.path, entry.name);
      const kind = this.#kindOf(folder, entry.name, entry);
      if (kind === 'folder' && filter.mayContain(full)) subfolders.push(full);
      else if (kind === 'covered') folder.covered.set(entry.name, realPathOf(full));
      if (kind !== 'file' || !filter.accepts(full)) continue;
      folder.files.set(entry.name, undefined);
      if (announced === 'all') onChange({ kind: 'add', path: full });
      else if (announced !== 'nothing') this.#examineSince(folder, entry.name, announced.since);
    }
    return subfolders;
  }

  #kindOf(folder: Folder, name: string, entry: fs.Dirent | fs.Stats): 'file' | 'folder' | 'covered' | 'other' {
    if (entry.isFile()) return 'file';
    if (entry.isDirectory()) return 'folder';
    return entry.isSymbolicLink() ? this.#links.add(joinPath(folder.path, name), { folder, name }) : 'other';
  }

  /** Handles an event of a link's target as an event of the link. */
  #onTarget(type: string, { folder, name }: Place): void {
    if (folder.isDropped) return;
    if (type === 'rename') this.#onEvent(folder, type, name);
    else if (folder.files.has(name)) this.#options.onChange({ kind: 'change', path: joinPath(folder.path, name) });
  }

  #onEvent(folder: Folder, type: string, name: string | null): void {
    if (folder.isDropped) return;
    if (this.#events === 0) setImmediate((startedAt) => this.#endTurn(startedAt), Date.now());
    this.#events += 1;
    if (name === null) this.#resync();
    else if (type === 'change') this.#onWrite(folder, name);
    else this.#onRename(folder, name);
  }

  #onWrite(folder: Folder, name: string): void {
    const full = joinPath(folder.path, name);
    if (!folder.files.has(name)) {
      this.#options.onIgnored?.(full);
      return;
    }
    const stats = statsOf(full);
    if (!isWritten(full, folder.files.get(name), stats, this.#suspects)) return;
    this.#options.onChange({ kind: 'change', path: full });
    this.#examine(folder, name, full, stats);
  }

  /** A name was created or removed, or now stands for something else. */
  #onRename(folder: Folder, name: string): void {
    const { filter, onChange, onIgnored } = this.#options;
    const full = joinPath(folder.path, name);
    // A topmost folder may be gone, or be another one by now; for any other folder its parent has the event.
    const isTop = name === path.basename(folder.path) && this.#tree.tops.get(folder.path) === folder;
    if (isTop && !isStill(folder, statsOf(folder.path))) this.#resync();
    // The folder has become another checkout, or is none any more.
    if (name === '.git') {
      filter.otherCheckouts?.forget();
      if (this.#tree.tops.get(folder.path) !== folder) this.#resync();
    }
    const stats = statsOf(full, fs.lstatSync);
    const known = folder.folders.get(name);
    if (known !== undefined) {
      if (isStill(known, stats)) return;
      folder.folders.delete(name);
      this.#drop(known, true);
    }
    if (stats === undefined) this.#links.remove(full);
    const kind = stats === undefined ? 'missing' : this.#kindOf(folder, name, stats);
    if (kind === 'file' && filter.accepts(full)) {
      onChange({ kind: folder.files.has(name) ? 'change' : 'add', path: full });
      this.#examine(folder, name, full, statsOf(full));
    } else if (kind === 'covered') {
      const target = realPathOf(full);
      if (!folder.covered.has(name)) onChange({ kind: 'add', path: full });
      else if (folder.covered.get(name) !== target) onChange({ kind: 'change', path: full });
      folder.covered.set(name, target);
    } else {
      if (folder.files.delete(name) || folder.covered.delete(name)) onChange({ kind: 'unlink', path: full });
      else if (kind === 'file') onIgnored?.(full);
      if (kind === 'folder' && filter.mayContain(full)) this.#enter(full, folder);
    }
  }

  /** Walks a new folder, in one go: an event about the subtree must find it complete. The rest of a huge one waits its turn. */
  #enter(full: string, parent: Folder): void {
    const endsAt = Date.now() + maxBlockedMs;
    for (const _ of this.#walk(full, parent, 'all')) {
      if (Date.now() <= endsAt) continue;
      this.#resync();
      return;
    }
  }

  #examine(folder: Folder, name: string, full: string, stats: fs.Stats | undefined): void {
    folder.files.set(name, baselineOf(full, stats, this.#events <= maxEventsWithReads));
  }

  #drop(folder: Folder, announce: boolean): void {
    folder.isDropped = true;
    folder.subscription.close();
    if (announce) this.#links.unfollow(folder.path);
    const announced = announce ? folder.files.keys() : [];
    for (const name of announced) this.#options.onChange({ kind: 'unlink', path: joinPath(folder.path, name) });
    for (const subfolder of folder.folders.values()) this.#drop(subfolder, announce);
  }

  #dropAll(): void {
    for (const folder of this.#tree.tops.values()) this.#drop(folder, false);
    this.#tree.tops.clear();
    this.#links.clear();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    void this.close();
    this.#options.onExhausted?.(error, this.#completeUntil);
  }

  /** Announces the known files that were touched at or after `since` (epoch ms), one folder per step. */
  *#announceSince(since: number, before: ReadonlyMap<string, Baseline>): Generator<void> {
    for (const folder of [...this.#tree.all()]) {
      for (const name of folder.files.keys()) this.#examineSince(folder, name, since, before);
      yield;
    }
  }

  /**
   * Records the state of a known file, and announces it when it was touched at or after `since` (epoch ms), unless its
   * content is known `before`: the last change that was announced may be as young.
   */
  #examineSince(folder: Folder, name: string, since: number, before?: ReadonlyMap<string, Baseline>): void {
    const full = joinPath(folder.path, name);
    const stats = statsOf(full);
    const known = before?.get(full);
    folder.files.set(name, baselineOf(full, stats, false));
    // ctime, unlike mtime, also moves when a rename puts an older file in place.
    if (stats === undefined || stats.ctimeMs < since - timestampSlackMs) return;
    if (known?.fingerprint !== undefined && !isWritten(full, known, stats, new Set())) folder.files.set(name, known);
    else this.#options.onChange({ kind: 'change', path: full });
  }

  #endTurn(startedAt: number): void {
    if (this.#events > maxTrustedEvents) this.#resync();
    this.#events = 0;
    this.#suspects.clear();
    if (this.#walks === 0) this.#completeUntil = startedAt;
  }

  /** Walks everything again, and announces all differences from the known state and all changes that may have been missed. */
  #resync(): void {
    if (this.#resyncIsDue) return;
    this.#resyncIsDue = true;
    this.#isResyncing = true;
    const since = this.#completeUntil;
    void this.#queue(async () => {
      this.#resyncIsDue = false;
      const before = new Set(this.#tree.paths());
      const contents = recentContents(this.#tree);
      this.#dropAll();
      await this.#establish('nothing');
      if (this.#isClosed) return;
      const after = new Set(this.#tree.paths());
      for (const file of before) if (!after.has(file)) this.#options.onChange({ kind: 'unlink', path: file });
      for (const file of after) if (!before.has(file)) this.#options.onChange({ kind: 'add', path: file });
      await inSlices(this.#announceSince(since, contents), () => this.#isClosed);
      this.#isResyncing = this.#resyncIsDue;
    });
  }

  /** Runs walks that take several turns one after the other. */
  #queue(walk: () => Promise<void>): Promise<void> {
    this.#walks += 1;
    this.#lastWalk = this.#lastWalk.then(async () => {
      if (!this.#isClosed) await walk();
      this.#walks -= 1;
    });
    return this.#lastWalk;
  }
}

/** Returns the states of the files (by absolute path) of which the content is known, because they were written a moment ago. */
function recentContents(tree: FolderTree): Map<string, Baseline> {
  const contents = new Map<string, Baseline>();
  for (const folder of tree.all()) {
    for (const [name, baseline] of folder.files) {
      if (baseline?.fingerprint !== undefined) contents.set(joinPath(folder.path, name), baseline);
    }
  }
  return contents;
}
