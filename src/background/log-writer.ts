/**
 * The log of a program in the background. The program writes to a pipe that devwatch drains, so that
 * files can be rotated without asking it anything. It waits for a disk that is slower than it prints,
 * and for none that takes nothing.
 */

import fs from 'node:fs';
import path from 'node:path';
import { getSystemErrorMap, promisify } from 'node:util';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw } from '../shared/ownership.ts';

export interface LogOptions {
  /** Absolute path of the current file; rotated ones lie beside it as `file.1` (the newest), `file.2`, … */
  readonly file: string;
  /** Bytes after which a file is rotated. Default 10 MB. */
  readonly maxSize?: number | undefined;
  /** How many files there are at most, the current one among them. Default 5. */
  readonly maxFiles?: number | undefined;
  /** Whether each line begins with the time at which it came in, such as `2026-01-31T12:00:00.000Z`. */
  readonly timestamps: boolean;
  readonly clock: Clock;
  /** Something keeps the log from being written; told once per outage. */
  readonly onProblem: (message: string) => void;
}

export interface Log {
  /**
   * Queues the bytes; never throws. What does not fit into the queue is dropped, and the log says so.
   *
   * @returns where the queue is half full, what settles when there is room again, or when waiting is of no use
   */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Opens the file anew, for it was moved away. */
  reopen(): void;
  /** Writes what is queued, for at most a second. What is written after this is ignored. */
  close(): Promise<void>;
}

/** Bytes that wait for the disk at most. */
const maxQueue = 1024 * 1024;
/** A disk that takes nothing for so long, in ms, is waited for no longer. */
const longestHold = 1000;
/** How long, in ms, the beginning of a line waits for its end: only whole lines can be kept in one file. */
const partialDelay = 200;
/** From a failure to the next try, in ms. */
const retryDelay = 1000;
/** An outage is over after so many ms without trouble. */
const calm = 2 * retryDelay;
const closeDeadline = 1000;
const newline = 10;

/** Windows knows neither; O_NONBLOCK is for a named pipe, which would hold up whoever opens it. */
const guards = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);
const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT } = fs.constants;
const writing = O_RDWR | O_APPEND | O_CREAT | guards;

/** The flags with which the files are read. */
export const reading: number = O_RDONLY | guards;

const open = promisify(fs.open);
const close = promisify(fs.close);
const write = promisify(fs.write);
const fstat = promisify(fs.fstat);
const fchmod = promisify(fs.fchmod);

/**
 * Opens the log, and makes it (0600) and its folder (0700) where they are missing.
 * @throws UsageError when there can be no log, or when the path is a link or somebody else's.
 */
