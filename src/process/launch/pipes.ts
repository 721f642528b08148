/**
 * Kernel pipes for a program's output. The pipes of Node's spawn are Unix sockets, and Linux cannot open a
 * socket by its name: `echo oops >/dev/stderr` fails in a shell script (ENXIO). A socket also counts the
 * overhead of each write, so that a few hundred short lines fill it. Other systems duplicate the descriptor
 * when /dev/stderr is opened, and need no pipes.
 */

import { type ChildProcess, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { stateFolder } from '../../shared/user-folders.ts';
import { platform } from '../platform.ts';
import type { OutputStreams } from './output.ts';

export interface Pipes {
  /** Descriptors of the ends to write to, for one process. */
  readonly stdout: number;
  readonly stderr: number;
  /** Closes our duplicates of those ends, once the process has inherited them, and returns streams to read from. */
  read(child: ChildProcess): OutputStreams;
  /** Closes both pipes, when no process was started. */
  close(): void;
}

interface Pipe {
  readonly read: number;
  readonly write: number;
}

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;

/**
 * Opens a pipe for each stream and removes its name. Each process has its own pair, as in a shell: a program
 * that makes its stdout non-blocking, as Node does, would do so for all processes that share it; and the end
 * of the pipe marks the end of a run's output.
 *
 * @returns undefined where kernel pipes are not possible
 */
export function openPipes(): Pipes | undefined {
  if (!platform.hasProc) return undefined;
  const pipes = inTemporaryFolder((folder) => openIn(folder));
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

/** Calls `use` with a private folder that is never watched, and removes it. Returns undefined if that fails. */
function inTemporaryFolder<Result>(use: (folder: string) => Result): Result | undefined {
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

/** Creates the pipes with mkfifo (2 ms for both), because Node has no function for it. */
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
    // Opening one end waits for the other one, unless it is opened to read without blocking.
    return files.map((file) => ({ read: open(file, O_RDONLY | O_NONBLOCK), write: open(file, O_WRONLY) }));
  } catch (error) {
    closeAll(opened);
    throw error;
  }
}

function readFrom({ read }: Pipe, child: ChildProcess): Socket {
  const stream = new Socket({ fd: read, readable: true, writable: false });
  // The end of a stream is only noticed by reading it, which nothing else does for a discarded standby.
  child.once('exit', () => stream.resume());
  return stream;
}

function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) fs.closeSync(descriptor);
}
