/** The output of a process, to be awaited piece by piece. */

import type { Readable } from 'node:stream';
import { within } from './deadline.ts';

export interface Text {
  /** The whole output so far. */
  readonly all: string;
  /** The first match after the one that was returned last. Rejects when the stream ends without a match. */
  next(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Begins to read; must be called before the stream flows. */
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
  async function nextMatch(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(all.slice(read));
      if (match !== null) {
        read += match.index + match[0].length;
        return match;
      }
      if (ended) throw new Error(`the stream ended without ${pattern} in:\n${all}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }
  return {
    get all() {
      return all;
    },
    next: (pattern) => within(`output that matches ${pattern}`, nextMatch(pattern), () => [all]),
  };
}
