/**
 * Makes a booted process wait until devwatch releases it to become the next run (see process/standby/). Nothing of the
 * program itself has been loaded by then.
 */

import type { Channel, PackageFile, ParkOrders, Release } from './protocol.ts' with { 'resolution-mode': 'import' };

const { writeFileSync } = require('node:fs') as typeof import('node:fs');
const { createRequire } = require('node:module') as typeof import('node:module');

/**
 * Modules of Node that most programs load. Loading them has no visible effect (`dns` would read resolv.conf).
 * `perf_hooks` is also behind the global `performance` (0.9 ms).
 */
const builtins = ['http', 'https', 'crypto', 'zlib', 'child_process', 'fs/promises', 'os', 'perf_hooks', 'tty'];

interface Context extends Channel {
  /** Makes Node forget the files of the preload. */
  forgetPaths(): void;
  /** Does in advance what would delay the program. */
  warmUp(): void;
  /** Called when the program's own code is about to begin. */
  onBegin(release: Release): void;
}

class Parking {
  readonly #orders: ParkOrders;
  readonly #context: Context;

  constructor(orders: ParkOrders, context: Context) {
    this.#orders = orders;
    this.#context = context;
  }

  /**
   * Waits here, or leaves itself to park.cjs or park.mjs. A process that fails before it waits ends without a word: the
   * user would take its error for one of the program, and the next run shows it, if it is still there.
   */
  prepare(): void {
    process.prependListener('uncaughtException', kill);
    if (this.#orders.where === 'here') this.parkWith(require);
    else Object.defineProperty(globalThis, Symbol.for('devwatch.park'), { value: this, configurable: true });
  }

  get packages(): readonly PackageFile[] {
    return this.#orders.packages;
  }

  /** Does everything that needs no promise, and waits. */
  parkWith(load: NodeJS.Require): void {
    for (const file of this.makeSamples()) {
      try {
        load(file);
      } catch {
        // Some Node versions cannot compile the sample; only its side effect matters.
      }
    }
    for (const item of this.packages) if (item.kind === 'require') this.requirePackage(item);
    this.park();
  }

  /**
   * Writes the files that try out a TypeScript compiler, as a script and as a module, and returns their names. Its
   * first use takes longest: 58 ms to the first line of a program with tsx, which starts esbuild, and 8 ms afterwards.
   * The content is new each time, because loaders cache their output.
   */
  makeSamples(): readonly string[] {
    const { samples } = this.#orders;
    try {
      for (const file of samples) {
        writeFileSync(file, `export const n: number = ${process.hrtime.bigint()};\n`);
      }
      return samples;
    } catch {
      return [];
    }
  }

  /** Loads a package as the program's script would: from there it is found, and it may look at its parent module. */
  requirePackage(item: PackageFile): void {
    try {
      createRequire(process.argv[1] ?? __filename)(item.file);
    } catch (error) {
      this.fail(item, error);
    }
  }

  /** Ends the process, because a half loaded package is of no use: devwatch boots another one without packages. */
  fail({ file }: PackageFile, error: unknown): never {
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    this.#context.send({ type: 'prewarm-failed', file, message });
    kill();
  }

  /** Returns at the release. Ends the process when devwatch ends or discards it. */
  park(): void {
    for (const name of builtins) require(`node:${name}`);
    this.#context.forgetPaths();
    // Some loaders append something to the names of the samples.
    for (const name of Object.keys(require.cache)) {
      if (this.#orders.samples.some((file) => name.startsWith(file))) delete require.cache[name];
    }
    // The first timer of a process takes 0.3 ms.
    clearTimeout(setTimeout(() => {}, 0));
    this.#context.warmUp();
    const parkedAt = process.uptime();
    const files = Object.keys(require.cache);
    const release = this.#context.request<Release>({ type: 'parked', files });
    if (release === undefined) kill();
    process.removeListener('uncaughtException', kill);
    Object.assign(process.env, release.variables);
    // Programs report their uptime; this process was booted two saves ago.
    const parkedFor = process.uptime() - parkedAt;
    const { uptime } = process;
    process.uptime = new Proxy(uptime, { apply: () => uptime() - parkedFor });
    this.#context.onBegin(release);
  }
}

/** Ends the process at once: there is nothing to clean up, and Node would reset the terminal's modes. */
function kill(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killing');
}

export type { Parking };

module.exports = { Parking };
