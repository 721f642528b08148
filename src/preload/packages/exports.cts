/** Notices that a package changes the exports of another one: own properties, three levels deep. */

import type { Change, Ground } from './ground.cts';
import type { ModuleClass, shortName as ShortName } from './internals.cts';
import type { EntryRecord, Recorder } from './recorder.cts';

const { types } = require('node:util') as typeof import('node:util');
const { nodeModule, shortName } = require('./internals.cjs') as {
  nodeModule: ModuleClass;
  shortName: typeof ShortName;
};
const { getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;

type Key = string | symbol;
/** The properties of the objects that a module exports. */
type Shape = ReadonlyMap<object, ReadonlyMap<Key, unknown>>;

const maxDepth = 3;
const maxObjects = 150;
const maxKeys = 200;

class Exports {
  readonly #ground: Ground;
  readonly #recorder: Recorder;
  readonly #shapes = new Map<string, Shape>();

  constructor(ground: Ground, recorder: Recorder) {
    this.#ground = ground;
    this.#recorder = recorder;
  }

  /** Remembers what these files export now. */
  remember(files: Iterable<string>): void {
    for (const file of files) {
      const module = nodeModule._cache[file];
      if (module !== undefined) this.#shapes.set(file, shapeOf(module.exports, this.#ground));
    }
  }

  /** Returns how an entry has changed what files of other entries export. */
  changesBy(entry: EntryRecord): Change[] {
    const changes: Change[] = [];
    for (const [file, before] of this.#shapes) {
      if (this.#recorder.records.get(file)?.entry === entry) continue;
      const module = nodeModule._cache[file];
      if (module === undefined) continue;
      const after = shapeOf(module.exports, this.#ground);
      const found = differences(before, after, file);
      if (found.length === 0) continue;
      changes.push(...found);
      this.#shapes.set(file, after);
    }
    return changes;
  }
}

/** Returns what can be seen of exports, without a call. */
function shapeOf(exports: unknown, ground: Ground): Shape {
  const shape = new Map<object, Map<Key, unknown>>();
  const look = (value: unknown, depth: number): void => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return;
    if (shape.has(value) || shape.size > maxObjects || ground.has(value) || ArrayBuffer.isView(value)) return;
    const properties = new Map<Key, unknown>();
    shape.set(value, properties);
    const inner: unknown[] = [];
    for (const key of keysOf(value)) {
      const descriptor = descriptorOf(value, key);
      if (descriptor === undefined) continue;
      const isValue = 'value' in descriptor;
      properties.set(key, isValue ? descriptor.value : descriptor.get);
      if (isValue && depth > 1) inner.push(descriptor.value);
    }
    const held = contentOf(value);
    if (held !== undefined) {
      properties.set(content, held);
      if (depth > 1) inner.push(...held);
    }
    // The methods of an instance.
    if (depth > 1) inner.push(prototypeOf(value));
    for (const one of inner) look(one, depth - 1);
  };
  look(exports, maxDepth);
  return shape;
}

/** The key of what an object holds that has no properties for it. */
const content = Symbol('content');

/** Returns what a collection or a date holds: its size, and the first keys and values. Undefined for all other objects. */
function contentOf(object: object): readonly unknown[] | undefined {
  if (types.isDate(object)) return [object.getTime()];
  if (types.isMap(object)) return [object.size, ...firstOf(object.entries()).flat()];
  return types.isSet(object) ? [object.size, ...firstOf(object.values())] : undefined;
}

function firstOf<Value>(values: Iterable<Value>): Value[] {
  const first: Value[] = [];
  for (const value of values) if (first.push(value) >= maxKeys) break;
  return first;
}

/** Whether a property, or the content, has the same value. */
function isSameValue(before: unknown, after: unknown, key: Key): boolean {
  if (key !== content || before === undefined || after === undefined) return Object.is(before, after);
  const [old, now] = [before as readonly unknown[], after as readonly unknown[]];
  return old.length === now.length && now.every((value, index) => Object.is(value, old[index]));
}

/** Whether all objects of a shape still look as they did. Compares them in place: a new shape takes twice as long. */
function isStill(shape: Shape): boolean {
  for (const [object, properties] of shape) {
    let count = 0;
    for (const key of keysOf(object)) {
      const descriptor = descriptorOf(object, key);
      if (descriptor === undefined) continue;
      if (!Object.is(properties.get(key), 'value' in descriptor ? descriptor.value : descriptor.get)) return false;
      count += 1;
    }
    const held = contentOf(object);
    if (held !== undefined) {
      if (!isSameValue(properties.get(content), held, content)) return false;
      count += 1;
    }
    if (count !== properties.size) return false;
  }
  return true;
}

/** Proxies may throw. */
function keysOf(object: object): readonly Key[] {
  try {
    return ownKeys(object).slice(0, maxKeys);
  } catch {
    return [];
  }
}

function prototypeOf(object: object): object | null {
  try {
    return getPrototypeOf(object);
  } catch {
    return null;
  }
}

function descriptorOf(object: object, key: Key): PropertyDescriptor | undefined {
  try {
    return getOwnPropertyDescriptor(object, key);
  } catch {
    return undefined;
  }
}

/** Of objects that both shapes have. A new object shows in the one that holds it. */
function differences(before: Shape, after: Shape, file: string): Change[] {
  const changes: Change[] = [];
  const nameOf = (key: Key): string => `${shortName(file)} ${String(key)}`;
  for (const [object, properties] of after) {
    const old = before.get(object);
    if (old === undefined) continue;
    const change = (key: Key, from?: PropertyDescriptor, to?: PropertyDescriptor): void => {
      changes.push({ kind: 'foreign', name: nameOf(key), key, file, object, before: from, after: to });
    };
    const lost = (key: Key): void => void changes.push({ kind: 'setting', name: nameOf(key), key });
    for (const [key, value] of properties) {
      if (old.has(key) && isSameValue(old.get(key), value, key)) continue;
      if (key === content) lost(key);
      const now = descriptorOf(object, key);
      if (now === undefined) continue;
      // Of the state before, only the value is known.
      if (old.has(key) && !('value' in now)) lost(key);
      else change(key, old.has(key) ? { ...now, value: old.get(key) } : undefined, now);
    }
    for (const key of old.keys()) if (!properties.has(key)) lost(key);
  }
  return changes;
}

export type { Exports, isStill, Shape, shapeOf };

module.exports = { Exports, isStill, shapeOf };
