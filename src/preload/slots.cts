/**
 * Sends duplicates of listening sockets into slots, and receives those of the run before (process/sockets/slots.ts).
 * Node sends and receives sockets only through a pipe that it has opened for IPC; `process.binding` makes one, so that
 * `process.send` and `process.channel` are the same as without devwatch.
 */

import type { reach as Reach } from './node-bindings.cts';
import type { SlotEnds } from './protocol.ts' with { 'resolution-mode': 'import' };

const fs = require('node:fs') as typeof import('node:fs');
const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };

interface Pipe {
  /** A handle that came with the bytes that were read. */
  pendingHandle?: object | null;
  onread: () => void;
  open(descriptor: number): number;
  readStart(): number;
  readStop(): number;
  ref(): void;
  unref(): void;
  writeUtf8String(request: object, text: string, handle: object): number;
}

interface Bindings {
  (name: 'pipe_wrap'): { Pipe: new (kind: number) => Pipe; constants: { IPC: number } };
  (name: 'stream_wrap'): { WriteWrap: new () => object };
}

/** The byte that is sent with each socket, and the byte that a run sends to find the end of what was there before it. */
const socketByte = 's';
const endByte = '.';

class Slots {
  readonly #ends: readonly SlotEnds[];
  readonly #used = new Set<number>();
  readonly #senders = new Map<number, Pipe>();
  readonly #receivers = new Map<number, Pipe>();

  constructor(ends: readonly SlotEnds[]) {
    this.#ends = ends;
  }

  /** Marks a slot as used by a socket of the run before. */
  claim(slot: number): void {
    this.#used.add(slot);
  }

  /** Chooses an empty slot. Returns undefined if there is none, or if Node forbids pipes (`--permission`). */
  reserve(): number | undefined {
    const slot = this.#ends.findIndex((_, index) => !this.#used.has(index));
    if (slot < 0 || this.#senderFor(slot) === undefined) return undefined;
    // A run that was killed may have sent a socket without reporting it.
    this.empty(slot);
    this.#used.add(slot);
    return slot;
  }

  /**
   * Sends duplicates of a socket. There are two, because the next run can only send others after it has received one:
   * if it was killed in between, a single one would be lost, and with it the connections that wait.
   */
  fill(slot: number, handle: object): void {
    for (let count = 0; count < 2; count += 1) this.#senderFor(slot)?.(handle);
  }

  /**
   * Receives the socket in a slot, which stays filled with duplicates of it. Calls back in another turn of the event
   * loop, in the asynchronous context of the caller; with undefined if the slot is empty. The returned function cancels.
   */
  take(slot: number, onTaken: (handle: object | undefined) => void): () => void {
    const { into, out } = this.#ends[slot] ?? { into: -1, out: -1 };
    const pipe = this.#receivers.get(slot) ?? openPipe(out);
    if (pipe === undefined) {
      const immediate = setImmediate(onTaken, undefined);
      return () => clearImmediate(immediate);
    }
    this.#receivers.set(slot, pipe);
    // Also ends the wait if the slot is empty. A read ends behind the first socket.
    fs.writeSync(into, endByte);
    pipe.onread = () => {
      const handle = pipe.pendingHandle ?? undefined;
      pipe.readStop();
      pipe.unref();
      if (handle !== undefined) {
        this.fill(slot, handle);
        skipTo(endByte, out);
      }
      onTaken(handle);
    };
    pipe.ref();
    pipe.readStart();
    return () => {
      pipe.readStop();
      pipe.unref();
    };
  }

  /** Closes the sockets in a slot at once. */
  empty(slot: number): void {
    this.#used.delete(slot);
    const bytes = Buffer.alloc(64);
    // A plain read cannot receive sockets, and closes them. It fails when the slot is empty.
    while (readFrom(this.#ends[slot]?.out ?? -1, bytes) > 0);
  }

  #senderFor(slot: number): ((handle: object) => void) | undefined {
    const pipe = this.#senders.get(slot) ?? openPipe(this.#ends[slot]?.into ?? -1);
    if (pipe === undefined) return undefined;
    this.#senders.set(slot, pipe);
    pipe.unref();
    return (handle) => {
      // The handle is referenced until it has been sent.
      const request = reach((binding: Bindings) => new (binding('stream_wrap').WriteWrap)());
      if (request === undefined) return;
      pipe.writeUtf8String(Object.assign(request, { oncomplete() {}, handle }), socketByte, handle);
    };
  }
}

function openPipe(descriptor: number): Pipe | undefined {
  const pipe = reach((binding: Bindings) => {
    const { Pipe, constants } = binding('pipe_wrap');
    return new Pipe(constants.IPC);
  });
  return pipe?.open(descriptor) === 0 ? pipe : undefined;
}

/** Reads up to and including this byte, one at a time: the sockets behind it stay. */
function skipTo(byte: string, descriptor: number): void {
  const one = Buffer.alloc(1);
  while (readFrom(descriptor, one) > 0 && one.toString() !== byte);
}

/** Returns the number of bytes that were read; 0 when there are none. */
function readFrom(descriptor: number, into: Buffer): number {
  try {
    return fs.readSync(descriptor, into);
  } catch {
    return 0;
  }
}

export type { Slots };

module.exports = { Slots };
