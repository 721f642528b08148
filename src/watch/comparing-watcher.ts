/**
 * The backend of macOS and Windows: events only tell where to look, and what has changed is found by comparing the disk
 * with what is known. So events may come late, twice, merged into one of a folder, in other spellings, or without a
 * name (see folder-events.ts). The events of inotify are exact and need less: see inotify.ts.
 *
 * An event of a known file compares this file. Any other event compares the names in its folder, once per turn of the
 * event loop; one that may stand for others compares everything below.
 */

import fs from 'node:fs';
import path from 'node:path';
import { type Clock, systemClock } from '../shared/clock.ts';
import { codeOf } from '../shared/errors.ts';
import { watchFolder } from '../shared/watch-folder.ts';
import { inSlices, isExhausted, statsOf } from './disk.ts';
import type { FileState } from './file-state.ts';
import { type Depth, type Folder, FolderComparison, type Place } from './folder-comparison.ts';
import type { FolderEvents, Subscription } from './folder-events.ts';
import { FolderTree, identityOf, isStill, joinPath, nearestFolder } from './folder-tree.ts';
import { Links } from './links.ts';
import { Looks } from './looks.ts';
import { isAtOrBelow, toPosix } from './paths.ts';
import { isShortened, spellingIn } from './spellings.ts';
import type { Coverage, Watcher, WatchOptions } from './watcher.ts';

/** In a folder below one whose subscription covers it. */
const covered: Subscription = { coversBelow: true, close() {} };
/** Where none can be had. */
const noSubscription: Subscription = { coversBelow: false, close() {} };

const rank: Readonly<Record<Depth, number>> = { names: 0, files: 1, all: 2 };

/** In a turn with more events than this (a checkout perhaps) hardly any file is read. */
const maxEventsWithReads = 64;
/** A subscription that fails sooner than this after it was opened is not opened once more. */
const minLifeMs = 1000;
/** Longest time that an event takes to arrive, under load. */
const maxEventDelayMs = 5000;

export class ComparingWatcher implements Watcher {
  readonly armed: Promise<Coverage>;
  readonly #options: WatchOptions;
  readonly #events: FolderEvents;
  readonly #clock: Clock;
  readonly #tree = new FolderTree<FileState, Subscription>();
  readonly #links: Links<Place>;
  readonly #comparison: FolderComparison;
  readonly #looks: Looks;
  readonly #endInterruptions: () => void;
  /** Folders that are to be compared. */
  readonly #dirty = new Map<Folder, Depth>();
  /** Number of events in this turn of the loop. */
  #eventsInTurn = 0;
  /** Epoch ms; every change before it has been announced. */
  #completeUntil: number;
  #isComparing = false;
  #isClosed = false;
  #failure: unknown;
  #hasWarned = false;

