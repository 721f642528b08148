/** Files of a log: the current one, and rotated ones beside it as `file.1` (the newest), `file.2`, … */

import fs from 'node:fs';
import path from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw } from '../shared/file-ownership.ts';
import { makeFolders } from '../shared/make-folders.ts';
import { begunStreams, splitBytes } from './log-lines.ts';
import { type LogEnd, maxQueueBytes } from './log-queue.ts';

export interface RotatingLogFileOptions {
  /** Absolute path of the current file. */
  readonly file: string;
  /** Bytes after which a file is rotated. */
  readonly maxSize: number;
  /** Number of files, including the current one. */
  readonly maxFiles: number;
}

export interface OpenFile {
  readonly handle: fs.promises.FileHandle;
  readonly stats: fs.Stats;
}

const newline = 10;
/** The last entry of each stream is within this many bytes at the end of a file, if it is short. */
const endBytes = 4096;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR, O_WRONLY } = fs.constants;

/** Appends to the current file, and opens it again when it is moved or removed. */
export class RotatingLogFile {
  readonly #options: RotatingLogFileOptions;
  #current: OpenFile | undefined;
  #size = 0;
  /** Bytes of an unfinished line at the end of the file. */
  #partialBytes = 0;
  /** Set by the owner when the file was moved: it is opened again before the next write. */
  isMoved = false;

  private constructor(options: RotatingLogFileOptions) {
    this.#options = options;
  }

  /** Opens the file, and makes it (mode 0600) and its folder (0700) if they are missing. @throws UsageError */
  static async open(options: RotatingLogFileOptions): Promise<RotatingLogFile> {
    const { file } = options;
    const log = new RotatingLogFile(options);
    makeFolder(path.dirname(file));
    try {
      await checkExisting(file);
      await log.#open();
      return log;
    } catch (error) {
      throw error instanceof UsageError
        ? error
        : new UsageError(`cannot open the log ${file}: ${describeError(error)}`);
    }
  }

