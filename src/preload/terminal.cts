/**
 * Tells devwatch when the program begins to read the terminal, which devwatch reads until then: a line
 * would reach one of both, and neither could tell that the other waits for it.
 */

const { reach } = require('./bindings.cjs') as Reach;

type Reach = { reach<Binding, Parts>(pick: (binding: Binding) => Parts): Parts | undefined };
type IsTerminal = (descriptor: unknown) => boolean;

interface Spawning {
  spawn(options: { readonly stdio?: readonly ({ readonly fd?: number } | undefined)[] }): unknown;
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

/**
 * Claims it once, before anything in this process, or a child of it, reads.
 *
 * @param claim from then on what is typed is the program's; returns what was typed before
 */
function claimTerminal(claim: () => string): void {
  let isClaimed = false;
  const claimOnce = (): string => {
    if (isClaimed) return '';
    isClaimed = true;
    return claim();
  };
  claimOnRead(claimOnce);
  reach((binding: Bindings) => {
    const { isTTY, TTY } = binding('tty_wrap');
    const isTerminal = (value: unknown): boolean => isDescriptor(value) && isTTY(value);
    claimOnSpawn([binding('process_wrap').Process.prototype, binding('spawn_sync')], isTerminal, claimOnce);
    claimOnStart(TTY.prototype, claimOnce);
    claimOnReadSync(isTerminal, claimOnce);
  });
}

const isDescriptor = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/** The first access to process.stdin makes the stream; the first read of that claims the terminal. */
function claimOnRead(claim: () => string): void {
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin');
  const get = stdin?.get;
  if (stdin?.configurable !== true || get === undefined) return;
  Object.defineProperty(process, 'stdin', {
    ...stdin,
    get() {
      const stream = get.call(process) as NodeJS.ReadStream;
      Object.defineProperty(process, 'stdin', stdin);
      const read = stream._read;
      stream._read = function (size) {
        stream._read = read;
        const typed = claim();
        if (typed !== '') this.push(Buffer.from(typed));
        read.call(this, size);
      };
      return stream;
    },
  });
}

/** A child that inherits the terminal may read it, and has no other way to tell. */
function claimOnSpawn(places: readonly Spawning[], isTerminal: IsTerminal, claim: () => string): void {
  for (const place of places) {
    const { spawn } = place;
    place.spawn = function (options) {
      if (isTerminal(options.stdio?.[0]?.fd)) claim();
      return spawn.call(this, options);
    };
  }
}

/** Other streams than process.stdin: each is what one of its handle's symbols leads to. */
function claimOnStart(handle: Reading, claim: () => string): void {
  const { readStart } = handle;
  handle.readStart = function () {
    const typed = claim();
    if (typed !== '') {
      const values = Object.getOwnPropertySymbols(this).map((key) => this[key] as Partial<Readable> | undefined);
      values.find((value) => typeof value?.push === 'function')?.push?.(Buffer.from(typed));
    }
    return readStart.call(this);
  };
}

/**
 * Prompts that wait (prompt-sync, readline-sync) read the terminal, which they open for themselves, with
 * this alone. `openSync` is left as it is: many files are opened that are not there, and each error would
 * show in its stack that we were called.
 */
function claimOnReadSync(isTerminal: IsTerminal, claim: () => string): void {
  const fs = require('node:fs') as typeof import('node:fs');
  let typed: Buffer | undefined;
  fs.readSync = new Proxy(fs.readSync, {
    apply(readSync, self, args: ReadArguments) {
      const [descriptor, buffer, third, fourth] = args;
      if (!isTerminal(descriptor)) return Reflect.apply(readSync, self, args);
      typed ??= Buffer.from(claim());
      if (typed.length === 0) return Reflect.apply(readSync, self, args);
      const { offset, length } =
        typeof third === 'object' && third !== null ? third : { offset: third, length: fourth };
      const into = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).subarray(offset ?? 0);
      const read = typed.copy(into, 0, 0, length ?? into.length);
      typed = typed.subarray(read);
      return read;
    },
  });
}

module.exports = { claimTerminal };
