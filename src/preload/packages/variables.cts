/** Records which variables packages read and write while they are loaded. */

import type { Patches } from './patches.cts';
import type { EntryRecord, FileRecord, Recorder } from './recorder.cts';

const os = require('node:os') as typeof import('node:os');

const { deleteProperty, ownKeys, defineProperty } = Reflect;

type Variables = Readonly<Record<string, string | null>>;

/** Node reads these itself; packages do not. */
const nodesOwn = new Set(['NODE_V8_COVERAGE', 'WATCH_REPORT_DEPENDENCIES']);

const isIgnored = (key: string | symbol): key is symbol =>
  typeof key === 'symbol' || key.startsWith('DEVWATCH_') || nodesOwn.has(key);

/** Functions of `os` that read variables in native code. */
const nativeReaders = { homedir: ['HOME', 'USERPROFILE'], tmpdir: ['TMPDIR', 'TMP', 'TEMP'] };

/** `debug`, which most packages use, enumerates the variables, but looks only for names of its own. */
const readsDebugNames = /[\\/]node_modules[\\/]debug[\\/]src[\\/]node\.js$/;

/** Returns the names of all variables, as far as a file looks at them. */
function namesFor(file: string, all: readonly (string | symbol)[]): string {
  const names = all.filter((key): key is string => !isIgnored(key));
  return (readsDebugNames.test(file) ? names.filter((key) => /^debug_/i.test(key)) : names.sort()).join('\0');
}

/** Returns the first variable that a file has read and that is different now. */
const differentVariable = ({ file, variables }: FileRecord): string | undefined =>
  [...variables].find(
    ([key, value]) => (key === '*' ? namesFor(file, ownKeys(process.env)) : process.env[key]) !== value,
  )?.[0];

/**
 * Replaces `process.env` by a recording one, in which the program seems to have set its variables already. The real one does
 * not have them: a package may set the same ones itself, also in native code.
 */
class RecordedVariables {
  readonly #recorder: Recorder;
  readonly #real = process.env;
  readonly #traps: ProxyHandler<NodeJS.ProcessEnv> = {};
  /** The variables that the program is expected to set, or to delete. */
  readonly #expected: Map<string, string | undefined>;
  #enumerated: ReadonlySet<string | symbol> = new Set();
  /** Those of them whose values have not been read since. */
  readonly #unread = new Set<string | symbol>();

  /** @param expected variables that the last run has set before it had settled; null: deleted */
  constructor(recorder: Recorder, expected: Variables) {
    this.#recorder = recorder;
    this.#expected = new Map(Object.entries(expected).map(([key, value]) => [key, value ?? undefined]));
    Object.assign(this.#traps, this.#recordingTraps());
    const value = new Proxy(this.#real, this.#traps);
    defineProperty(process, 'env', { value, writable: true, enumerable: true, configurable: true });
  }

  /** Notes what is read of the real variables, which may not be those that the program is expected to have. */
  noteNativeReads(patches: Patches): void {
    for (const [name, keys] of Object.entries(nativeReaders)) {
      patches.add(os, name, (_, proceed) => {
        this.#recorder.noteReaders(this.#read, ({ variables }) => {
          for (const key of keys) variables.set(key, this.#real[key]);
        });
        return proceed();
      });
    }
  }

  /** Returns a copy of the real variables. */
  copy(): NodeJS.ProcessEnv {
    return { ...this.#real };
  }

  /** Adds writes since a copy that no trap has seen, such as those of native code. */
  addUnseenWrites(since: NodeJS.ProcessEnv, { writes }: EntryRecord): void {
    const now = this.copy();
    for (const key of new Set([...Object.keys(since), ...Object.keys(now)])) {
      if (since[key] === now[key] || writes.some((one) => one.key === key)) continue;
      writes.push({ key, before: since[key], after: now[key] });
    }
  }

  /** Puts the real `process.env` back, as it was before packages were loaded. */
  restore(): void {
    // Packages may keep the proxy.
    for (const key of ownKeys(this.#traps)) deleteProperty(this.#traps, key);
    defineProperty(process, 'env', { value: this.#real, writable: true, enumerable: true, configurable: true });
    for (const { writes } of this.#recorder.entries.toReversed()) {
      for (const { key, before } of writes.toReversed()) set(key, before);
    }
  }

  #valueOf(key: string | symbol): string | undefined {
    return this.#expected.has(key as string) ? this.#expected.get(key as string) : this.#real[key as string];
  }

  #names(): (string | symbol)[] {
    const names = ownKeys(this.#real).filter((key) => this.#valueOf(key) !== undefined);
    const added = [...this.#expected.keys()].filter((key) => this.#expected.get(key) !== undefined);
    return [...new Set([...names, ...added])];
  }

  #recordingTraps(): ProxyHandler<NodeJS.ProcessEnv> {
    return {
      get: (target, key) => {
        const all = target as Readonly<Record<string | symbol, string | undefined>>;
        const value = this.#expected.has(key as string) ? this.#valueOf(key) : all[key];
        this.#read(key, value);
        // The copy would lack the variables of the run, which are not known yet.
        if (this.#unread.delete(key) && this.#unread.size === 0) this.#recorder.blame('copies all variables');
        return value;
      },
      has: (_, key) => {
        const value = this.#valueOf(key);
        this.#read(key, value);
        return value !== undefined;
      },
      // An enumeration asks for each name whether it is enumerable. That is no read of its value.
      getOwnPropertyDescriptor: (_, key) => {
        const value = this.#valueOf(key);
        if (!this.#enumerated.has(key)) this.#read(key, value);
        return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
      },
      ownKeys: () => {
        this.#read('*', undefined);
        const names = this.#names();
        this.#enumerated = new Set(names);
        this.#unread.clear();
        for (const name of names) this.#unread.add(name);
        return names;
      },
      set: (target, key, value) => {
        this.#write(key, String(value));
        target[key as string] = String(value);
        return true;
      },
      deleteProperty: (target, key) => {
        if (this.#valueOf(key) !== undefined) this.#write(key, undefined);
        return deleteProperty(target, key);
      },
    };
  }

  readonly #read = (key: string | symbol, value: string | undefined): void => {
    if (isIgnored(key)) return;
    this.#recorder.noteReaders(this.#read, ({ file, variables }) => {
      if (!variables.has(key)) variables.set(key, key === '*' ? namesFor(file, this.#names()) : value);
    });
  };

  #write(key: string | symbol, after: string | undefined): void {
    if (typeof key !== 'string') return;
    const before = this.#real[key];
    const isChange = before !== after || this.#valueOf(key) !== after;
    this.#expected.delete(key);
    if (isChange) this.#recorder.current?.writes.push({ key, before, after });
  }
}

/** Sets a variable, or deletes it. */
function set(key: string, value: string | undefined): void {
  if (value === undefined) deleteProperty(process.env, key);
  else process.env[key] = value;
}

export type { differentVariable, RecordedVariables, set };

module.exports = { differentVariable, RecordedVariables, set };
