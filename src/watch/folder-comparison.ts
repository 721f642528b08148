/** Compares folders with the disk, and announces the differences from what is known. Nothing is announced twice. */

import type fs from 'node:fs';
import { codeOf } from '../shared/errors.ts';
import { readEntries, realPathOf, statsOf, timestampSlackMs } from './disk.ts';
import { type FileState, isAnother, stateOf, withAttributes } from './file-state.ts';
import type { Subscription } from './folder-events.ts';
import type * as trees from './folder-tree.ts';
import { joinPath } from './folder-tree.ts';
import type { Links } from './links.ts';
import type { WatchOptions } from './watcher.ts';

export type Folder = trees.Folder<FileState, Subscription>;

/** The place of a link in the tree. */
export type Place = { readonly folder: Folder; readonly name: string };

/** How far a folder is compared: the names in it, its files as well, or all files in it and below. */
export type Depth = 'names' | 'files' | 'all';

export interface FolderComparisonOptions extends Pick<WatchOptions, 'filter' | 'since' | 'onChange'> {
  readonly links: Links<Place>;
  /** Adds a folder to the tree, without what is in it; undefined when it cannot be watched. */
  readonly enter: (full: string, parent: Folder, isLink: boolean) => Folder | undefined;
  /** Is this folder no longer the one that is subscribed to? */
  readonly isLeft: (folder: Folder) => boolean;
  /** Called for a folder that has gone. */
  readonly onGone: (folder: Folder) => void;
  /** Called for a folder that exists but may not be read. */
  readonly onUnreadable: (folder: string) => void;
}

/** Time since a write within which a second one may leave the same time behind: the resolution of FAT. */
const maxTimestampStepMs = 2100;
/** The same where files are many: longer than the ticks of any other file system. */
const usualTimestampStepMs = 50;

export class FolderComparison {
  readonly #options: FolderComparisonOptions;
  /** The real paths of the folders that are entered through a link. */
  readonly #linked = new Map<Folder, string | undefined>();
  /** The real paths of the files that links lead to, by the path of the link. */
  readonly #targets = new Map<string, string | undefined>();
  /** In the first walk: an unknown file that was last touched before this time (epoch ms) is not announced. */
  #since: number | undefined;

  constructor(options: FolderComparisonOptions) {
    this.#options = options;
    this.#since = options.since - timestampSlackMs;
  }

  /** Ends the first walk: from now on every unknown file is new. */
  endFirstWalk(): void {
    this.#since = undefined;
  }

  isLinked(folder: Folder): boolean {
    return this.#linked.has(folder);
  }

  /** Compares what is in a folder; returns the folders in it that are to be compared completely. */
  compare(folder: Folder, depth: Depth): Folder[] {
    const entries = this.#read(folder);
    if (entries === undefined) return [];
    const next: Folder[] = [];
    const gone = new Set([...folder.files.keys(), ...folder.folders.keys(), ...folder.covered.keys()]);
    for (const entry of entries) {
      const isKnown = gone.delete(entry.name);
      if (!isKnown && entry.isFile() && !this.#options.filter.mayAccept(entry.name)) continue;
      const subfolder = this.#take(folder, entry.name, entry, depth);
      if (subfolder !== undefined) next.push(subfolder);
    }
    for (const name of gone) this.#take(folder, name, undefined, depth);
    return next;
  }

  /** Compares a known file; returns false when it is none any more. `isSingle`: few files have events in this turn. */
  check(folder: Folder, name: string, isSingle: boolean): boolean {
    const full = joinPath(folder.path, name);
    const before = folder.files.get(name);
    const stats = statsOf(full);
    if (before === undefined || stats?.isFile() !== true) return false;
    const target = this.#targets.get(full);
    const isElsewhere = target !== undefined && realPathOf(full) !== target;
    if (isElsewhere || isAnother(full, before, stats)) {
      this.#options.onChange({ kind: 'change', path: full });
      folder.files.set(name, stateOf(full, stats, isSingle ? maxTimestampStepMs : usualTimestampStepMs));
      if (isElsewhere) this.#targets.set(full, realPathOf(full));
    } else if (before.ctimeMs !== stats.ctimeMs) {
      folder.files.set(name, withAttributes(before, stats));
    }
    return true;
  }

  /** Returns the entries of a folder, none when it is gone, and undefined when they cannot be read. */
  #read(folder: Folder): fs.Dirent[] | undefined {
    try {
      return readEntries(folder.path);
    } catch (error) {
      const isGone = codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
      // Windows refuses access to a folder that is being removed.
      if (statsOf(folder.path) === undefined) this.#options.onGone(folder);
      // A folder that has been made again by now has an event in the one above.
      else if (!isGone) this.#options.onUnreadable(folder.path);
      return isGone ? [] : undefined;
    }
  }

