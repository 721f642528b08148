/**
 * Lets a process wait, booted and ready, until devwatch releases it to become the next run (see
 * process/standby.ts). Nothing of the program has been read by then.
 */

type ParkOrders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).ParkOrders;
type PackageFile = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).PackageFile;

const { mkdirSync, writeFileSync } = require('node:fs') as typeof import('node:fs');
const { createRequire } = require('node:module') as typeof import('node:module');
const path = require('node:path') as typeof import('node:path');

/** What most programs load of Node itself; loading it has no effect that could be seen. */
const builtins = ['node:http', 'node:https', 'node:crypto', 'node:zlib', 'node:child_process'];

/** Where park.cjs and park.mjs find this. */
const place = Symbol.for('devwatch.park');

/** What the preload has for us. */
interface Links {
  say(message: object): void;
  readAnswer(): { variables: Record<string, string> } | undefined;
  /** The program begins. */
  onBegin(): void;
}

function prepare({ where, samples, packages }: ParkOrders, { say, readAnswer, onBegin }: Links): void {
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
        delete require.cache[file];
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
      const parkedAt = process.uptime();
      say({ type: 'parked', files: packages.length === 0 ? [] : Object.keys(require.cache) });
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

/** At once: nothing has begun that would have to be ended, and Node would put the terminal into the modes of its start. */
function end(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killed');
}

module.exports = { prepare };
