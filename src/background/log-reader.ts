/** Reads the end of a log, or follows it, while another process writes, rotates and clears it. */

import fs from 'node:fs';
import path from 'node:path';
import { type Clock, systemClock } from '../shared/clock.ts';
import { createDeferred } from '../shared/deferred.ts';
import { BackwardJoiner, LineJoiner, type LogLine, maxLineBytes, type StreamName, splitBytes } from './log-lines.ts';
import { ifExists, isSameFile, type OpenFile, openExisting, rotatedNumbers } from './rotating-log-file.ts';

export interface TailOptions {
  /** Whether the lines have tags. */
  readonly isTagged?: boolean;
  /** Maximum number of lines; Infinity for all. */
  readonly lines: number;
  /** Omits lines that arrived earlier, and files that were last written before, if their lines have no time. */
  readonly since?: Date | undefined;
  /** Omits the lines of the other stream. */
  readonly stream?: StreamName | undefined;
}

interface FollowOptions extends TailOptions {
  /** Called first, with the lines that `readTail` returns but for those that are incomplete. */
  readonly onTail: (lines: readonly LogLine[]) => void | Promise<void>;
  /** Called with each later line; the next one follows when the returned promise has settled. */
  readonly onLine: (line: LogLine) => void | Promise<void>;
  /** Ends the following. */
  readonly signal: AbortSignal;
  /** Times the polls where the folder cannot be watched. */
  readonly clock?: Clock | undefined;
}

const blockBytes = 64 * 1024;
/** This many bytes before the current position show whether the file is still the same up to there. */
const contextBytes = 256;
const pollIntervalMs = 500;

/**
 * Returns the last lines of a log and its rotated files, without line feeds, the oldest first; none if it is missing.
 * @throws UsageError if a file is a link or belongs to another user
 */
export async function readTail(file: string, options: TailOptions): Promise<readonly LogLine[]> {
  const files = await openAll(file);
  try {
    const { lines, rest, begun } = await tailOf(files, options);
    const joiner = new LineJoiner(options.isTagged ?? false, begun);
    const last = rest.length === 0 ? undefined : joiner.add(rest);
    const incomplete = [...(last === undefined ? [] : [last]), ...joiner.begun];
    const all = [...lines, ...incomplete.filter((line) => isMeant(line, options))];
    return options.lines > 0 ? all.slice(-options.lines) : [];
  } finally {
    await closeAll(files);
  }
}

/**
 * Passes on the last lines, and then each added line once it is complete, until it is aborted: through rotation,
 * clearing, removal and re-creation. @throws UsageError as readTail does
 */
export const followLog = (file: string, options: FollowOptions): Promise<void> => new LogFollower(file, options).run();

class LogFollower {
  readonly #file: string;
  readonly #options: FollowOptions;
  readonly #changes: FileChanges;
  #source: OpenFile | undefined;
  /** The source and older files, the newest first. Kept open, so that their inode numbers are not reused. */
  #opened: readonly OpenFile[] = [];
  #offset = 0;
  /** The bytes before the offset. */
  #context: Buffer = Buffer.alloc(0);
  /** The beginning of a line that is not complete yet. */
  #rest: Buffer = Buffer.alloc(0);
  #joiner: LineJoiner;

  constructor(file: string, options: FollowOptions) {
    this.#file = file;
    this.#options = options;
    this.#joiner = new LineJoiner(options.isTagged ?? false);
    this.#changes = new FileChanges(file, options.clock ?? systemClock);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
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
      this.#changes.unwatch();
      await closeAll(this.#opened);
    }
  }