  constructor(options: WatchOptions, events: FolderEvents, clock: Clock = systemClock) {
    this.#options = options;
    this.#events = events;
    this.#clock = clock;
    this.#completeUntil = options.since;
    this.#looks = new Looks({ clock, beginsAfterMs: events.beginsAfterMs, onLook: () => this.#compareAll() });
    this.#links = new Links({
      ...options,
      open: (folder) => this.#openTarget(folder),
      onTarget: (type, { folder, name }) => this.#onEvent(folder, type, [name]),
      onUncertain: () => {
        this.#links.forgetTargets();
        this.#compareAll();
      },
    });
    this.#comparison = new FolderComparison({
      ...options,
      links: this.#links,
      enter: (full, parent, isLink) => this.#enter(full, parent, isLink),
      isLeft: (folder) => this.#isLeft(folder),
      onGone: (folder) => this.#leave(folder),
      onUnreadable: (folder) => this.#warnUnreadable(folder),
    });
    this.#endInterruptions = events.onInterruption(() => this.#looks.begin());
    this.armed = this.#arm();
  }

  async #arm(): Promise<Coverage> {
    this.#isComparing = true;
    // Parents come first: their walk covers what lies in them.
    for (const wanted of this.#options.filter.roots.map(nearestFolder).sort()) {
      for (let top = wanted; !this.#tree.covers(top) && !this.#isClosed; ) {
        const folder = this.#enter(top, undefined, false);
        if (folder !== undefined) await this.#compare(folder, 'names');
        // If the folder has vanished, take the one above it; else it cannot be read.
        const nearest = nearestFolder(wanted);
        if (nearest === top) break;
        top = nearest;
      }
    }
    this.#comparison.endFirstWalk();
    await this.#compareDirty();
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isClosed) this.#looks.begin();
    const folders = [...this.#tree.all()];
    const files = folders.reduce((count, folder) => count + folder.files.size, 0);
    return { backend: this.#events.backend, directories: folders.length, files };
  }

  files(): Iterable<string> {
    return this.#tree.files();
  }

  isResyncing(): boolean {
    return this.#isComparing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endInterruptions();
    this.#looks.close();
    for (const folder of this.#tree.all()) {
      folder.isDropped = true;
      folder.subscription.close();
    }
    this.#tree.tops.clear();
    this.#links.clear();
  }

  /** Adds a folder to the tree, without what is in it. Returns undefined when it has vanished or cannot be watched. */
  #enter(full: string, parent: Folder | undefined, isLink: boolean): Folder | undefined {
    if (parent !== undefined && this.#events.sharesByPath && this.#options.filter.mayAccept(path.basename(full))) {
      this.#renew(parent);
    }
    let folder: Folder | undefined;
    const isCovered = !isLink && parent?.subscription.coversBelow === true;
    const subscription = isCovered ? covered : this.#subscribe(full, isLink, () => folder);
    if (subscription === undefined) this.#links.unfollow(full);
    else folder = this.#tree.add(full, subscription, parent);
    return folder;
  }

  /** @param isLink the folder lies elsewhere, so that no other subscription can cover it */
  #subscribe(full: string, isLink: boolean, folderOf: () => Folder | undefined): Subscription | undefined {
    const isTree = isLink || this.#options.filter.roots.some((root) => isAtOrBelow(full, root));
    const openedAt = this.#clock.now();
    try {
      return this.#events.open(full, isTree, {
        mayCount: (name) => this.#options.filter.mayAccept(name),
        onBegin: () => {
          const folder = folderOf();
          if (folder?.isDropped === false) this.#mark(folder, 'files');
        },
        onEvent: (type, names) => {
          const folder = folderOf();
          if (folder !== undefined) this.#onEvent(folder, type, names);
        },
        onError: (error) => {
          const folder = folderOf();
          if (folder?.isDropped === false) this.#onEnd(folder, error, this.#clock.now() - openedAt);
        },
      });
    } catch (error) {
      // A folder that was gone, and has been made again by now, has an event in the folder above.
      const isBelowRoot = isTree && !this.#options.filter.roots.includes(full);
      if (codeOf(error) === 'ENOENT' && isBelowRoot) return undefined;
      if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') this.#warnUnreadable(full);
      else if (isExhausted(error) || statsOf(full)?.isDirectory() === true) this.#fail(error);
      return undefined;
    }
  }

  /** A subscription has ended with an error. When its folder has gone, the folder above or the guard of the roots will notice. */
  #onEnd(folder: Folder, error: unknown, livedMs: number): void {
    folder.subscription.close();
    if (statsOf(folder.path) === undefined) return;
    if (isExhausted(error) || livedMs < minLifeMs) {
      this.#fail(error);
    } else {
      this.#renew(folder);
      this.#mark(folder, 'all');
    }
  }

  /** Subscribes to the folder that is now at the path. */
  #renew(folder: Folder): void {
    folder.subscription.close();
    const subscription = this.#subscribe(folder.path, this.#comparison.isLinked(folder), () => folder);
    folder.subscription = subscription ?? noSubscription;
    folder.identity = identityOf(statsOf(folder.path));
  }

  /** The folder has gone. On Windows it goes only when it is not subscribed to any more, and the one above it even later. */
  #leave(folder: Folder): void {
    if (!this.#events.bindsToFolder || folder.subscription === covered) return;
    folder.subscription.close();
    folder.identity = undefined;
  }

  #warnUnreadable(folder: string): void {
    if (this.#hasWarned || statsOf(folder) === undefined) return;
    this.#hasWarned = true;
    this.#options.onWarning(`${folder} cannot be read: changes in it are not seen`);
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isClosed) return;
    this.#failure = error;
    void this.close();
    this.#options.onExhausted?.(error, this.#completeUntil);
  }

  #openTarget(folder: string): fs.FSWatcher | undefined {
    try {
      return watchFolder(folder).on('error', () => this.#compareAll());
    } catch (error) {
      if (isExhausted(error)) this.#fail(error);
      return undefined;
    }
  }

  #onEvent(top: Folder, type: string, names: readonly string[] | undefined): void {
    if (top.isDropped || this.#isClosed) return;
    this.#looks.count();
    if (this.#eventsInTurn === 0) setImmediate((startedAt) => this.#endTurn(startedAt), Date.now());
    this.#eventsInTurn += 1;
    const last = names?.at(-1);
    const isOfTop = names?.length === 1 && last === path.basename(top.path);
    if (names === undefined || (isOfTop && this.#events.coalesces)) this.#mark(top, 'all');
    else if (last === undefined) this.#mark(top, 'names');
    if (names === undefined || last === undefined) return;
    const folder = this.#descend(top, names.slice(0, -1));
    if (folder !== undefined) this.#onName(folder, type, last);
  }

  /** Returns the known folder to which these names lead; undefined when they lead to an unknown one, which is looked for. */
  #descend(top: Folder, names: readonly string[]): Folder | undefined {
    let folder = top;
    for (const name of names) {
      const spelling = spellingIn(folder.folders, name);
      // Under another name: it may have been renamed, or is reported so.
      const isNew = spelling === undefined && this.#options.filter.mayContain(joinPath(folder.path, name));
      if (isNew || (spelling ?? name) !== name) this.#mark(folder, isShortened(name) ? 'all' : 'names');
      const next = folder.folders.get(spelling ?? '');
      if (next === undefined) return undefined;
      folder = next;
    }
    return folder;
  }

  #onName(folder: Folder, type: string, reported: string): void {
    const { filter, onIgnored } = this.#options;
    if (reported === '.git') this.#onGit(folder);
    const known = [folder.files, folder.folders, folder.covered];
    const spelling = known.map((entries) => spellingIn(entries, reported)).find((one) => one !== undefined);
    if (spelling !== undefined && spelling !== reported) this.#mark(folder, 'names');
    const name = spelling ?? reported;
    if (this.#comparison.check(folder, name, this.#eventsInTurn <= maxEventsWithReads)) return;
    const full = joinPath(folder.path, name);
    const stats = statsOf(full, fs.lstatSync);
    const subfolder = folder.folders.get(name);
    const isFolder = stats?.isDirectory() === true && subfolder !== undefined;
    if (isShortened(reported)) this.#mark(folder, 'all');
    else if (spelling === undefined && stats?.isFile() === true && !filter.accepts(full)) onIgnored?.(full);
    else if (!isFolder && (spelling !== undefined || stats !== undefined)) this.#mark(folder, 'names');
    // A folder may have been replaced by another one, of which no file has an event.
    if (subfolder !== undefined && (type === 'rename' || this.#events.coalesces)) this.#mark(subfolder, 'all');
  }

  /** The folder may have become another checkout, or be none any more. */
  #onGit(folder: Folder): void {
    const checkouts = this.#options.filter.otherCheckouts;
    const around = (): string | undefined => checkouts?.around(toPosix(folder.path)).join();
    const before = around();
    checkouts?.forget();
    if (around() !== before) this.#mark(folder, 'all');
  }

  #endTurn(startedAt: number): void {
    this.#eventsInTurn = 0;
    if (!this.#isComparing) this.#completeUntil = Math.max(this.#completeUntil, startedAt - maxEventDelayMs);
  }

  /** Compares a folder at the end of this turn. */
  #mark(folder: Folder, depth: Depth): void {
    if (rank[depth] > rank[this.#dirty.get(folder) ?? 'names']) this.#dirty.set(folder, depth);
    else if (!this.#dirty.has(folder)) this.#dirty.set(folder, depth);
    if (this.#isComparing) return;
    this.#isComparing = true;
    setImmediate(() => void this.#compareDirty());
  }

  #compareAll(): void {
    for (const top of this.#tree.tops.values()) this.#mark(top, 'all');
  }

  async #compareDirty(): Promise<void> {
    // Those that are marked in the meantime come last.
    for (const [folder, depth] of this.#dirty) {
      this.#dirty.delete(folder);
      await this.#compare(folder, depth);
    }
    this.#isComparing = false;
  }

  #compare(folder: Folder, depth: Depth): Promise<void> {
    return inSlices(this.#steps(folder, depth), () => this.#isClosed);
  }

  /** Compares one folder per step. */
  *#steps(start: Folder, depth: Depth): Generator<void> {
    const queue: [Folder, Depth][] = [[start, depth]];
    for (let next = queue.pop(); next !== undefined && !this.#isClosed; next = queue.pop()) {
      const [folder, depth] = next;
      if (folder.isDropped) continue;
      if (depth === 'all' && this.#isLeft(folder)) this.#renew(folder);
      for (const subfolder of this.#comparison.compare(folder, depth)) queue.push([subfolder, 'all']);
      yield;
    }
  }

  /** Is the folder that is subscribed to no longer the one at its path? */
  #isLeft(folder: Folder): boolean {
    return this.#events.bindsToFolder && folder.subscription !== covered && !isStill(folder, statsOf(folder.path));
  }
}
