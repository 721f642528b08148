/** Follows a log that another process writes, rotates and clears at the same time. */

import fs from 'node:fs';
import path from 'node:path';
import { type CancelTimer, type Clock, systemClock } from '../shared/clock.ts';
import { ifExists, isSameFile } from './log-file.ts';
import {
  blockBytes,
  closeAll,
  type OpenFile,
  openAll,
  readAt,
  splitBytes,
  type TailOptions,
  tailOf,
} from './log-reader.ts';

export interface FollowOptions extends TailOptions {
  /** Called with each line, without its line feed; the next one follows when the returned promise has settled. */
  readonly onLine: (line: Buffer) => void | Promise<void>;
  /** Ends the following. */
  readonly signal: AbortSignal;
  /** Times the polls where the folder cannot be watched. */
  readonly clock?: Clock | undefined;
}

/** Lines that are longer are passed on in pieces. */
const maxLineBytes = 1024 * 1024;
/** This many bytes before the current position show whether the file is still the same up to there. */
const contextBytes = 256;
const pollIntervalMs = 500;

/**
 * Passes on the last lines, and then each line that is added, until it is aborted: through rotation, clearing,
 * removal and re-creation. A line is passed on when it is complete.
 *
 * @throws UsageError if a file is a link or belongs to another user
 */
export async function followLog(file: string, options: FollowOptions): Promise<void> {
  await new LogFollower(file, options).run();
}