export function openLog(options: LogOptions): Log {
  const { file, maxSize = 10 * 1024 * 1024, maxFiles = 5, timestamps, clock, onProblem } = options;
  const longestLine = Math.max(maxSize, maxQueue);
  let current: { readonly fd: number; readonly stats: fs.Stats } | undefined;
  /** Bytes in the current file, and how many of them belong to a line that has not ended. */
  let size = 0;
  let begun = 0;
  let moved = false;

  /** What is being written, and what waits: the first `used` bytes of `pending`. */
  let flight: Buffer = Buffer.alloc(0);
  let pending: Buffer = Buffer.alloc(0);
  let used = 0;
  /** Whether what waits ends amid a line, and whether that is to be written all the same. */
  let midLine = false;
  let flush = false;

  let lost = 0;
  let lostWhy = '';
  let failure: string | undefined;
  let troubleAt = Number.NEGATIVE_INFINITY;

  let pumping: Promise<void> | undefined;
  let partialTimer: CancelTimer | undefined;
  let retryTimer: CancelTimer | undefined;
  let closing: Promise<void> | undefined;

  /** Who prints waits for room. */
  let room: { readonly waiting: Promise<void>; readonly give: () => void } | undefined;
  /** Waiting has been of no use, and will be of none until the disk takes something. */
  let hangs = false;

  const held = (): number => flight.length + used;

  function waitForRoom(): Promise<void> | undefined {
    if (held() <= maxQueue / 2 || failure !== undefined || hangs) return undefined;
    if (room !== undefined) return room.waiting;
    let give = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      give = resolve;
    });
    const cancel = clock.after(longestHold, () => {
      hangs = true;
      giveRoom();
    });
    room = {
      waiting,
      give() {
        cancel();
        give();
      },
    };
    return waiting;
  }

  function giveRoom(): void {
    room?.give();
    room = undefined;
  }

  function add(bytes: Uint8Array): void {
    if (used + bytes.length > pending.length) {
      const larger = Buffer.allocUnsafe(Math.max(used + bytes.length, Math.min(maxQueue, 2 * pending.length)));
      pending.copy(larger, 0, 0, used);
      pending = larger;
    }
    pending.set(bytes, used);
    used += bytes.length;
    if (bytes.length > 0) midLine = bytes.at(-1) !== newline;
  }

  const stamp = (): Buffer => Buffer.from(timestamps ? `${new Date().toISOString()} ` : '');

  /** Adds the lines that fit; returns how many bytes of the chunk they are. */
  function addLines(chunk: Buffer): number {
    const time = stamp();
    let from = 0;
    while (from < chunk.length) {
      const end = chunk.indexOf(newline, from) + 1 || chunk.length;
      const prefix = midLine ? 0 : time.length;
      if (held() + prefix + end - from > maxQueue) break;
      if (prefix > 0) add(time);
      add(chunk.subarray(from, end));
      from = end;
    }
    return from;
  }

  function lose(bytes: number): void {
    if (bytes === 0) return;
    if (lost === 0) lostWhy = failure ?? 'the disk is too slow';
    lost += bytes;
    trouble(lostWhy);
  }

  /** Stands in the log where the lost bytes would. */
  function tellLoss(): void {
    if (midLine) add(Buffer.of(newline));
    add(stamp());
    add(Buffer.from(`[devwatch] ${lost} ${lost === 1 ? 'byte was' : 'bytes were'} lost: ${lostWhy}\n`));
    lost = 0;
  }

  function trouble(why: string): void {
    const now = clock.now();
    if (now - troubleAt > calm) onProblem(`cannot write the log ${file}: ${why}`);
    troubleAt = now;
  }

  function start(): void {
    if (pumping !== undefined || retryTimer !== undefined) return;
    pumping = pump().finally(() => {
      pumping = undefined;
    });
  }

  async function pump(): Promise<void> {
    try {
      for (;;) {
        if (moved) await settle();
        if (!takeNext()) return;
        await settle();
        await put();
        failure = undefined;
        hangs = false;
        if (held() <= maxQueue / 2) giveRoom();
      }
    } catch (error) {
      failure = whyOf(error);
      giveRoom();
      if (lost > 0) lostWhy = failure;
      trouble(failure);
      if (closing !== undefined) return;
      retryTimer = clock.after(retryDelay, () => {
        retryTimer = undefined;
        start();
      });
    }
  }

  /** Whether there is something to write. Takes whole lines, unless the last one has waited long or has grown long. */
  function takeNext(): boolean {
    if (flight.length > 0) return true;
    if (lost > 0) tellLoss();
    const waiting = pending.subarray(0, used);
    const end = flush || used > maxQueue / 2 ? used : waiting.lastIndexOf(newline) + 1;
    flush = false;
    if (end > 0) {
      partialTimer?.();
      partialTimer = undefined;
      flight = waiting.subarray(0, end);
      pending = Buffer.from(waiting.subarray(end));
      used = pending.length;
      return true;
    }
    if (used > 0) {
      partialTimer ??= clock.after(partialDelay, () => {
        partialTimer = undefined;
        flush = true;
        start();
      });
    }
    return false;
  }

  /** Sees to it that what is open is what lies at the path, whoever has moved, removed or emptied it. */
  async function settle(): Promise<void> {
    if (current !== undefined) {
      const stats = await ifThere(fs.promises.lstat(file));
      if (!moved && stats !== undefined && isSame(stats, current.stats)) {
        if (stats.size < size) begun = 0;
        size = stats.size;
        return;
      }
    }
    moved = false;
    await shut();
    await reopenFile();
  }

  async function reopenFile(): Promise<void> {
    await fs.promises.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const fd = await open(file, writing, 0o600);
    try {
      const stats = await fstat(fd);
      refuse(file, stats);
      if ((stats.mode & 0o777) !== 0o600) await fchmod(fd, 0o600);
      current = { fd, stats };
      size = stats.size;
      begun = 0;
    } catch (error) {
      await close(fd);
      throw error;
    }
  }

  async function shut(): Promise<void> {
    const fd = current?.fd;
    current = undefined;
    if (fd !== undefined) await close(fd);
  }

  async function put(): Promise<void> {
    const length = pieceLength();
    if (length === 0) return rotate();
    if (current === undefined) throw new Error('the log is not open');
    const { bytesWritten } = await write(current.fd, flight, 0, length, null);
    if (bytesWritten === 0) throw new Error('nothing was written');
    const end = flight.subarray(0, bytesWritten).lastIndexOf(newline) + 1;
    begun = end === 0 ? begun + bytesWritten : bytesWritten - end;
    size += bytesWritten;
    flight = flight.subarray(bytesWritten);
  }

  /** How many bytes go into the current file before it is rotated. */
  function pieceLength(): number {
    const room = maxSize - size;
    if (flight.length <= room) return flight.length;
    const fitting = room > 0 ? flight.lastIndexOf(newline, room - 1) + 1 : 0;
    if (fitting > 0) return fitting;
    if (size > 0 && begun === 0) return 0;
    // A line stays in one file even if it is too long for it, but one without an end must not fill the disk.
    const line = flight.indexOf(newline) + 1 || flight.length;
    return Math.max(0, Math.min(line, longestLine - begun));
  }

  async function rotate(): Promise<void> {
    await shut();
    const numbers = await rotatedNumbers(file);
    // A rotation that was killed halfway has left a gap: what is older than that stays where it is.
    let free = 1;
    while (numbers.includes(free)) free += 1;
    for (let number = Math.min(free, maxFiles - 1); number > 1; number -= 1) {
      await ifThere(fs.promises.rename(`${file}.${number - 1}`, `${file}.${number}`));
    }
    if (maxFiles > 1) await ifThere(fs.promises.rename(file, `${file}.1`));
    else await fs.promises.rm(file, { force: true });
    for (const number of numbers) {
      if (number >= maxFiles) await fs.promises.rm(`${file}.${number}`, { force: true });
    }
    await reopenFile();
  }

  async function finish(): Promise<void> {
    giveRoom();
    partialTimer?.();
    partialTimer = undefined;
    retryTimer?.();
    retryTimer = undefined;
    flush = true;
    const written = (async () => {
      // One that has just failed is not the last try: a program's last words are worth another.
      await pumping;
      flush = true;
      start();
      await pumping;
    })();
    let stopWaiting = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      stopWaiting = clock.after(closeDeadline, resolve);
    });
    await Promise.race([written, deadline]);
    stopWaiting();
    const left = held() + lost;
    if (left > 0) onProblem(`the last ${left} bytes of the log ${file} are lost: ${failure ?? 'the disk is too slow'}`);
    // A descriptor that is still being written to must not be closed: its number would be given to another file.
    const shutting = written.then(shut).catch(() => {});
    if (left === 0) await shutting;
  }

  makeFolder(path.dirname(file));
  const first = openNow(file);
  current = { fd: first.fd, stats: first.stats };
  size = first.stats.size;
  if (first.endsAmidLine) add(Buffer.of(newline));

  return {
    write(chunk) {
      if (closing !== undefined) return undefined;
      // Once full, the queue has to empty halfway first, or the log would be all gaps.
      if (lost > 0 && held() > maxQueue / 2) {
        lose(chunk.length);
        return undefined;
      }
      if (lost > 0) tellLoss();
      lose(chunk.length - addLines(chunk));
      start();
      return waitForRoom();
    },
    reopen() {
      if (closing !== undefined) return;
      moved = true;
      retryTimer?.();
      retryTimer = undefined;
      start();
    },
    close() {
      closing ??= Promise.resolve().then(finish);
      return closing;
    },
  };
}

