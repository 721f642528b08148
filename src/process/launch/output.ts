/** Forwards the output of a program that devwatch captures. */

import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { flushed } from '../../shared/flushed.ts';

/** Receives the output; its functions do not throw. Reading pauses until a returned promise settles. */
export interface Output {
  stdout(chunk: Buffer): Promise<void> | undefined;
  stderr(chunk: Buffer): Promise<void> | undefined;
  /** This stream of a run has ended. */
  ended?(name: 'stdout' | 'stderr'): void;
}

/** The output streams of a process; null where they are not captured. */
export type OutputStreams = Pick<ChildProcess, 'stdout' | 'stderr'>;

const names = ['stdout', 'stderr'] as const;

/**
 * Forwards both streams to `output`, by default to devwatch's own stdout and stderr, with back-pressure.
 *
 * @param onChunk called with each chunk of either stream
 * @returns a promise that resolves when both streams have ended and devwatch's own have passed everything on
 */
export async function forwardOutput(
  streams: OutputStreams,
  onChunk: (chunk: Buffer) => void,
  output: Output | undefined,
): Promise<void> {
  const closed: Promise<unknown>[] = [];
  for (const name of names) {
    const stream = streams[name];
    if (stream === null) continue;
    closed.push(new Promise((resolve) => stream.once('close', resolve)));
    stream.on('data', onChunk);
    if (output === undefined) {
      stream.pipe(process[name], { end: false });
    } else {
      forwardStream(stream, (chunk) => output[name](chunk));
      stream.once('close', () => output.ended?.(name));
    }
  }
  await Promise.all(closed);
  if (output === undefined) await Promise.all(names.map((name) => flushed(process[name])));
}

function forwardStream(stream: Readable, write: (chunk: Buffer) => Promise<void> | undefined): void {
  stream.on('data', (chunk: Buffer) => {
    const written = write(chunk);
    if (written === undefined) return;
    stream.pause();
    void written.then(() => stream.resume());
  });
}
