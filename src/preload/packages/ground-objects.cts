/**
 * The objects outside of modules that a package can change when it is loaded, and that another one can notice: globals,
 * intrinsics and their prototypes, the modules of Node and the classes in them.
 */

import type { ModuleClass } from './internals.cts';

const path = require('node:path') as typeof import('node:path');
const { getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;

const builtins =
  'async_hooks buffer child_process cluster constants crypto dgram diagnostics_channel dns dns/promises events fs fs/promises http https module net os path path/posix perf_hooks process querystring readline readline/promises stream stream/promises string_decoder timers timers/promises tls tty url util util/types v8 vm zlib'.split(
    ' ',
  );

/** Loading these has effects of its own: it opens stdout, and replaces `process.chdir`. */
const builtinsWithEffects = ['assert', 'http2', 'worker_threads'];

const intrinsics =
  'Object Function Array String Number Boolean Symbol BigInt Date RegExp Promise Map Set WeakMap WeakSet WeakRef FinalizationRegistry ArrayBuffer SharedArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array BigUint64Array Error EvalError RangeError ReferenceError SyntaxError TypeError URIError AggregateError Math JSON Reflect Atomics Intl WebAssembly Proxy Buffer URL URLSearchParams EventTarget Event AbortController AbortSignal TextEncoder TextDecoder console process'.split(
    ' ',
  );

/**
 * Properties that Node 22 and later fill in as soon as somebody looks at them: that loads their `fetch`, which leaves a
 * global symbol, or `worker_threads`, or opens stdout.
 */
const lazyKeys: ReadonlySet<string | symbol> = new Set(
  'FormData Headers Request Response MessageEvent WebSocket EventSource CloseEvent ErrorEvent setTraceSigInt diff'.split(
    ' ',
  ),
);
/**
 * Properties of `process` that are not its own: on Windows the title is that of the console, which other processes change
 * as well.
 */
const foreignKeys: ReadonlySet<string | symbol> = new Set(path.sep === '/' ? [] : ['title']);
const hasLazyKeys = Number.parseInt(process.versions.node, 10) >= 22;

type Names = ReadonlySet<string | symbol>;

interface GroundObjects {
  /** The objects, with a name for each. */
  readonly objects: ReadonlyMap<object, string>;
  /** Properties that change by themselves. */
  readonly volatile: ReadonlyMap<object, Names>;
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** Returns the objects. Loads all modules of Node that packages use. */
function groundObjects(Module: ModuleClass): GroundObjects {
  const objects = new Map<object, string>();
  const add = (object: unknown, name: string): void => {
    if (isObject(object) && !objects.has(object)) objects.set(object, name);
  };
  add(globalThis, 'globalThis');
  for (const name of intrinsics) {
    const value: unknown = getOwnPropertyDescriptor(globalThis, name)?.value;
    add(value, name);
    if (typeof value === 'function') add(value.prototype, `${name}.prototype`);
  }
  const typed = getPrototypeOf(Int8Array) as typeof Int8Array;
  add(typed, '%TypedArray%');
  add(typed.prototype, '%TypedArray%.prototype');
  add(getPrototypeOf([][Symbol.iterator]()), '%ArrayIterator%');
  add(
    getPrototypeOf(async () => {}),
    '%AsyncFunction%',
  );
  add((getPrototypeOf(function* () {}) as GeneratorFunction).prototype, '%Generator%');
  add((getPrototypeOf(async function* () {}) as AsyncGeneratorFunction).prototype, '%AsyncGenerator%');
  add(Module, 'module');
  add(Module.prototype, 'Module.prototype');
  add(Module._extensions, 'require.extensions');
  const { moduleLoadList: loaded = [] } = process as { moduleLoadList?: readonly string[] };
  const others = builtinsWithEffects.filter((name) => loaded.includes(`NativeModule ${name}`));
  for (const name of [...builtins, ...others]) addBuiltin(name, add);
  addAgents(add);
  const volatile = new Map<object, Names>([
    [
      process,
      new Set([
        ...['_events', '_eventsCount', '_maxListeners', 'env', 'mainModule', 'domain', '_exiting', 'exitCode'],
        'allowedNodeEnvironmentFlags',
        ...foreignKeys,
      ]),
    ],
    [Module, new Set(['_cache', '_pathCache'])],
  ]);
  if (hasLazyKeys) for (const object of [globalThis, require('node:util') as object]) volatile.set(object, lazyKeys);
  return { objects, volatile };
}

type Add = (object: unknown, name: string) => void;

function addBuiltin(name: string, add: Add): void {
  let exports: object;
  try {
    exports = require(`node:${name}`) as object;
  } catch {
    return; // This Node does not have it.
  }
  add(exports, `node:${name}`);
  for (const key of ownKeys(exports)) {
    if ((hasLazyKeys && lazyKeys.has(key)) || (name === 'process' && foreignKeys.has(key))) continue;
    const value: unknown = getOwnPropertyDescriptor(exports, key)?.value;
    if (typeof value !== 'function' || !isObject(value.prototype) || ownKeys(value.prototype).length <= 1) continue;
    add(value, `node:${name}.${String(key)}`);
    add(value.prototype, `node:${name}.${String(key)}.prototype`);
  }
}

function addAgents(add: Add): void {
  for (const name of ['http', 'https'] as const) {
    const { globalAgent } = require(`node:${name}`) as { globalAgent: { options?: object } };
    add(globalAgent, `${name}.globalAgent`);
    add(globalAgent.options, `${name}.globalAgent.options`);
  }
  add((require('node:util') as typeof import('node:util')).inspect.defaultOptions, 'util.inspect.defaultOptions');
}

export type { foreignKeys, GroundObjects, groundObjects, isObject };

module.exports = { foreignKeys, groundObjects, isObject };