/**
 * Empties the log and removes the rotated files; whoever writes it goes on at its beginning.
 * @throws UsageError when the path is a link or somebody else's.
 */
export async function clearLogs(file: string): Promise<void> {
  const fd = await ifThere(open(file, O_WRONLY | guards).catch((error) => explain(file, error)));
  if (fd !== undefined) {
    try {
      refuse(file, await fstat(fd));
      await promisify(fs.ftruncate)(fd, 0);
    } finally {
      await close(fd);
    }
  }
  for (const number of await rotatedNumbers(file)) await fs.promises.rm(`${file}.${number}`, { force: true });
}

/** The numbers of the rotated files, the newest first. */
export async function rotatedNumbers(file: string): Promise<number[]> {
  const names = (await ifThere(fs.promises.readdir(path.dirname(file)))) ?? [];
  const prefix = `${path.basename(file)}.`;
  return names
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d{0,2}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((one, other) => one - other);
}

export const isSame = (one: fs.Stats, other: fs.Stats): boolean => one.dev === other.dev && one.ino === other.ino;

/** Undefined where there is no such file. */
export async function ifThere<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws UsageError unless it is a plain file of the user's own. */
export function refuse(file: string, stats: fs.Stats): void {
  const flaw = ownershipFlaw(stats, { kind: 'file', forbidden: 0 });
  if (flaw === 'link') throw new UsageError(`the log ${file} is a symbolic link; remove it or choose another`);
  if (flaw === 'kind') throw new UsageError(`the log ${file} is not a regular file; choose another`);
  if (flaw === 'owner') throw new UsageError(`the log ${file} belongs to another user; choose another`);
}

