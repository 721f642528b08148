/**
 * Tells devwatch when the program starts to read the terminal. Until then devwatch reads it: if both did, each line
 * would reach one of them, and neither could know that the other waits for it.
 */

import type { reach as Reach } from './node-bindings.cts';
import type { Channel } from './protocol.ts' with { 'resolution-mode': 'import' };

const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };

type SpawnOptions = { readonly stdio?: readonly ({ readonly fd?: number } | undefined)[] };
type Spawning = { spawn(options: SpawnOptions): unknown };
type Reading = { readStart(): number; [key: symbol]: unknown };
type Readable = import('node:stream').Readable;

interface Bindings {
  (name: 'process_wrap'): { Process: { prototype: Spawning } };
  (name: 'spawn_sync'): Spawning;
  /** `isTTY` aborts the process if the number cannot be a descriptor. */
  (name: 'tty_wrap'): { isTTY(descriptor: number): boolean; TTY: { prototype: Reading } };
}

type Range = { offset?: number; length?: number };
/** Either `offset`, `length` and `position`, or one object with these. */
type ReadArgs = [descriptor: number, buffer: NodeJS.ArrayBufferView, third?: number | Range | null, length?: number];

/** Claims the terminal before anything in this process, or a child of it, reads from it. */
function claimTerminal({ send, request }: Channel): void {
  // devwatch stops reading, and answers with what was typed before.
  const claim = (): string => request<string>({ type: 'reads-stdin' }) ?? '';
  /** Text that was typed before the claim and has not been read; undefined before the claim. */
  let typed: Buffer | undefined;
  const take = (maxBytes: number): Buffer => {
    typed ??= Buffer.from(claim());
    const taken = typed.subarray(0, maxBytes);
    typed = typed.subarray(taken.length);
    return taken;
  };
  reach((binding: Bindings) => {
    const { isTTY, TTY } = binding('tty_wrap');
    const isTerminal = (value: unknown): boolean => isDescriptor(value) && isTTY(value);
    const readsTerminal = ({ stdio }: SpawnOptions): boolean => isTerminal(stdio?.[0]?.fd);

    // A child that inherits the terminal may read it, and cannot report that.
    const { prototype } = binding('process_wrap').Process;
    const { spawn } = prototype;
    prototype.spawn = function (options) {
      if (readsTerminal(options)) take(0);
      return spawn.call(this, options);
    };
    const sync = binding('spawn_sync');
    const { spawn: spawnSync } = sync;
    sync.spawn = function (options) {
      if (typed !== undefined || !readsTerminal(options)) return spawnSync.call(this, options);
      claim();
      try {
        return spawnSync.call(this, options);
      } finally {
        // The child has exited, and this process itself has not read yet.
        send({ type: 'leaves-stdin' });
      }
    };
    claimOnStart(TTY.prototype, take);
    claimOnReadSync(isTerminal, take);
  });
}

const isDescriptor = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/** Claims when a stream such as process.stdin starts to read. A symbol of its handle leads to the stream. */
function claimOnStart(handle: Reading, take: (maxBytes: number) => Buffer): void {
  const { readStart } = handle;
  handle.readStart = function () {
    const typed = take(Number.POSITIVE_INFINITY);
    if (typed.length > 0) {
      const values = Object.getOwnPropertySymbols(this).map((key) => this[key] as Partial<Readable> | undefined);
      values.find((value) => typeof value?.push === 'function')?.push?.(typed);
    }
    return readStart.call(this);
  };
}

/**
 * Claims when the terminal is read synchronously, as prompts do (prompt-sync, readline-sync), which also open it
 * themselves. `openSync` is not replaced: programs often open files that do not exist, and the stack of each error
 * would show the replacement. Reading seldom fails.
 */
function claimOnReadSync(isTerminal: (value: unknown) => boolean, take: (maxBytes: number) => Buffer): void {
  const fs = require('node:fs') as typeof import('node:fs');
  fs.readSync = new Proxy(fs.readSync, {
    apply(readSync, self, args: ReadArgs) {
      const [descriptor, buffer, third, fourth] = args;
      if (!isTerminal(descriptor)) return Reflect.apply(readSync, self, args);
      const { offset, length } =
        typeof third === 'object' && third !== null ? third : { offset: third, length: fourth };
      const into = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).subarray(offset ?? 0);
      const typed = take(Math.min(length ?? into.length, into.length));
      return typed.length === 0 ? Reflect.apply(readSync, self, args) : typed.copy(into);
    },
  });
}

export type { claimTerminal };

module.exports = { claimTerminal };
