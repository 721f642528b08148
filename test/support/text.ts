/** Awaits what a process writes. */

import type { Readable } from 'node:stream';

export interface Text {
  /** Everything so far. */
  readonly all: string;
  /** The first match after the one that was returned last. Rejects when the stream ends without it. */
  next(pattern: RegExp): Promise<RegExpExecArray>;
}

/** To be called before the stream has had a chance to flow. */
export function readText(stream: Readable | null): Text {
  if (stream === null) throw new Error('the stream is not piped');
  let all = '';
  let read = 0;
  let ended = false;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const go of woken) go();
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    all += chunk;
    wake();
  });
  stream.once('close', () => {
    ended = true;
    wake();
  });
  return {
    get all() {
      return all;
    },
    async next(pattern) {
      for (;;) {
        const match = pattern.exec(all.slice(read));
        if (match !== null) {
          read += match.index + match[0].length;
          return match;
        }
        if (ended) throw new Error(`the stream ended without ${pattern} in:\n${all}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
