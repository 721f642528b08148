/**
 * Resolves when all that was written to a stream has left the process, or cannot any more. `drain` does not tell: a
 * stream that holds less than its high-water mark never emits it, and loses that when the process exits.
 */
export const flushed = (stream: { write(bytes: Uint8Array, done: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => stream.write(new Uint8Array(), () => resolve()));
