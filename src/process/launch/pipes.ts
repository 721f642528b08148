/**
 * Pipes of the kernel for what a program prints. What Node's spawn calls a pipe is a pair of Unix sockets,
 * and Linux opens no socket by its name: `echo oops >/dev/stderr` fails in a shell script (ENXIO). It also
 * counts what each write takes besides its bytes: a few hundred short lines fill it. Elsewhere /dev/stderr
 * duplicates the descriptor, whatever that is.
 */

import { type ChildProcess, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { stateFolder } from '../../shared/user-folders.ts';
import { platform } from '../platform.ts';
import type { OutputStreams } from './output.ts';

export interface Pipes {
  /** Descriptors to write to, for one process. */
  readonly stdout: number;
  readonly stderr: number;
  /** That process has them: only it, and what it starts, keeps them open from now on. */
  read(child: ChildProcess): OutputStreams;
  /** Nobody has them. */
  close(): void;
}

interface Pipe {
  readonly read: number;
  readonly write: number;
}

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;

/**
 * Opens a pipe for each stream, of which no name is left. Each process has its own, as in a shell: a program
 * that makes its stdout non-blocking, as Node does, makes it so for all that have opened it together; and
 * that nothing more comes of a run is told by the end of its pipe.
 *
 * @returns undefined where there can be none
 */
export function openPipes(): Pipes | undefined {
  if (!platform.hasProc) return undefined;
  const pipes = inPassingFolder((folder) => openIn(folder));
  const [stdout, stderr] = pipes ?? [];
  if (stdout === undefined || stderr === undefined) return undefined;
  return {
    stdout: stdout.write,
    stderr: stderr.write,
    read(child) {
      for (const { write } of [stdout, stderr]) fs.closeSync(write);
      return { stdout: readFrom(stdout, child), stderr: readFrom(stderr, child) };
    },
    close: () => closeAll([stdout, stderr].flatMap(({ read, write }) => [read, write])),
  };
}

/** A folder of our own, closed to others, that is never watched (see writtenFiles). Undefined where that fails. */
function inPassingFolder<Result>(use: (folder: string) => Result): Result | undefined {
  const home = stateFolder(process.env);
  if (home === undefined) return undefined;
  let folder: string | undefined;
  try {
    fs.mkdirSync(home, { recursive: true, mode: 0o700 });
    folder = fs.mkdtempSync(path.join(home, 'pipes-'));
    return use(folder);
  } catch {
    return undefined; // A full or read-only disk, a file system without pipes, no descriptors left.
  } finally {
    if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Node cannot make a pipe: mkfifo does (2 ms for both). */
function openIn(folder: string): readonly Pipe[] {
  const files = ['stdout', 'stderr'].map((name) => path.join(folder, name));
  const { status } = spawnSync('mkfifo', ['-m', '600', ...files], { stdio: 'ignore' });
  if (status !== 0) return [];
  const opened: number[] = [];
  const open = (file: string, flags: number): number => {
    const descriptor = fs.openSync(file, flags);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    // To open an end waits for the other one, save to read without blocking.
    return files.map((file) => ({ read: open(file, O_RDONLY | O_NONBLOCK), write: open(file, O_WRONLY) }));
  } catch (error) {
    closeAll(opened);
    throw error;
  }
}

function readFrom({ read }: Pipe, child: ChildProcess): Socket {
  const stream = new Socket({ fd: read, readable: true, writable: false });
  // Its end is read only by who reads all before it: nobody does of a process that was prepared and given up.
  child.once('exit', () => stream.resume());
  return stream;
}

function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) fs.closeSync(descriptor);
}
