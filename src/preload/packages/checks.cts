/** Checks whether all is still as it was when packages were loaded: for all of them, and for one. */

import type { differentFile as DifferentFile } from './file-reads.cts';
import type { Change, Ground, GroundState, GroundWatch as GroundWatchClass } from './ground.cts';
import type { ModuleClass, shortName as ShortName } from './internals.cts';
import type { FileRecord } from './recorder.cts';
import type { differentVariable as DifferentVariable } from './variables.cts';

const { differentFile } = require('./file-reads.cjs') as { differentFile: typeof DifferentFile };
const { GroundWatch } = require('./ground.cjs') as { GroundWatch: typeof GroundWatchClass };
const { nodeModule, shortName } = require('./internals.cjs') as {
  nodeModule: ModuleClass;
  shortName: typeof ShortName;
};
const { differentVariable } = require('./variables.cjs') as { differentVariable: typeof DifferentVariable };
const { getOwnPropertyDescriptor, ownKeys } = Reflect;

/** V8 compiles the checks when they have run this often in a process. */
let warmUps = 150;

const loaderFunctions = '_load _resolveFilename _findPath _nodeModulePaths _resolveLookupPaths wrap'.split(' ');

const loaderNow = (): readonly unknown[] => [
  ...loaderFunctions.map((name) => nodeModule[name]),
  ...(['require', '_compile', 'load'] as const).map(
    (name) => (nodeModule.prototype as unknown as Record<string, unknown>)[name],
  ),
  ...ownKeys(nodeModule._extensions).flatMap((key) => [key, nodeModule._extensions[key as string]]),
];

const placeNow = (): readonly unknown[] => [process.argv.join('\0'), process.env, process.env.TZ];

const isSame = (one: readonly unknown[], other: readonly unknown[]): boolean =>
  one.length === other.length && one.every((value, index) => value === other[index]);

class Checks {
  readonly #ground: Ground;
  readonly #expected: GroundState;
  readonly #watch: GroundWatchClass;
  readonly #lazy: readonly Change[];
  readonly #place = placeNow();
  readonly #folder = process.cwd();
  #loader = loaderNow();
  #hasHooks = false;
  /** Called when the program is about to hook the loader. */
  onHooks: (() => void) | undefined;
  readonly #restores: (() => void)[] = [];
  /** Names of changes that are expected: effects that were made again, and what only some files can have noticed. */
  readonly #expectedChanges = new Set<string>();

  /** @param lazy accessors of Node that packages have replaced by their values */
  constructor(ground: Ground, lazy: readonly Change[]) {
    this.#ground = ground;
    this.#lazy = lazy;
    for (const name of ['register', 'registerHooks']) this.#noteHooks(name);
    // ES modules may import them by name.
    nodeModule.syncBuiltinESMExports();
    this.#expected = ground.capture();
    this.#watch = new GroundWatch(this.#expected);
    for (; warmUps > 0; warmUps -= 1) this.moved();
  }

  /** Whether the program has hooked the module loader. */
  get isLoaderChanged(): boolean {
    return this.#hasHooks || !isSame(this.#loader, loaderNow());
  }

  /** Names what has changed in a way that every package could notice; undefined if all is as it was. */
  moved(): string | undefined {
    if (this.isLoaderChanged) return 'the module loader';
    if (!isSame(this.#place, placeNow())) return 'the arguments, process.env or TZ';
    const lazy = this.#lazy.find((change) => !isIntact(change));
    return lazy?.name ?? this.#watch.moved();
  }

  /** Whether the program has gone to another folder. */
  get isElsewhere(): boolean {
    return process.cwd() !== this.#folder;
  }

  /** Names of the properties that have changed unexpectedly. */
  changes(): readonly Change[] {
    const changes = this.#ground.differences(this.#expected);
    return changes.filter(({ kind, name }) => kind === 'property' && !this.#expectedChanges.has(name));
  }

  /** Takes the present value as the one to be expected. */
  expect(object: object, key: string | symbol, name: string): void {
    this.#expectedChanges.add(name);
    this.#watch.expect(object, key);
  }

  /** Takes the loader as it is now: an effect that was made again has changed it. */
  expectLoader(): void {
    this.#loader = loaderNow();
  }

  /** Ends the observation of hooks. */
  close(): void {
    for (const restore of this.#restores.splice(0)) restore();
    nodeModule.syncBuiltinESMExports();
  }

  #noteHooks(name: string): void {
    const original = nodeModule[name];
    if (typeof original !== 'function') return;
    const noting = new Proxy(original, {
      apply: (register, self, args: unknown[]) => {
        this.#hasHooks = true;
        this.onHooks?.();
        return Reflect.apply(register, self, args) as unknown;
      },
    });
    nodeModule[name] = noting;
    this.#restores.push(() => {
      if (nodeModule[name] === noting) nodeModule[name] = original;
    });
  }
}

function isIntact({ object, key, before, after }: Change): boolean {
  const now = object === undefined ? undefined : getOwnPropertyDescriptor(object, key);
  return now !== undefined && (now.get === before?.get || now.value === after?.value);
}

interface Difference {
  readonly why: string;
  /** The variable that has another value. */
  readonly variable?: string;
}

/** Finds out what is different now of all that a file has read; undefined if nothing is. */
function differenceFor(record: FileRecord): Difference | undefined {
  const { variables, reads } = record;
  // Most have read nothing.
  const variable = variables.size === 0 ? undefined : differentVariable(record);
  if (variable === '*') return { why: `${shortName(record.file)} has listed the variables, which are others now` };
  if (variable !== undefined) {
    return { why: `${shortName(record.file)} has read ${variable}, which is different now`, variable };
  }
  const file = reads.size === 0 ? undefined : differentFile(record);
  return file === undefined ? undefined : { why: `${shortName(record.file)} has read ${file}, which is different now` };
}

export type { Checks, differenceFor };

module.exports = { Checks, differenceFor };
