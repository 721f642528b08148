/** Records which variables packages read and write while they are loaded. */

import type { EntryRecord, FileRecord, Recorder } from './recorder.cts';

const { deleteProperty, getOwnPropertyDescriptor, ownKeys, defineProperty } = Reflect;

type Variables = Readonly<Record<string, string | null>>;

/** Node reads these itself; packages do not. */
const nodesOwn = new Set(['NODE_V8_COVERAGE', 'WATCH_REPORT_DEPENDENCIES']);

const isIgnored = (key: string | symbol): key is symbol =>
  typeof key === 'symbol' || key.startsWith('DEVWATCH_') || nodesOwn.has(key);

/** `debug`, which most packages use, enumerates the variables, but looks only for names of its own. */
const readsDebugNames = /[\\/]node_modules[\\/]debug[\\/]src[\\/]node\.js$/;

/** Returns the names of all variables, as far as a file looks at them. */
function namesFor(file: string, env: NodeJS.ProcessEnv): string {
  const names = ownKeys(env).filter((key): key is string => !isIgnored(key));
  return (readsDebugNames.test(file) ? names.filter((key) => /^debug_/i.test(key)) : names.sort()).join('\0');
}

/** Returns the first variable that a file has read and that is different now. */
const differentVariable = ({ file, variables }: FileRecord): string | undefined =>
  [...variables].find(([key, value]) => (key === '*' ? namesFor(file, process.env) : process.env[key]) !== value)?.[0];

/** Replaces `process.env` by a recording one. */
class RecordedVariables {
  readonly #recorder: Recorder;
  readonly #real = process.env;
  readonly #traps: ProxyHandler<NodeJS.ProcessEnv> = {};
  /** The variables that the program is expected to set, and their values until then. */
  readonly #expected = new Map<string, string | undefined>();
  #enumerated = new Set<string | symbol>();

  /** @param expected variables that the last run has set before it had settled; null: deleted */
  constructor(recorder: Recorder, expected: Variables) {
    this.#recorder = recorder;
    for (const [key, value] of Object.entries(expected)) {
      this.#expected.set(key, this.#real[key]);
      set(key, value ?? undefined);
    }
    Object.assign(this.#traps, this.#recordingTraps());
    const value = new Proxy(this.#real, this.#traps);
    defineProperty(process, 'env', { value, writable: true, enumerable: true, configurable: true });
  }

  /** Puts the real `process.env` back, as it was before packages were loaded. */
  restore(): void {
    // Packages may keep the proxy.
    for (const key of ownKeys(this.#traps)) deleteProperty(this.#traps, key);
    defineProperty(process, 'env', { value: this.#real, writable: true, enumerable: true, configurable: true });
    for (const { writes } of this.#recorder.entries.toReversed()) {
      for (const { key, before } of writes.toReversed()) set(key, before);
    }
    for (const [key, value] of this.#expected) set(key, value);
  }

  #recordingTraps(): ProxyHandler<NodeJS.ProcessEnv> {
    return {
      get: (target, key) => {
        const value = target[key as string];
        this.#read(key, value);
        return value;
      },
      has: (target, key) => {
        this.#read(key, target[key as string]);
        return key in target;
      },
      // An enumeration asks for each name whether it is enumerable. That is no read of its value.
      getOwnPropertyDescriptor: (target, key) => {
        if (!this.#enumerated.has(key)) this.#read(key, target[key as string]);
        return getOwnPropertyDescriptor(target, key);
      },
      ownKeys: (target) => {
        this.#read('*', undefined);
        this.#enumerated = new Set(ownKeys(target));
        return ownKeys(target);
      },
      set: (target, key, value) => {
        const before = target[key as string];
        const after = String(value);
        if (before !== after || this.#expected.has(key as string)) this.#write(key, before, after);
        target[key as string] = after;
        return true;
      },
      deleteProperty: (target, key) => {
        if (target[key as string] !== undefined) this.#write(key, target[key as string], undefined);
        return deleteProperty(target, key);
      },
    };
  }

  readonly #read = (key: string | symbol, value: string | undefined): void => {
    if (isIgnored(key)) return;
    this.#recorder.noteReaders(this.#read, ({ file, variables }) => {
      if (!variables.has(key)) variables.set(key, key === '*' ? namesFor(file, this.#real) : value);
    });
  };

  #write(key: string | symbol, before: string | undefined, after: string | undefined): void {
    if (typeof key === 'string') this.#recorder.current?.writes.push({ key, before, after });
  }
}

/** Sets a variable, or deletes it. */
function set(key: string, value: string | undefined): void {
  if (value === undefined) deleteProperty(process.env, key);
  else process.env[key] = value;
}

/** Adds writes that no trap has seen, such as those of native code. */
function addUnseenWrites(before: NodeJS.ProcessEnv, { writes }: EntryRecord): void {
  const now = { ...process.env };
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (before[key] === now[key] || writes.some((one) => one.key === key)) continue;
    writes.push({ key, before: before[key], after: now[key] });
  }
}

export type { addUnseenWrites, differentVariable, RecordedVariables, set };

module.exports = { addUnseenWrites, differentVariable, RecordedVariables, set };
