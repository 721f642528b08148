/** Reads a log that another process writes, rotates and clears meanwhile. */

import fs from 'node:fs';
import path from 'node:path';
import { type CancelTimer, type Clock, systemClock } from '../shared/clock.ts';
import { explain, ifThere, isSame, reading, refuse, rotatedNumbers } from './log-writer.ts';

export interface TailOptions {
  /** How many lines at most; Infinity for all. */
  readonly lines: number;
  /** Leaves out lines with an earlier timestamp, and files last written before where lines have none. */
  readonly since?: Date | undefined;
}

export interface FollowOptions extends TailOptions {
  /** Gets each line once, without its newline; the next one comes when what it returns has settled. */
  readonly onLine: (line: Buffer) => void | Promise<void>;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** For the times between looks where there is nothing to watch. */
  readonly clock?: Clock | undefined;
}

interface Opened {
  readonly handle: fs.promises.FileHandle;
  readonly stats: fs.Stats;
}

const block = 64 * 1024;
/** A line that grows longer than this, in bytes, is handed over in pieces. */
const longestLine = 1024 * 1024;
/** So many bytes before the place read last show whether the file is still the same up to there. */
const memory = 256;
/** Between two looks, in ms, where nothing can be watched. */
const pollInterval = 500;
const newline = 10;

/**
 * The last lines of a log and its rotated files, without their newlines, the oldest first.
 * Reads no more than it takes. A log that is not there has none.
 * @throws UsageError when a file is a link or somebody else's.
 */
export async function readTail(file: string, options: TailOptions): Promise<Buffer[]> {
  const files = await openAll(file);
  try {
    const { lines, rest } = await tailOf(files, options);
    if (rest.length > 0 && isRecent(rest, options.since)) lines.push(rest);
    return options.lines > 0 ? lines.slice(-options.lines) : [];
  } finally {
    await closeAll(files);
  }
}

/**
 * Hands over the last lines, and then each one that is added, until it is aborted: through rotation,
 * clearing, removal and re-creation. A line is handed over when it has ended.
 * @throws UsageError when a file is a link or somebody else's.
 */