class LogFollower {
  readonly #file: string;
  readonly #options: FollowOptions;
  readonly #signal: AbortSignal;
  readonly #changes: FileChanges;
  #source: OpenFile | undefined;
  /** Kept open, so that their inode numbers are not reused for newer files. */
  #older: OpenFile[] = [];
  #offset = 0;
  /** The bytes before the offset. */
  #context: Buffer = Buffer.alloc(0);
  /** The beginning of a line that is not complete yet. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: string, options: FollowOptions) {
    this.#file = file;
    this.#options = options;
    this.#signal = options.signal;
    this.#changes = new FileChanges(file, options.clock ?? systemClock);
  }

  async run(): Promise<void> {
    const signal = this.#signal;
    const stop = (): void => this.#changes.notify();
    signal.addEventListener('abort', stop);
    try {
      this.#changes.watch(); // Before the first read, so that no change is missed.
      if (!signal.aborted) await this.#start();
      while (!signal.aborted) {
        const exists = await this.#catchUp();
        if (!signal.aborted) await this.#changes.next(exists);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#changes.close();
      await closeAll(this.#source === undefined ? this.#older : [this.#source, ...this.#older]);
    }
  }

  async #start(): Promise<void> {
    const files = await openAll(this.#file);
    [this.#source, ...this.#older] = files;
    const source = this.#source;
    if (source === undefined) return;
    const tail = await tailOf(files, this.#options);
    this.#rest = tail.rest;
    this.#offset = source.stats.size;
    const length = Math.min(contextBytes, this.#offset);
    this.#context = await readAt(source, this.#offset - length, length);
    await this.#pass(tail.lines);
  }

  async #pass(lines: readonly Buffer[]): Promise<void> {
    for (const line of lines) {
      if (this.#signal.aborted) return;
      await this.#options.onLine(line);
    }
  }

  /** Reads everything there is, file after file; returns whether the newest file exists. */
  async #catchUp(): Promise<boolean> {
    for (;;) {
      const stats = await ifExists(fs.promises.lstat(this.#file));
      const source = this.#source;
      if (stats === undefined || this.#signal.aborted || (source !== undefined && isSameFile(stats, source.stats))) {
        await this.#drain();
        return stats !== undefined;
      }
      if (!(await this.#moveOn())) return true;
    }
  }

  /** Reads to the end of the current file. */
  async #drain(): Promise<void> {
    while (this.#source !== undefined && !this.#signal.aborted) {
      const known = this.#context.length;
      const bytes = await readAt(this.#source, this.#offset - known, known + blockBytes);
      if (!bytes.subarray(0, known).equals(this.#context)) {
        // The file was emptied, and may have been written to since.
        this.#rewind();
        this.#rest = Buffer.alloc(0);
        continue;
      }
      const added = bytes.subarray(known);
      if (added.length === 0) return;
      this.#offset += added.length;
      this.#context = Buffer.from(bytes.subarray(-contextBytes));
      const lines = splitBytes(Buffer.concat([this.#rest, added]));
      const isTooLong = (lines.at(-1)?.length ?? 0) > maxLineBytes;
      this.#rest = Buffer.from(isTooLong ? '' : (lines.pop() ?? ''));
      await this.#pass(lines);
    }
  }

  #rewind(): void {
    this.#offset = 0;
    this.#context = Buffer.alloc(0);
  }

  /** Continues with the files that are newer than the current one; returns whether there are any. */
  async #moveOn(): Promise<boolean> {
    const files = await openAll(this.#file);
    const newer = this.#newerOf(files);
    const last = newer.at(-1);
    const passed = this.#source === undefined ? this.#older : [this.#source, ...this.#older];
    let at = files.length;
    try {
      await this.#drain();
      if (last === undefined) return false;
      at = files.indexOf(last);
      for (const next of newer) {
        this.#source = next;
        this.#rewind();
        await this.#drain();
      }
    } finally {
      if (at === files.length) await closeAll(files);
      else {
        this.#older = this.#source === last ? files.slice(at + 1) : files.slice(at);
        await closeAll([...passed, ...files.slice(0, at)]);
      }
    }
    return true;
  }

  /** Returns the files that were written after the current one, the oldest first. */
  #newerOf(files: readonly OpenFile[]): OpenFile[] {
    const source = this.#source;
    const position = files.findIndex(({ stats }) => source !== undefined && isSameFile(stats, source.stats));
    return (
      files
        .filter(({ stats }, index) =>
          position >= 0 ? index < position : !this.#older.some((known) => isSameFile(known.stats, stats)),
        )
        // Until the next file holds something, the writer may still append to this one.
        .filter(({ stats }) => stats.size > 0)
        .reverse()
    );
  }
}

/** Waits for changes of a file: watches its folder, because a file that is replaced has another inode; else polls. */
class FileChanges {
  readonly #folder: string;
  readonly #name: string;
  readonly #clock: Clock;
  #watcher: fs.FSWatcher | undefined;
  /** Inode of the folder that is watched. */
  #inode: number | undefined;
  #cancelPoll: CancelTimer | undefined;
  #hasChanged = false;
  #wake = (): void => {};

  constructor(file: string, clock: Clock) {
    this.#folder = path.dirname(file);
    this.#name = path.basename(file);
    this.#clock = clock;
  }

  watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      const watcher = fs.watch(this.#folder, (_, changed) => {
        // This may be the folder itself; a removed folder does not report its successor.
        if (changed === path.basename(this.#folder)) this.#unwatch();
        else if (changed !== null && !changed.startsWith(this.#name)) return;
        this.notify();
      });
      this.#watcher = watcher;
      this.#inode = this.#folderInode();
      watcher.on('error', () => {
        if (this.#watcher === watcher) this.#unwatch();
        this.notify();
      });
    } catch {
      // The folder does not exist, or there are no watches left: `next` polls.
    }
  }

  notify(): void {
    this.#hasChanged = true;
    this.#wake();
  }

  /** Resolves when something may have changed since the last call. */
  async next(exists: boolean): Promise<void> {
    if (this.#folderInode() !== this.#inode) this.#unwatch();
    if (this.#watcher === undefined) {
      this.watch();
      // Something may have changed before that.
      if (this.#watcher !== undefined) this.#hasChanged = true;
    }
    if (!this.#hasChanged) {
      // The kernel does not report that the folder was removed while a file in it, removed before, is still open.
      if (this.#watcher === undefined || !exists)
        this.#cancelPoll = this.#clock.after(pollIntervalMs, () => this.notify());
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#cancelPoll?.();
    }
    this.#hasChanged = false;
  }

  close(): void {
    this.#unwatch();
    this.#cancelPoll?.();
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #folderInode(): number | undefined {
    return fs.statSync(this.#folder, { throwIfNoEntry: false })?.ino;
  }
}