  /** Compares what is at a name with what is known; `entry` is undefined where nothing is. Returns a folder to go on with. */
  #take(folder: Folder, name: string, entry: fs.Dirent | undefined, depth: Depth): Folder | undefined {
    const { filter, links, enter, isLeft, onChange } = this.#options;
    const full = joinPath(folder.path, name);
    const isLink = entry?.isSymbolicLink() === true;
    const kind = this.#kindOf(folder, name, entry);
    const isFolder = kind === 'folder' && filter.mayContain(full);
    const target = isFolder && isLink ? realPathOf(full) : undefined;
    const known = folder.folders.get(name);
    if (known !== undefined) {
      if (isFolder && this.#linked.get(known) === target) {
        return depth === 'all' || isLeft(known) ? known : undefined;
      }
      folder.folders.delete(name);
      this.#drop(known);
    }
    if (entry === undefined) links.remove(full);
    if (!isLink || kind !== 'file') this.#targets.delete(full);
    const isFile = kind === 'file' && filter.accepts(full) && this.#takeFile(folder, name, depth);
    if (isFile && isLink) this.#targets.set(full, realPathOf(full));
    this.#takeCovered(folder, name, kind === 'covered');
    if (!isFile && folder.files.delete(name)) onChange({ kind: 'unlink', path: full });
    const entered = isFolder ? enter(full, folder, isLink) : undefined;
    if (entered !== undefined && isLink) this.#linked.set(entered, target);
    return entered;
  }

  #kindOf(folder: Folder, name: string, entry: fs.Dirent | undefined): 'file' | 'folder' | 'covered' | 'other' {
    if (entry?.isFile()) return 'file';
    if (entry?.isDirectory()) return 'folder';
    const isLink = entry?.isSymbolicLink() === true;
    return isLink ? this.#options.links.add(joinPath(folder.path, name), { folder, name }) : 'other';
  }

  /** Announces a file that is new, or differs from what is known; returns false when it has vanished. */
  #takeFile(folder: Folder, name: string, depth: Depth): boolean {
    if (folder.files.has(name)) return depth === 'names' || this.check(folder, name, false);
    const full = joinPath(folder.path, name);
    const stats = statsOf(full);
    if (stats === undefined) return false;
    const kind = this.#since === undefined ? 'add' : 'change';
    if (stats.ctimeMs >= (this.#since ?? 0)) this.#options.onChange({ kind, path: full });
    folder.files.set(name, stateOf(full, stats, usualTimestampStepMs));
    return true;
  }

  /** Announces a link to a folder that is watched elsewhere, when it is new or gone or leads to another one. */
  #takeCovered(folder: Folder, name: string, isCovered: boolean): void {
    const { onChange } = this.#options;
    const full = joinPath(folder.path, name);
    const before = folder.covered.get(name);
    const isKnown = folder.covered.has(name);
    if (!isCovered) {
      if (folder.covered.delete(name)) onChange({ kind: 'unlink', path: full });
      return;
    }
    const target = realPathOf(full);
    folder.covered.set(name, target);
    if (this.#since !== undefined) return;
    if (!isKnown) onChange({ kind: 'add', path: full });
    else if (before !== target) onChange({ kind: 'change', path: full });
  }

  #drop(folder: Folder): void {
    folder.isDropped = true;
    folder.subscription.close();
    this.#linked.delete(folder);
    this.#options.links.unfollow(folder.path);
    for (const name of folder.files.keys()) {
      this.#options.onChange({ kind: 'unlink', path: joinPath(folder.path, name) });
    }
    for (const subfolder of folder.folders.values()) this.#drop(subfolder);
  }
}
