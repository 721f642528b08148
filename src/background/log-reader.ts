/** Reads the end of a log that another process writes, rotates and clears at the same time. */

import fs from 'node:fs';
import { checkLogFile, ifExists, isSameFile, readFlags, rethrowOpenError, rotatedNumbers } from './log-file.ts';

export interface TailOptions {
  /** Maximum number of lines; Infinity for all. */
  readonly lines: number;
  /** Omits lines with an earlier timestamp, and files that were last written before, if their lines have none. */
  readonly since?: Date | undefined;
}

export interface OpenFile {
  readonly handle: fs.promises.FileHandle;
  readonly stats: fs.Stats;
}

export const blockBytes: number = 64 * 1024;
const newline = 10;

/**
 * Returns the last lines of a log and its rotated files, without line feeds, the oldest first. Reads no more than is
 * needed for that. A log that does not exist has no lines.
 *
 * @throws UsageError if a file is a link or belongs to another user
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

/** Opens the files of a log as they are now, the newest first. */
export async function openAll(file: string): Promise<OpenFile[]> {
  const opened: OpenFile[] = [];
  // A rotation moves files in the direction in which they are opened: none is missed, some come twice.
  const oldest = ((await rotatedNumbers(file)).at(-1) ?? 0) + 2;
  try {
    for (let number = 0; number <= oldest; number += 1) {
      const name = number === 0 ? file : `${file}.${number}`;
      const opening = fs.promises.open(name, readFlags).catch((error) => rethrowOpenError(name, error));
      const handle = await ifExists(opening);
      if (handle === undefined) continue;
      const stats = await handle.stat();
      const isKnown = opened.some((other) => isSameFile(other.stats, stats));
      if (isKnown) await handle.close();
      else opened.push({ handle, stats });
      checkLogFile(name, stats);
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

export async function closeAll(files: readonly OpenFile[]): Promise<void> {
  await Promise.all(files.map(({ handle }) => handle.close()));
}

/** Returns the last complete lines, the oldest first, and the unfinished line after them. */
export async function tailOf(
  files: readonly OpenFile[],
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

/** Yields lines from the last one back; the first is what follows the last line feed, and may be empty. */
async function* linesBackwards(files: readonly OpenFile[], since: Date | undefined): AsyncGenerator<Buffer> {
  /** Known parts of the current line. */
  let parts: Buffer[] = [];
  let isEmpty = true;
  for (const opened of files) {
    if (since !== undefined && opened.stats.mtimeMs < since.getTime()) break;
    for (let end = opened.stats.size; end > 0; ) {
      const start = Math.max(0, end - blockBytes);
      let bytes = await readAt(opened, start, end - start);
      isEmpty = false;
      for (let at = bytes.lastIndexOf(newline); at >= 0; at = bytes.lastIndexOf(newline)) {
        yield Buffer.concat([bytes.subarray(at + 1), ...parts]);
        parts = [];
        bytes = bytes.subarray(0, at);
      }
      if (bytes.length > 0) parts.unshift(bytes);
      end = start;
    }
  }
  if (!isEmpty) yield Buffer.concat(parts);
}

/** Returns whether a line has no timestamp, or one that is not too early. */
function isRecent(line: Buffer, since: Date | undefined): boolean {
  if (since === undefined) return true;
  const stamp = line.toString('latin1', 0, 24);
  return !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(stamp) || Date.parse(stamp) >= since.getTime();
}

/** Returns fewer bytes where the file ends. */
export async function readAt({ handle }: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}

/** Splits bytes into lines without their line feeds; the last one is what follows the last line feed. */
export function splitBytes(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  lines.push(bytes.subarray(from));
  return lines;
}