  async #start(): Promise<void> {
    this.#opened = await openAll(this.#file);
    const [source] = this.#opened;
    const { onTail, isTagged = false } = this.#options;
    if (source === undefined) return void (await onTail([]));
    this.#source = source;
    const { lines, rest, begun } = await tailOf(this.#opened, this.#options);
    this.#rest = rest;
    this.#joiner = new LineJoiner(isTagged, begun);
    this.#offset = source.stats.size;
    const length = Math.min(contextBytes, this.#offset);
    this.#context = await readAt(source, this.#offset - length, length);
    await onTail(lines);
  }

  async #pass(lines: readonly Buffer[]): Promise<void> {
    for (const line of lines) {
      if (this.#options.signal.aborted) return;
      const joined = this.#joiner.add(line);
      if (joined !== undefined && isMeant(joined, this.#options)) await this.#options.onLine(joined);
    }
  }

  /** Reads everything there is, file after file; returns whether the newest file exists. */
  async #catchUp(): Promise<boolean> {
    for (;;) {
      const stats = await ifExists(fs.promises.lstat(this.#file));
      const source = this.#source;
      if (
        stats === undefined ||
        this.#options.signal.aborted ||
        (source !== undefined && isSameFile(stats, source.stats))
      ) {
        await this.#drain();
        return stats !== undefined;
      }
      if (!(await this.#moveOn())) return true;
    }
  }

  /** Reads to the end of the current file. */
  async #drain(): Promise<void> {
    while (this.#source !== undefined && !this.#options.signal.aborted) {
      const known = this.#context.length;
      const bytes = await readAt(this.#source, this.#offset - known, known + blockBytes);
      if (!bytes.subarray(0, known).equals(this.#context)) {
        // The file was emptied, and may have been written to since.
        this.#rewind();
        this.#rest = Buffer.alloc(0);
        this.#joiner = new LineJoiner(this.#options.isTagged ?? false);
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
    const unused = newer.length === 0 ? files : this.#opened;
    if (newer.length > 0) this.#opened = files;
    try {
      await this.#drain();
      for (const next of newer) {
        this.#source = next;
        this.#rewind();
        await this.#drain();
      }
    } finally {
      await closeAll(unused);
    }
    return newer.length > 0;
  }

  /** Returns the files that were written after the current one, the oldest first. */
  #newerOf(files: readonly OpenFile[]): OpenFile[] {
    const isIn = (list: readonly OpenFile[], { stats }: OpenFile): boolean =>
      list.some((other) => isSameFile(other.stats, stats));
    const source = this.#source;
    const position = files.findIndex((file) => source !== undefined && isIn([source], file));
    // A file that was opened as newer than the source was empty then.
    const known = source === undefined ? [] : this.#opened.slice(this.#opened.indexOf(source));
    const candidates = position >= 0 ? files.slice(0, position) : files.filter((file) => !isIn(known, file));
    // Until the next file holds something, the writer may still append to this one.
    return candidates.filter(({ stats }) => stats.size > 0).reverse();
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
  #changed = createDeferred();

  constructor(file: string, clock: Clock) {
    this.#folder = path.dirname(file);
    this.#name = path.basename(file);
    this.#clock = clock;
  }

  /** Notifies as well, because something may have changed before. */
  watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = fs.watch(this.#folder, (_, changed) => {
        // This may be the folder itself; a removed folder does not report its successor.
        if (changed === path.basename(this.#folder)) this.unwatch();
        else if (changed !== null && !changed.startsWith(this.#name)) return;
        this.notify();
      });
      this.#inode = this.#folderInode();
      this.#watcher.on('error', () => {
        this.unwatch();
        this.notify();
      });
      this.notify();
    } catch {
      // The folder does not exist, or there are no watches left: `next` polls.
    }
  }

  notify(): void {
    this.#changed.resolve();
  }

  /** Resolves when something may have changed since the last call. */
  async next(exists: boolean): Promise<void> {
    if (this.#folderInode() !== this.#inode) this.unwatch();
    this.watch();
    // The kernel does not report that the folder was removed while a file in it, removed before, is still open.
    const needsPoll = this.#watcher === undefined || !exists;
    const cancel = needsPoll ? this.#clock.after(pollIntervalMs, () => this.notify()) : undefined;
    await this.#changed.promise;
    cancel?.();
    this.#changed = createDeferred();
  }

  unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #folderInode(): number | undefined {
    return fs.statSync(this.#folder, { throwIfNoEntry: false })?.ino;
  }
}

/** Opens the files of a log as they are now, the newest first. */
async function openAll(file: string): Promise<OpenFile[]> {
  const opened: OpenFile[] = [];
  // A rotation moves files in the direction in which they are opened: none is missed, some come twice.
  const oldest = ((await rotatedNumbers(file)).at(-1) ?? 0) + 2;
  try {
    for (let number = 0; number <= oldest; number += 1) {
      const next = await openExisting(number === 0 ? file : `${file}.${number}`, fs.constants.O_RDONLY);
      if (next === undefined) continue;
      if (opened.some((other) => isSameFile(other.stats, next.stats))) await next.handle.close();
      else opened.push(next);
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

async function closeAll(files: readonly OpenFile[]): Promise<void> {
  await Promise.all(files.map(({ handle }) => handle.close()));
}

/** The last complete lines, the oldest first; the unfinished line after them; the lines that have begun and go on. */
interface Tail {
  readonly lines: LogLine[];
  readonly rest: Buffer;
  readonly begun: readonly LogLine[];
}

async function tailOf(files: readonly OpenFile[], options: TailOptions): Promise<Tail> {
  const { lines: count, since, isTagged = false, stream } = options;
  const joiner = new BackwardJoiner(isTagged, stream);
  let rest: Buffer | undefined;
  // The entry before the first line may be the beginning of it.
  const enough = isTagged ? count + 1 : count;
  for await (const line of linesBackwards(files, since)) {
    if (rest === undefined) rest = line;
    else if (!isRecent(joiner.add(line), since)) break;
    if (joiner.lines.length >= enough) break;
  }
  const meant = joiner.lines.filter((line) => isMeant(line, options));
  return { lines: meant.slice(0, count).reverse(), rest: rest ?? Buffer.alloc(0), begun: joiner.begun };
}

/** Yields lines from the last one back; the first is what follows the last line feed, and may be empty. */
async function* linesBackwards(files: readonly OpenFile[], since: Date | undefined): AsyncGenerator<Buffer> {
  /** Known parts of the current line. */
  let parts: Buffer[] = [];
  for (const opened of files) {
    if (since !== undefined && opened.stats.mtimeMs < since.getTime()) break;
    for (let end = opened.stats.size; end > 0; ) {
      const start = Math.max(0, end - blockBytes);
      const [first = Buffer.alloc(0), ...lines] = splitBytes(await readAt(opened, start, end - start));
      for (const line of lines.reverse()) {
        yield Buffer.concat([line, ...parts]);
        parts = [];
      }
      parts.unshift(first);
      end = start;
    }
  }
  yield Buffer.concat(parts);
}

/** A line without a time is recent: that of its file counts. */
const isRecent = (time: number | undefined, since: Date | undefined): boolean =>
  since === undefined || time === undefined || time >= since.getTime();

const isMeant = ({ time, stream }: LogLine, { since, ...options }: TailOptions): boolean =>
  isRecent(time, since) && (options.stream === undefined || stream === undefined || stream === options.stream);

/** Returns fewer bytes where the file ends. */
async function readAt({ handle }: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