export async function followLog(file: string, options: FollowOptions): Promise<void> {
  const { onLine, signal, clock = systemClock } = options;
  let source: Opened | undefined;
  /** Kept open, for a file that is open keeps its inode number, and no newer file can be taken for it. */
  let older: Opened[] = [];
  let offset = 0;
  /** What stands before `offset` in the file, and what of it has been no line yet. */
  let before: Buffer = Buffer.alloc(0);
  let rest: Buffer = Buffer.alloc(0);

  async function start(): Promise<void> {
    const files = await openAll(file);
    [source, ...older] = files;
    if (source === undefined) return;
    const tail = await tailOf(files, options);
    rest = tail.rest;
    offset = source.stats.size;
    const length = Math.min(memory, offset);
    before = await readAt(source, offset - length, length);
    await hand(tail.lines);
  }

  async function hand(lines: readonly Buffer[]): Promise<void> {
    for (const line of lines) {
      if (signal.aborted) return;
      await onLine(line);
    }
  }

  /** Reads to the end of the file. */
  async function drain(): Promise<void> {
    while (source !== undefined && !signal.aborted) {
      const bytes = await readAt(source, offset - before.length, before.length + block);
      if (bytes.length < before.length || !bytes.subarray(0, before.length).equals(before)) {
        // Emptied, and perhaps written anew.
        offset = 0;
        before = Buffer.alloc(0);
        rest = Buffer.alloc(0);
        continue;
      }
      const added = bytes.subarray(before.length);
      if (added.length === 0) return;
      offset += added.length;
      before = Buffer.from(bytes.subarray(-memory));
      const lines = splitLines(Buffer.concat([rest, added]));
      rest = Buffer.from(lines.pop() ?? '');
      await hand(lines);
      if (rest.length > longestLine) {
        const piece = rest;
        rest = Buffer.alloc(0);
        await hand([piece]);
      }
    }
  }

  /** Reads all there is, file after file; returns whether the newest file exists. */
  async function catchUp(): Promise<boolean> {
    for (;;) {
      const stats = await ifThere(fs.promises.lstat(file));
      if (stats === undefined || signal.aborted || (source !== undefined && isSame(stats, source.stats))) {
        await drain();
        return stats !== undefined;
      }
      if (!(await moveOn())) return true;
    }
  }

  /** Goes on to what was written after the file that is being read; returns whether there was any. */
  async function moveOn(): Promise<boolean> {
    const files = await openAll(file);
    const position = files.findIndex(({ stats }) => source !== undefined && isSame(stats, source.stats));
    const newer = files
      .filter(({ stats }, index) =>
        position >= 0 ? index < position : !older.some((known) => isSame(known.stats, stats)),
      )
      // Until the next file holds something, the writer may still be at work on this one.
      .filter(({ stats }) => stats.size > 0)
      .reverse();
    const last = newer.at(-1);
    const passed = source === undefined ? older : [source, ...older];
    let at = files.length;
    try {
      await drain();
      if (last === undefined) return false;
      at = files.indexOf(last);
      for (const next of newer) {
        source = next;
        offset = 0;
        before = Buffer.alloc(0);
        await drain();
      }
    } finally {
      if (at === files.length) await closeAll(files);
      else {
        older = source === last ? files.slice(at + 1) : files.slice(at);
        await closeAll([...passed, ...files.slice(0, at)]);
      }
    }
    return true;
  }

  const watch = createLookout(file, clock);
  const stop = (): void => watch.wake();
  signal.addEventListener('abort', stop);
  try {
    watch.arm(); // Before the first look, so that nothing comes between.
    if (!signal.aborted) await start();
    while (!signal.aborted) {
      const exists = await catchUp();
      if (!signal.aborted) await watch.next(exists);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    watch.close();
    await closeAll(source === undefined ? older : [source, ...older]);
  }
}

interface Lookout {
  arm(): void;
  wake(): void;
  /** Something may have happened since the last call. */
  next(exists: boolean): Promise<void>;
  close(): void;
}

/** Watches the folder, for a file that is replaced has another inode; looks from time to time where that cannot be. */
function createLookout(file: string, clock: Clock): Lookout {
  const folder = path.dirname(file);
  const name = path.basename(file);
  let watcher: fs.FSWatcher | undefined;
  /** Of the folder that is watched. */
  let inode: number | undefined;
  let timer: CancelTimer | undefined;
  let awake = false;
  let wakeUp = (): void => {};

  function wake(): void {
    awake = true;
    wakeUp();
  }

  const folderInode = (): number | undefined => fs.statSync(folder, { throwIfNoEntry: false })?.ino;

  function disarm(): void {
    watcher?.close();
    watcher = undefined;
  }

  function arm(): void {
    if (watcher !== undefined) return;
    try {
      const armed = fs.watch(folder, (_, changed) => {
        // Perhaps the folder itself, and a removed one never tells of its successor.
        if (changed === path.basename(folder)) disarm();
        else if (changed !== null && !changed.startsWith(name)) return;
        wake();
      });
      watcher = armed;
      inode = folderInode();
      armed.on('error', () => {
        if (watcher === armed) disarm();
        wake();
      });
    } catch {
      // Not there, or no more watches to be had: `next` looks now and then.
    }
  }

  return {
    arm,
    wake,
    async next(exists) {
      if (folderInode() !== inode) disarm();
      if (watcher === undefined) {
        arm();
        // What happened until it was armed has to be looked for.
        if (watcher !== undefined) awake = true;
      }
      if (!awake) {
        // The kernel does not report that the folder was removed while a file in it, removed before, is still open.
        if (watcher === undefined || !exists) timer = clock.after(pollInterval, wake);
        await new Promise<void>((resolve) => {
          wakeUp = resolve;
        });
        timer?.();
      }
      awake = false;
    },
    close() {
      disarm();
      timer?.();
    },
  };
}

/** The files of a log as they are now, the newest first. */
async function openAll(file: string): Promise<Opened[]> {
  const opened: Opened[] = [];
  // A rotation meanwhile moves files on, in the direction in which they are opened: none is missed, some come twice.
  const oldest = ((await rotatedNumbers(file)).at(-1) ?? 0) + 2;
  try {
    for (let number = 0; number <= oldest; number += 1) {
      const name = number === 0 ? file : `${file}.${number}`;
      const handle = await ifThere(fs.promises.open(name, reading).catch((error) => explain(name, error)));
      if (handle === undefined) continue;
      const stats = await handle.stat();
      const known = opened.some((other) => isSame(other.stats, stats));
      if (known) await handle.close();
      else opened.push({ handle, stats });
      refuse(name, stats);
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

async function closeAll(files: readonly Opened[]): Promise<void> {
  await Promise.all(files.map(({ handle }) => handle.close()));
}

/** The last lines that have ended, the oldest first, and what stands after them. */
async function tailOf(
  files: readonly Opened[],
  { lines, since }: TailOptions,
): Promise<{ lines: Buffer[]; rest: Buffer }> {
  const found: Buffer[] = [];
  let rest: Buffer | undefined;
  for await (const line of linesBackwards(files, since)) {
    if (rest === undefined) rest = line;
    else if (found.length >= lines || !isRecent(line, since)) break;
    else found.push(line);
    if (found.length >= lines) break;
  }
  return { lines: found.reverse(), rest: rest ?? Buffer.alloc(0) };
}

/** From the last line back; the very last is what stands after the last newline, and may be empty. */
async function* linesBackwards(files: readonly Opened[], since: Date | undefined): AsyncGenerator<Buffer> {
  /** What is known of the line that is being put together. */
  let parts: Buffer[] = [];
  let empty = true;
  for (const opened of files) {
    if (since !== undefined && opened.stats.mtimeMs < since.getTime()) break;
    for (let end = opened.stats.size; end > 0; ) {
      const start = Math.max(0, end - block);
      let bytes = await readAt(opened, start, end - start);
      empty = false;
      for (let at = bytes.lastIndexOf(newline); at >= 0; at = bytes.lastIndexOf(newline)) {
        yield Buffer.concat([bytes.subarray(at + 1), ...parts]);
        parts = [];
        bytes = bytes.subarray(0, at);
      }
      if (bytes.length > 0) parts.unshift(bytes);
      end = start;
    }
  }
  if (!empty) yield Buffer.concat(parts);
}

/** Whether a line has no timestamp, or one that is not too early. */
function isRecent(line: Buffer, since: Date | undefined): boolean {
  if (since === undefined) return true;
  const stamp = line.toString('latin1', 0, 24);
  return !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(stamp) || Date.parse(stamp) >= since.getTime();
}

/** Fewer bytes where the file ends. */
async function readAt({ handle }: Opened, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}

/** The lines without their newlines; the last one is what stands after the last newline. */
function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  lines.push(bytes.subarray(from));
  return lines;
}
