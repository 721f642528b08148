/** What a program prints, where devwatch has to hear it. */

import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';

/** Where it goes; none of these may throw. Until a promise that they return settles no more is read. */
export interface Output {
  stdout(chunk: Buffer): Promise<void> | undefined;
  stderr(chunk: Buffer): Promise<void> | undefined;
  /** Nothing more comes of this stream of a run. */
  ended?(name: 'stdout' | 'stderr'): void;
}

/** The streams of a process that are heard; null where they are not. */
export type Printed = Pick<ChildProcess, 'stdout' | 'stderr'>;

/**
 * Passes all of it on: to `output`, or else to devwatch's own stdout and stderr, as fast as those take it.
 *
 * @returns what resolves when nothing more can come
 */
export async function passOn(
  printed: Printed,
  hear: (chunk: Buffer) => void,
  output: Output | undefined,
): Promise<void> {
  const streams: Promise<unknown>[] = [];
  for (const name of ['stdout', 'stderr'] as const) {
    const from = printed[name];
    if (from) streams.push(new Promise((resolve) => from.once('close', resolve)));
    from?.on('data', hear);
    if (output === undefined) from?.pipe(process[name], { end: false });
    else if (from)
      hand(
        from,
        (chunk) => output[name](chunk),
        () => output.ended?.(name),
      );
  }
  await Promise.all(streams);
}

function hand(from: Readable, take: (chunk: Buffer) => Promise<void> | undefined, end: () => void): void {
  from.on('data', (chunk: Buffer) => {
    const taken = take(chunk);
    if (taken === undefined) return;
    from.pause();
    void taken.then(() => from.resume());
  });
  from.once('close', end);
}
