/**
 * Tells devwatch when the program begins to read the terminal, which devwatch reads until then: a line
 * would reach one of both, and neither could tell that the other waits for it.
 */

const { reach } = require('./node-bindings.cjs') as Reach;

type Reach = { reach<Binding, Parts>(pick: (binding: Binding) => Parts): Parts | undefined };
type SpawnOptions = { readonly stdio?: readonly ({ readonly fd?: number } | undefined)[] };

interface Spawning {
  spawn(options: SpawnOptions): unknown;
}

type Readable = import('node:stream').Readable;

interface Reading {
  readStart(): number;
  [key: symbol]: unknown;
}

interface Bindings {
  (name: 'process_wrap'): { Process: { prototype: Spawning } };
  (name: 'spawn_sync'): Spawning;
  /** `isTTY` aborts the process for what is no descriptor. */
  (name: 'tty_wrap'): { isTTY(descriptor: number): boolean; TTY: { prototype: Reading } };
}

/** Either `offset`, `length` and `position`, or one object with these. */
type ReadArguments = [
  descriptor: number,
  buffer: NodeJS.ArrayBufferView,
  third?: number | { offset?: number; length?: number } | null,
  length?: number,
];

/** Devwatch's word on the terminal. */
interface Desk {
  /** From then on what is typed is the program's; returns what was typed before, and not taken. */
  claim(): string;
  /** It is devwatch's again, as if it had not been claimed. */
  giveBack(): void;
}

/** Claims it before anything in this process, or a child of it, reads. */
function claimTerminal({ claim, giveBack }: Desk): void {
  /** What was typed before it was claimed and has not been read; undefined until then. */
  let typed: Buffer | undefined;
  const claimOnce = (): void => {
    typed ??= Buffer.from(claim());
  };
  const take = (most: number): Buffer => {
    claimOnce();
    const taken = typed?.subarray(0, most) ?? Buffer.alloc(0);
    typed = typed?.subarray(taken.length);
    return taken;
  };
  reach((binding: Bindings) => {
    const { isTTY, TTY } = binding('tty_wrap');
    const isTerminal = (value: unknown): boolean => isDescriptor(value) && isTTY(value);
    const readsTerminal = ({ stdio }: SpawnOptions): boolean => isTerminal(stdio?.[0]?.fd);

    // A child may read what it inherits, and has no other way to tell.
    const { prototype } = binding('process_wrap').Process;
    const { spawn } = prototype;
    prototype.spawn = function (options) {
      if (readsTerminal(options)) claimOnce();
      return spawn.call(this, options);
    };
    const waiting = binding('spawn_sync');
    const { spawn: spawnSync } = waiting;
    waiting.spawn = function (options) {
      if (typed !== undefined || !readsTerminal(options)) return spawnSync.call(this, options);
      claim();
      try {
        return spawnSync.call(this, options);
      } finally {
        // It has ended, and this process itself has never read.
        giveBack();
      }
    };
    claimOnStart(TTY.prototype, take);
    claimOnReadSync(isTerminal, take);
  });
}

const isDescriptor = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/** Streams, process.stdin among them: each is what one of its handle's symbols leads to. */
function claimOnStart(handle: Reading, take: (most: number) => Buffer): void {
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
 * Prompts that wait (prompt-sync, readline-sync) read the terminal, which they open for themselves, with
 * this alone. `openSync` is left as it is: many files are opened that are not there, and each error would
 * show in its stack that we were called. Reading seldom fails.
 */
function claimOnReadSync(isTerminal: (value: unknown) => boolean, take: (most: number) => Buffer): void {
  const fs = require('node:fs') as typeof import('node:fs');
  fs.readSync = new Proxy(fs.readSync, {
    apply(readSync, self, args: ReadArguments) {
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

module.exports = { claimTerminal };