/** @throws the error, said plainly where it comes of opening a link. */
export function explain(file: string, error: unknown): never {
  if (codeOf(error) === 'ELOOP')
    throw new UsageError(`the log ${file} is a symbolic link; remove it or choose another`);
  throw error;
}

/** One that is there already keeps its mode: it may hold more than logs. */
function makeFolder(folder: string): void {
  try {
    const first = fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    // A umask can only have taken from it.
    if (first !== undefined) fs.chmodSync(folder, 0o700);
  } catch (error) {
    throw new UsageError(`cannot make the folder ${folder} for the log: ${whyOf(error)}`);
  }
  const stats = fs.statSync(folder);
  // In a folder with the sticky bit, such as /tmp, others cannot replace this user's files.
  const forbidden = (stats.mode & 0o1000) === 0 ? 0o002 : 0;
  const flaw = ownershipFlaw(stats, { kind: 'folder', forbidden, mayBeRoots: true });
  if (flaw === 'owner') throw new UsageError(`the folder ${folder} belongs to another user`);
  if (flaw === 'mode')
    throw new UsageError(`every user may replace the log in ${folder}; chmod o-w it or choose another`);
}

function openNow(file: string): { fd: number; stats: fs.Stats; endsAmidLine: boolean } {
  const there = fs.lstatSync(file, { throwIfNoEntry: false });
  if (there !== undefined) refuse(file, there);
  let fd: number;
  try {
    fd = fs.openSync(file, writing, 0o600);
  } catch (error) {
    throw new UsageError(`cannot open the log ${file}: ${whyOf(error)}`);
  }
  try {
    const stats = fs.fstatSync(fd);
    refuse(file, stats);
    if ((stats.mode & 0o777) !== 0o600) fs.fchmodSync(fd, 0o600);
    const last = Buffer.of(newline);
    if (stats.size > 0) fs.readSync(fd, last, 0, 1, stats.size - 1);
    return { fd, stats, endsAmidLine: last[0] !== newline };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** `no space left on device` rather than `ENOSPC: no space left on device, write`. */
function whyOf(error: unknown): string {
  if (codeOf(error) === 'ELOOP') return 'it is a symbolic link';
  const number = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  return getSystemErrorMap().get(number)?.[1] ?? messageOf(error);
}
