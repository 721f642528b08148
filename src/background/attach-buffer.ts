/** Passes the output of a program on to attached clients, and keeps the end of it. */

import { createDeferred } from '../shared/deferred.ts';

const maxTailBytes = 8192;
/** Chunks that wait for one client that does not read. */
const maxQueuedChunks = 1000;

export class AttachBuffer {
  readonly #listeners = new Set<(chunk: Buffer) => void>();
  #recent: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): void {
    this.#recent = Buffer.concat([this.#recent, chunk]).subarray(-maxTailBytes);
    for (const listener of this.#listeners) listener(chunk);
  }

  /** Returns the last lines, as far as they fit into 8 KB. */
  tail(lines: number): readonly string[] {
    const text = this.#recent.toString().trimEnd();
    return text === '' ? [] : text.split('\n').slice(-lines);
  }

  /** Yields, in Base64, everything that is added from now on until the signal is aborted. */
  async *stream(signal: AbortSignal): AsyncGenerator<{ readonly data: string }> {
    const chunks: Buffer[] = [];
    let changed = createDeferred();
    const listener = (chunk: Buffer): void => {
      // A client that does not read loses output; it must not delay the program.
      if (chunks.length < maxQueuedChunks) chunks.push(chunk);
      changed.resolve();
    };
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => changed.resolve());
    try {
      while (!signal.aborted) {
        for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
          yield { data: chunk.toString('base64') };
        }
        if (signal.aborted) return;
        await changed.promise;
        changed = createDeferred();
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}
