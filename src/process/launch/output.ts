/** The output of a program that devwatch captures: pipes for it, and forwarding. */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { makeTrustedFolder } from '../../shared/file-ownership.ts';
import { flushed } from '../../shared/flush-stream.ts';
import { stateFolder } from '../../shared/user-folders.ts';
import { platform } from '../platform.ts';

/** Receives the output; its functions do not throw. Reading pauses until a returned promise settles. */
export interface Output {
  stdout(chunk: Buffer): Promise<void> | undefined;
  stderr(chunk: Buffer): Promise<void> | undefined;
  /** This stream of a run has ended. */
  ended?(name: 'stdout' | 'stderr'): void;
}

/** The output streams of a process; null where they are not captured. */
export type OutputStreams = Pick<ChildProcess, 'stdout' | 'stderr'>;

/** Kernel pipes for the output of one process. */
export interface Pipes {
  /** Descriptors of the ends to write to. */
  readonly stdout: number;
  readonly stderr: number;
  /** Closes our duplicates of those ends, once the process has inherited them, and returns streams to read from. */
  read(child: ChildProcess): OutputStreams;
  /** Closes both pipes, when no process was started. */
  close(): void;
}

const names = ['stdout', 'stderr'] as const;
const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;

/**
 * Opens a kernel pipe for each stream; returns undefined where that is not possible.
 *
 * The pipes of Node's spawn are Unix sockets, and Linux cannot open a socket by its name: `echo oops >/dev/stderr`
 * fails in a shell script (ENXIO). A socket also counts the overhead of each write, so that a few hundred short lines
 * fill it. Other systems duplicate the descriptor when /dev/stderr is opened, and need no pipes.
 *
 * Each process has its own pair, as in a shell: a program that makes its stdout non-blocking, as Node does, would do
 * so for all processes that share it; and the end of the pipe marks the end of a run's output.
 */
export function openPipes(): Pipes | undefined {
  const home = stateFolder(process.env);
  if (!platform.output.needsNamedPipes || home === undefined) return undefined;
  const opened: number[] = [];
  const close = (): void => {
    for (const descriptor of opened) fs.closeSync(descriptor);
  };
  let folder = '';
  const open = (name: string, flags: number): number => {
    const descriptor = fs.openSync(path.join(folder, name), flags);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    makeTrustedFolder(home);
    folder = fs.mkdtempSync(path.join(home, 'pipes-')); // Private, and never watched.
    // Node has no function for this. It takes 2 ms for both.
    spawnSync('mkfifo', ['-m', '600', ...names.map((name) => path.join(folder, name))], { stdio: 'ignore' });
    // Opening one end waits for the other one, unless it is opened to read without blocking.
    const reads = { stdout: open('stdout', O_RDONLY | O_NONBLOCK), stderr: open('stderr', O_RDONLY | O_NONBLOCK) };
    const writes = { stdout: open('stdout', O_WRONLY), stderr: open('stderr', O_WRONLY) };
    return {
      ...writes,
      read(child) {
        for (const name of names) fs.closeSync(writes[name]);
        return { stdout: readFrom(reads.stdout, child), stderr: readFrom(reads.stderr, child) };
      },
      close,
    };
  } catch {
    close();
    return undefined; // A full or read-only disk, a file system without pipes, no descriptors left.
  } finally {
    if (folder !== '') fs.rmSync(folder, { recursive: true, force: true });
  }
}

function readFrom(fd: number, child: ChildProcess): Socket {
  const stream = new Socket({ fd, readable: true, writable: false });
  // The end of a stream is only noticed by reading it, which nothing else does for a discarded standby.
  child.once('exit', () => {
    if (stream.readableFlowing === null) stream.resume();
  });
  return stream;
}

/**
 * Forwards both streams to `output`, by default to devwatch's own stdout and stderr, with back-pressure, and calls
 * `onChunk` with each chunk. Resolves when both have ended and devwatch's own streams have passed everything on.
 *
 * @param previous the streams of the run before: the rest of its output comes first
 */
export async function forwardOutput(
  streams: OutputStreams,
  onChunk: (chunk: Buffer) => void,
  output: Output | undefined,
  previous?: OutputStreams,
): Promise<void> {
  const closed: Promise<unknown>[] = [];
  for (const name of names) {
    const stream = streams[name];
    if (stream === null) continue;
    const begin = (): void => {
      stream.on('data', onChunk);
      if (output === undefined) pipeToOwn(stream, name);
      else stream.on('data', (chunk: Buffer) => holdWhile(stream, output[name](chunk)));
    };
    const whenClosed = new Promise((resolve) => stream.once('close', resolve));
    closed.push(whenClosed.then(() => output?.ended?.(name)));
    // On other systems Node resumes the streams of a process that has exited, whoever has paused them.
    const before = platform.output.needsNamedPipes ? previous?.[name] : undefined;
    if (before === undefined || before === null || before.closed) begin();
    else holdWhile(stream, readToItsEnd(before).then(begin));
  }
  await Promise.all(closed);
  if (output === undefined) await Promise.all(names.map((name) => flushed(process[name])));
}

/** Streams of devwatch whose reader has ended (`devwatch server.js | head`), or whose disk is full. */
const broken = new Set<'stdout' | 'stderr'>();

/** Passes a stream on to devwatch's own one. Once that has no reader, the program's output is read and discarded. */
function pipeToOwn(stream: Readable, name: 'stdout' | 'stderr'): void {
  const own = process[name];
  if (!own.listeners('error').includes(onBroken[name])) own.on('error', onBroken[name]);
  if (broken.has(name)) {
    stream.resume();
    return;
  }
  stream.pipe(own, { end: false });
  const onUnpipe = (source: unknown): void => {
    if (source === stream) stream.resume();
  };
  own.on('unpipe', onUnpipe);
  stream.once('close', () => own.off('unpipe', onUnpipe));
}

const onBroken = { stdout: () => void broken.add('stdout'), stderr: () => void broken.add('stderr') };

/** Stops reading until the promise settles. */
function holdWhile(stream: Readable, until: Promise<void> | undefined): void {
  if (until === undefined) return;
  stream.pause();
  void until.then(() => stream.resume());
}

/** A pipe of Linux holds this much. */
const pipeBytes = 64 * 1024;

/**
 * Resolves when the output that a run left in its pipe has been read. It may take as long as nobody reads devwatch's own
 * output. The end of the stream does not tell: an exempted process may keep it open, and print for ever.
 */
async function readToItsEnd(stream: Readable): Promise<void> {
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
  };
  stream.on('data', count);
  for (let before = -1; !stream.closed && bytes > before && bytes <= pipeBytes; ) {
    while (stream.isPaused() && !stream.closed) await Promise.race([once(stream, 'resume'), once(stream, 'close')]);
    before = bytes;
    // The event loop polls between these two.
    await setImmediate();
    await setImmediate();
  }
  stream.off('data', count);
}
