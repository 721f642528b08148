/**
 * Files that a package loads later, by its functions. Between the package and such a file anything may have happened; so it is
 * handed over only if all that it could read of other packages is as it was: everything that can be reached from the exports of
 * the files that it asks for. It calls none of them while it is loaded (process/standby/audits.ts).
 */

import type { Ground } from './ground.cts';
import type { LoadedModule, ModuleClass } from './internals.cts';
import type { EntryRecord } from './recorder.cts';

const { types } = require('node:util') as typeof import('node:util');
const { nodeModule } = require('./internals.cjs') as { nodeModule: ModuleClass };
const { getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;

/** Objects with all that they hold: keys and values of properties, and the content of collections. */
type Objects = ReadonlyMap<object, readonly unknown[]>;

/** All that a file could read: modules, and the objects that can be reached from their exports. */
interface Readable {
  readonly exports: ReadonlyMap<LoadedModule, unknown>;
  readonly objects: Objects;
}

const maxValues = 20_000;
/** In an audit. */
const maxValuesOfAll = 1_000_000;

class Unreadable extends Error {}

/**
 * Returns what all modules export now; undefined if that is too much.
 *
 * @param before the latest result: only what is new is read
 */
const readAll = (ground: Ground, before: Objects = new Map()): Objects | undefined =>
  attempt(() => read(Object.values(nodeModule._cache), ground, maxValuesOfAll, () => {}, before));

/** Returns what the files of an entry could read of others when it was loaded; undefined if that cannot be told. */
function readableFor({ added }: EntryRecord, ground: Ground): Readable | undefined {
  const own = new Set(added.map((file) => nodeModule._cache[file]));
  const modules = new Set<LoadedModule>();
  for (const module of own) for (const child of module?.children ?? []) if (!own.has(child)) modules.add(child);
  const objects = readFrom([...modules], ground);
  return objects && { exports: new Map([...modules].map((one) => [one, one.exports])), objects };
}

/** Whether all is still as it was. */
function isUnchanged({ exports, objects }: Readable, ground: Ground): boolean {
  const now = [...exports].every(([module, before]) => Object.is(module.exports, before))
    ? readFrom([...exports.keys()], ground)
    : undefined;
  return now !== undefined && isSame(objects, now);
}

/** Whether objects hold the same as before. A new object shows in the one that holds it. */
function isSame(before: Objects, now: Objects): boolean {
  return [...now].every(([object, values]) => {
    const old = before.get(object);
    return old?.length === values.length && values.every((value, index) => Object.is(value, old[index]));
  });
}

const readFrom = (modules: readonly LoadedModule[], ground: Ground): Objects | undefined =>
  attempt(() =>
    read(modules, ground, maxValues, () => {
      throw new Unreadable();
    }),
  );

/**
 * @param onOpaque called for an object with content that cannot be seen
 * @throws Unreadable if there are too many values
 */
function read(
  modules: readonly LoadedModule[],
  ground: Ground,
  max: number,
  onOpaque: () => void,
  before: Objects = new Map(),
): Objects {
  const objects = new Map(before);
  const classes = opaqueClasses();
  const waiting: unknown[] = modules.map(({ exports }) => exports);
  for (const value of waiting) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue;
    if (objects.has(value) || ground.has(value)) continue;
    if (waiting.length > max) throw new Unreadable();
    if (isOpaque(value, classes)) {
      onOpaque();
      continue;
    }
    const content = contentOf(value);
    objects.set(value, content);
    for (const one of content) waiting.push(one);
  }
  return objects;
}

function contentOf(object: object): readonly unknown[] {
  const content: unknown[] = [getPrototypeOf(object)];
  for (const key of ownKeys(object)) {
    const { value, get, set } = getOwnPropertyDescriptor(object, key) ?? {};
    content.push(key, value, get, set);
  }
  if (types.isMap(object)) for (const [key, value] of object) content.push(key, value);
  if (types.isSet(object)) for (const one of object) content.push(one);
  if (types.isDate(object)) content.push(object.getTime());
  return content;
}

/** Classes whose instances have private fields. */
const opaque = 'URL URLSearchParams EventTarget AbortController WeakRef FinalizationRegistry'.split(' ');

/** Those of them that are there: Node makes some globals when they are read, and that would be seen. */
const opaqueClasses = (): readonly unknown[] =>
  opaque.map((name) => getOwnPropertyDescriptor(globalThis, name)?.value as unknown);

const isOpaque = (value: object, classes: readonly unknown[]): boolean =>
  types.isProxy(value) ||
  types.isWeakMap(value) ||
  types.isWeakSet(value) ||
  types.isGeneratorObject(value) ||
  types.isMapIterator(value) ||
  types.isSetIterator(value) ||
  types.isAnyArrayBuffer(value) ||
  types.isModuleNamespaceObject(value) ||
  ArrayBuffer.isView(value) ||
  classes.some((one) => typeof one === 'function' && value instanceof one);

function attempt<Value>(call: () => Value): Value | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}

export type { isSame, isUnchanged, Objects, Readable, readAll, readableFor };

module.exports = { isSame, isUnchanged, readAll, readableFor };
