/**
 * Lets a process wait, booted and ready, until devwatch releases it to become the next run (see
 * process/standby.ts). Nothing of the program has been read by then.
 */

type ParkOrders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).ParkOrders;
type PackageFile = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).PackageFile;

const { mkdirSync, writeFileSync } = require('node:fs') as typeof import('node:fs');
const { createRequire } = require('node:module') as typeof import('node:module');
const path = require('node:path') as typeof import('node:path');

/** What most programs load of Node itself; loading it has no effect that could be seen (`node:dns` reads resolv.conf). */
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

/** Where park.cjs and park.mjs find this. */
const place = Symbol.for('devwatch.park');

/** What the preload has for us. */
interface Links {
  say(message: object): void;
  readAnswer(): { variables: Record<string, string> } | undefined;
  /** Makes Node forget our files. */
  forgetPaths(): void;
  /** The program begins. */
  onBegin(): void;
}

function prepare({ where, samples, packages }: ParkOrders, { say, readAnswer, forgetPaths, onBegin }: Links): void {
  const parking = {
    packages,

    /**
     * Files to try on what compiles TypeScript, as a script and as a module: its first use takes longest
     * (58 ms to the first line of a program with tsx, which starts esbuild; 8 ms after it). The content is
     * always another one, for loaders keep what they have compiled. None where there is nothing to try.
     */
    makeSamples(): readonly string[] {
      try {
        for (const file of samples) {
          mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
          writeFileSync(file, `export const n: number = ${process.hrtime.bigint()};\n`);
        }
        return samples;
      } catch {
        return [];
      }
    },

    /** As the program itself would: its packages are found from its script, and may ask who loads them. */
    requireHere: (file: string): unknown => createRequire(process.argv[1] ?? __filename)(file),

    /** What has been half loaded is of no use: another process is prepared, without packages. */
    fail({ file }: PackageFile, error: unknown): never {
      const [message] = (error instanceof Error ? error.message : String(error)).split('\n');
      say({ type: 'prewarm-failed', file, message });
      end();
    },

    /** All that can be done without waiting for a promise, and then the wait. */
    parkWith(load: NodeJS.Require): void {
      for (const file of parking.makeSamples()) {
        try {
          load(file);
        } catch {
          // Not every Node compiles it, and it is not what the program is about.
        }
      }
      for (const item of packages) {
        try {
          if (item.kind === 'require') parking.requireHere(item.file);
        } catch (error) {
          parking.fail(item, error);
        }
      }
      parking.park();
    },

    /** Ends when devwatch ends or has no use for this process any more. */
    park(): void {
      for (const name of builtins) require(name);
      forgetPaths();
      // Some loaders append something to the names of the samples.
      for (const key of Object.keys(require.cache)) {
        if (samples.some((file) => key.startsWith(file))) delete require.cache[key];
      }
      // The first timer of a process takes 0.3 ms.
      clearTimeout(setTimeout(() => {}, 0));
      emptyNursery();
      const parkedAt = process.uptime();
      say({ type: 'parked', files: Object.keys(require.cache) });
      const release = readAnswer();
      if (release === undefined) end();
      Object.assign(process.env, release.variables);
      // Programs report it; a parked process would be as old as the save before the last.
      const parked = process.uptime() - parkedAt;
      const { uptime } = process;
      process.uptime = new Proxy(uptime, { apply: () => uptime() - parked });
      onBegin();
    },
  };

  if (where === 'here') parking.parkWith(require);
  else Object.defineProperty(globalThis, place, { value: parking, configurable: true });
}

/**
 * Has V8 collect the youngest objects now. By now they have nearly filled their space, and the program
 * would begin by waiting 0.9 ms for that. Nothing but its lack of space makes V8 do it.
 */
function emptyNursery(): void {
  let before = process.memoryUsage().heapUsed;
  for (let filled = 0; filled < largestNursery; filled += step) {
    new Array(step / 8).fill(0);
    const now = process.memoryUsage().heapUsed;
    if (now < before) return;
    before = now;
  }
}

/** Bytes: what V8 gives it at most by itself, and how much of it is filled between two looks. */
const largestNursery = 16 * 1024 * 1024;
const step = 32 * 1024;

/** At once: nothing has begun that would have to be ended, and Node would put the terminal into the modes of its start. */
function end(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killing');
}

module.exports = { prepare };