  /** Reads how the file ends. */
  async end(): Promise<LogEnd> {
    const tail = Buffer.alloc(Math.min(endBytes, this.#size));
    if (tail.length > 0) await this.#current?.handle.read(tail, 0, tail.length, this.#size - tail.length);
    return { isMidLine: tail.length > 0 && tail.at(-1) !== newline, begun: begunStreams(splitBytes(tail)) };
  }

  /** Returns the file at the path, after it was moved, removed or emptied as well. */
  async settle(): Promise<OpenFile> {
    const { file } = this.#options;
    const current = this.#current;
    if (current !== undefined && !this.isMoved) {
      const stats = await ifExists(fs.promises.lstat(file));
      if (stats !== undefined && isSameFile(stats, current.stats)) {
        if (stats.size < this.#size) this.#partialBytes = 0;
        this.#size = stats.size;
        return current;
      }
    }
    this.isMoved = false;
    await this.close();
    await fs.promises.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    return this.#open();
  }

  /** Writes the beginning of the bytes; returns how many, or 0 if it has rotated the file instead. */
  async write(bytes: Buffer): Promise<number> {
    const { handle } = await this.settle();
    const length = this.#fittingBytes(bytes);
    if (length === 0) {
      await this.#rotate();
      return 0;
    }
    const { bytesWritten } = await handle.write(bytes, 0, length, null);
    if (bytesWritten === 0) throw new Error('nothing was written');
    const end = bytes.subarray(0, bytesWritten).lastIndexOf(newline) + 1;
    this.#partialBytes = end === 0 ? this.#partialBytes + bytesWritten : bytesWritten - end;
    this.#size += bytesWritten;
    return bytesWritten;
  }

  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.handle.close();
  }

  async #open(): Promise<OpenFile> {
    const current = await openFile(this.#options.file, O_RDWR | O_APPEND | O_CREAT);
    this.#current = current;
    this.#size = current.stats.size;
    this.#partialBytes = 0;
    // The umask may have removed bits.
    if ((current.stats.mode & 0o777) !== 0o600) await current.handle.chmod(0o600);
    return current;
  }

  /** Returns how many bytes go into the current file before it is rotated. */
  #fittingBytes(bytes: Buffer): number {
    const { maxSize } = this.#options;
    const room = maxSize - this.#size;
    if (bytes.length <= room) return bytes.length;
    const lines = room > 0 ? bytes.lastIndexOf(newline, room - 1) + 1 : 0;
    if (lines > 0) return lines;
    if (this.#size > 0 && this.#partialBytes === 0) return 0;
    // A line stays in one file even if it is larger than that, but one without an end must not fill the disk.
    const line = bytes.indexOf(newline) + 1 || bytes.length;
    return Math.max(0, Math.min(line, Math.max(maxSize, maxQueueBytes) - this.#partialBytes));
  }

  async #rotate(): Promise<void> {
    const { file, maxFiles } = this.#options;
    await this.close();
    const numbers = await rotatedNumbers(file);
    // A rotation that was killed halfway has left a gap: older files stay where they are.
    let free = 1;
    while (numbers.includes(free)) free += 1;
    for (let number = Math.min(free, maxFiles - 1); number > 1; number -= 1) {
      await ifExists(fs.promises.rename(`${file}.${number - 1}`, `${file}.${number}`));
    }
    if (maxFiles > 1) await ifExists(fs.promises.rename(file, `${file}.1`));
    else await remove(file);
    for (const number of numbers) if (number >= maxFiles) await remove(`${file}.${number}`);
    await this.#open();
  }
}

/** Empties a log, which its writer continues, and removes its rotated files. @throws UsageError if it is not this user's file */
export async function clearLogs(file: string): Promise<void> {
  const handle = (await openExisting(file, O_WRONLY))?.handle;
  await handle?.truncate().finally(() => handle.close());
  for (const number of await rotatedNumbers(file)) await remove(`${file}.${number}`);
}

const remove = (file: string): Promise<void> => fs.promises.rm(file, { force: true });

/** Returns the numbers of the rotated files, the newest first. */
export async function rotatedNumbers(file: string): Promise<number[]> {
  const names = (await ifExists(fs.promises.readdir(path.dirname(file)))) ?? [];
  const prefix = `${path.basename(file)}.`;
  const endings = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return endings
    .filter((ending) => /^[1-9]\d{0,2}$/.test(ending))
    .map(Number)
    .sort((one, other) => one - other);
}

export const isSameFile = (one: fs.Stats, other: fs.Stats): boolean => one.dev === other.dev && one.ino === other.ino;

/** Opens a file that another process may write; undefined if it is missing. @throws UsageError as clearLogs does */
export async function openExisting(file: string, flags: number): Promise<OpenFile | undefined> {
  await checkExisting(file);
  return ifExists(openFile(file, flags));
}

async function openFile(file: string, flags: number): Promise<OpenFile> {
  // O_NONBLOCK: opening a named pipe would block.
  const handle = await fs.promises.open(file, flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    const stats = await handle.stat();
    checkLogFile(file, stats);
    return { handle, stats };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Returns undefined if the operation fails because the file does not exist. */
export async function ifExists<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Finds what the errors of `open` do not tell, such as a link. */
async function checkExisting(file: string): Promise<void> {
  const stats = await ifExists(fs.promises.lstat(file));
  if (stats !== undefined) checkLogFile(file, stats);
}

function checkLogFile(file: string, stats: fs.Stats): void {
  const flaw = ownershipFlaw(stats, { kind: 'file', forbidden: 0 });
  if (flaw === 'link') throw new UsageError(`the log ${file} is a symbolic link; remove it or choose another`);
  if (flaw === 'kind') throw new UsageError(`the log ${file} is not a regular file; choose another`);
  if (flaw === 'owner') throw new UsageError(`the log ${file} belongs to another user; choose another`);
}

/** Describes an error without its code and system call: `no space left on device`. */
export function describeError(error: unknown): string {
  if (codeOf(error) === 'ELOOP') return 'it is a symbolic link';
  const number = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  return getSystemErrorMap().get(number)?.[1] ?? messageOf(error);
}

/** An existing folder keeps its mode: it may hold more than logs. */
function makeFolder(folder: string): void {
  try {
    // The umask may have removed bits.
    if (makeFolders(folder, 0o700)) fs.chmodSync(folder, 0o700);
  } catch (error) {
    throw new UsageError(`cannot make the folder ${folder} for the log: ${describeError(error)}`);
  }
  const stats = fs.statSync(folder);
  // In a folder with the sticky bit, such as /tmp, others cannot replace this user's files.
  const forbidden = (stats.mode & 0o1000) === 0 ? 0o002 : 0;
  const flaw = ownershipFlaw(stats, { kind: 'folder', forbidden, mayBeRoots: true });
  if (flaw === 'owner') throw new UsageError(`the folder ${folder} belongs to another user`);
  if (flaw === 'mode')
    throw new UsageError(`every user may replace the log in ${folder}; chmod o-w it or choose another`);
}
