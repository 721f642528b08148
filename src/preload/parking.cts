/**
 * Makes a booted process wait until devwatch releases it to become the next run (see process/standby/). Nothing of the
 * program itself has been loaded by then.
 */

import type { PackageFile, ParkOrders, PreloadMessage } from './protocol.ts' with { 'resolution-mode': 'import' };

const { mkdirSync, writeFileSync } = require('node:fs') as typeof import('node:fs');
const { createRequire } = require('node:module') as typeof import('node:module');
const path = require('node:path') as typeof import('node:path');

/** Modules of Node that most programs load. Loading them has no visible effect (`node:dns` would read resolv.conf). */
const builtins = [
  'node:http',
  'node:https',
  'node:crypto',
  'node:zlib',
  'node:child_process',
  'node:fs/promises',
  'node:os',
  // Also for the global `performance`: 0.9 ms.
  'node:perf_hooks',
  'node:tty',
];

/** Where park.cjs and park.mjs find the `Parking`. */
const key = Symbol.for('devwatch.park');

interface Context {
  send(message: PreloadMessage): void;
  /** Waits for the release; returns undefined if devwatch is gone. */
  readAnswer(): { variables: Record<string, string> } | undefined;
  /** Makes Node forget the files of the preload. */
  forgetPaths(): void;
  /** Called when the program's own code is about to begin. */
  onBegin(): void;
}

class Parking {
  readonly packages: readonly PackageFile[];
  readonly #samples: readonly string[];
  readonly #context: Context;

  constructor({ samples, packages }: ParkOrders, context: Context) {
    this.packages = packages;
    this.#samples = samples;
    this.#context = context;
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
    for (const item of this.packages) {
      try {
        if (item.kind === 'require') this.requireFromScript(item.file);
      } catch (error) {
        this.fail(item, error);
      }
    }
    this.park();
  }

  /**
   * Writes the files that try out a TypeScript compiler, as a script and as a module, and returns their names. Its
   * first use takes longest: 58 ms to the first line of a program with tsx, which starts esbuild, and 8 ms afterwards.
   * The content is new each time, because loaders cache their output.
   */
  makeSamples(): readonly string[] {
    try {
      for (const file of this.#samples) {
        mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
        writeFileSync(file, `export const n: number = ${process.hrtime.bigint()};\n`);
      }
      return this.#samples;
    } catch {
      return [];
    }
  }

  /** Loads a file as the program's script would: packages are found from there, and may look at their parent module. */
  requireFromScript(file: string): unknown {
    return createRequire(process.argv[1] ?? __filename)(file);
  }

  /** Ends the process, because a half loaded package is of no use: devwatch boots another one without packages. */
  fail({ file }: PackageFile, error: unknown): never {
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    this.#context.send({ type: 'prewarm-failed', file, message });
    kill();
  }

  /** Returns at the release. Ends the process when devwatch ends or discards it. */
  park(): void {
    const { send, readAnswer, forgetPaths, onBegin } = this.#context;
    for (const name of builtins) require(name);
    forgetPaths();
    // Some loaders append something to the names of the samples.
    for (const name of Object.keys(require.cache)) {
      if (this.#samples.some((file) => name.startsWith(file))) delete require.cache[name];
    }
    // The first timer of a process takes 0.3 ms.
    clearTimeout(setTimeout(() => {}, 0));
    const parkedAt = process.uptime();
    send({ type: 'parked', files: Object.keys(require.cache) });
    const release = readAnswer();
    if (release === undefined) kill();
    Object.assign(process.env, release.variables);
    // Programs report their uptime; this process was booted two saves ago.
    const parkedFor = process.uptime() - parkedAt;
    const { uptime } = process;
    process.uptime = new Proxy(uptime, { apply: () => uptime() - parkedFor });
    onBegin();
  }
}

function prepare(orders: ParkOrders, context: Context): void {
  const parking = new Parking(orders, context);
  if (orders.where === 'here') parking.parkWith(require);
  else Object.defineProperty(globalThis, key, { value: parking, configurable: true });
}

/** Ends the process at once: there is nothing to clean up, and Node would reset the terminal's modes. */
function kill(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killing');
}

module.exports = { prepare };
