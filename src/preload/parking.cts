/**
 * Makes a booted process wait until devwatch releases it to become the next run (see process/standby/). Nothing of the
 * program itself has been loaded by then.
 */

import type { canPreload, PackagePreloading } from './packages/packages.cts';
import type { Channel, LoadingAnswer, PackageOrders, ParkAnswer, ParkOrders, Release } from './protocol.ts' with {
  'resolution-mode': 'import',
};

const { writeFileSync } = require('node:fs') as typeof import('node:fs');
const path = require('node:path') as typeof import('node:path');

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
  /** Called when the program's own code is about to begin. `packages`: those that were loaded ahead of time. */
  onBegin(release: Release, packages?: PackagePreloading): void;
}

class Parking {
  readonly #orders: ParkOrders;
  readonly #context: Context;
  #packages: PackagePreloading | undefined;

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

  /** Does everything that needs no promise, and waits. */
  parkWith(load: NodeJS.Require): void {
    for (const file of this.makeSamples()) {
      try {
        load(file);
      } catch {
        // Some Node versions cannot compile the sample; only its side effect matters.
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

  /** Returns at the release. Ends the process when devwatch ends or discards it. */
  park(): void {
    this.steps(false).next();
  }

  /**
   * Waits until the release, as `park`.
   *
   * @param canImport the caller imports the addresses that this yields, and passes the errors
   */
  *steps(canImport: boolean): Generator<string, void, unknown> {
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
    const release = (yield* this.#awaitRelease(Object.keys(require.cache), canImport)) ?? kill();
    process.removeListener('uncaughtException', kill);
    Object.assign(process.env, release.variables);
    // Programs report their uptime; this process was booted two saves ago.
    const parkedFor = process.uptime() - parkedAt;
    const { uptime } = process;
    process.uptime = new Proxy(uptime, { apply: () => uptime() - parkedFor });
    this.#packages?.release(release, [[process, 'uptime']]);
    this.#context.onBegin(release, this.#packages);
  }

  /** @param files that have been loaded since the last answer */
  *#awaitRelease(files: readonly string[], canImport: boolean): Generator<string, Release | undefined, unknown> {
    const answer = this.#context.request<ParkAnswer>({ type: 'parked', files });
    if (answer === undefined || !('packages' in answer)) return answer;
    const release = yield* this.#loadPackages(answer.packages, canImport);
    return release ?? (yield* this.#awaitRelease([], canImport));
  }

  /** Returns the release, if that comes before all packages are loaded. */
  *#loadPackages(orders: PackageOrders, canImport: boolean): Generator<string, Release | undefined, unknown> {
    const { send, request, forgetPaths } = this.#context;
    // Not bundled with this file: most processes do not need it.
    const file = path.join(__dirname, 'packages.cjs');
    const loaded = require(file) as { canPreload: typeof canPreload; PackagePreloading: typeof PackagePreloading };
    delete require.cache[file];
    forgetPaths();
    if (!loaded.canPreload()) return undefined;
    const packages = new loaded.PackagePreloading(orders, (misfit) => {
      request({ type: 'misfit', ...misfit });
      kill();
    });
    const ask = (index: number): Release | undefined => {
      const answer = request<LoadingAnswer>({ type: 'loading', index }) ?? kill();
      return 'next' in answer ? undefined : answer;
    };
    let release: Release | undefined;
    for (const [index, entry] of orders.entries.entries()) {
      release = ask(index);
      if (release !== undefined) break;
      const report = packages.load(entry);
      send({ type: 'loaded', index, report });
      if (report.isRuinous && !orders.isAudit) kill();
    }
    if (orders.isAudit) {
      // Without an import, nothing is known of ES modules, and none is linked.
      const found = canImport ? yield* packages.findModules() : { ...packages.judgeModules(), modules: [] };
      send({ type: 'audited', tainted: packages.blamedEntries, needs: packages.neededEntries, ...found });
      // This process is never released.
      return release;
    }
    packages.arm();
    this.#packages = packages;
    const modules = canImport ? orders.modules : [];
    for (let at = 0, index = orders.entries.length; at < modules.length; at += modulesPerStep, index += 1) {
      release ??= ask(index);
      if (release !== undefined) break;
      const files = yield* packages.linkModules(modules.slice(at, at + modulesPerStep));
      send({ type: 'linked', index, files });
    }
    return release;
  }
}

/** A step of the linking takes 30 ms or so. */
const modulesPerStep = 50;

/** Ends the process at once: there is nothing to clean up, and Node would reset the terminal's modes. */
function kill(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killing');
}

export type { Parking };

module.exports = { Parking };
