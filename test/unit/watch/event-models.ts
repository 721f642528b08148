/**
 * macOS and Windows as a watcher sees them: random operations on a real folder, and the events that each system would
 * report of them (see src/watch/folder-events.ts), which a test delivers by hand.
 */

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import type { FolderEvents, FolderListener } from '../../../src/watch/folder-events.ts';

/** An operation on the project, by relative paths. Each works wherever it is applied. */
export interface Operation {
  readonly kind: 'write' | 'copy' | 'replace' | 'remove' | 'rename' | 'remake' | 'touch' | 'chmod' | 'mkdir';
  readonly at: string;
  readonly to: string;
  readonly content: string;
}

/** How the events of some operations reach the watcher. */
export interface Delivery {
  /** macOS: events of one path are merged. */
  readonly isMerged: boolean;
  /** macOS: the events below this path become one of it. */
  readonly mergedInto: string | undefined;
  /** macOS: events are lost because the stream has been replaced. Windows: because the buffer was full. */
  readonly areLost: boolean;
  /** Events are delivered twice, and macOS repeats those of earlier batches. */
  readonly areRepeated: boolean;
  /** Names that are known are spelled otherwise. */
  readonly isRespelled: boolean;
}

export interface Batch {
  readonly operations: readonly Operation[];
  readonly delivery: Delivery;
}

interface Touched {
  readonly type: 'rename' | 'change';
  /** Relative to the project. */
  readonly path: string;
}

const names = ['a', 'b.js', 'Käse.js', 'node_modules'] as const;

/** Few names, so that files and folders often take each other's place. */
const paths = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

const operations: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom(
    'write',
    'write',
    'write',
    'copy',
    'replace',
    'remove',
    'rename',
    'remake',
    'touch',
    'chmod',
    'mkdir',
  ),
  at: paths,
  to: paths,
  content: fc.constantFrom('1', '2', 'long'),
});

const seldom = fc.integer({ min: 0, max: 4 }).map((number) => number === 0);

/** Some operations, and what becomes of their events. */
export const batches: fc.Arbitrary<readonly Batch[]> = fc.array(
  fc.record({
    operations: fc.array(operations, { maxLength: 5 }),
    delivery: fc.record({
      isMerged: fc.boolean(),
      mergedInto: fc.option(fc.oneof(paths, fc.constant('')), { nil: undefined, freq: 3 }),
      areLost: seldom,
      areRepeated: fc.boolean(),
      isRespelled: fc.boolean(),
    }),
  }),
  { minLength: 1, maxLength: 6 },
);

/** Carries out an operation below `root`; returns the entries that it has touched, in order. */
export function carryOut(root: string, { kind, at, to, content }: Operation): Touched[] {
  const full = path.join(root, at);
  const stats = statsOf(full);
  switch (kind) {
    case 'write':
      return write(root, at, content);
    case 'copy': {
      // As `cp -p` does, of a source that is as old.
      const touched = write(root, at, content);
      if (stats?.isFile()) fs.utimesSync(full, stats.atimeMs / 1000, stats.mtimeMs / 1000);
      return touched;
    }
    case 'replace': {
      const temporary = `${at}.tmp`;
      const touched = stats?.isDirectory() ? remove(root, at) : [];
      touched.push(...write(root, temporary, content));
      fs.renameSync(path.join(root, temporary), full);
      return [...touched, { type: 'rename', path: temporary }, { type: 'rename', path: at }];
    }
    case 'remove':
      return remove(root, at);
    case 'rename': {
      if (stats === undefined || isAtOrBelow(to, at) || isAtOrBelow(at, to)) return [];
      const touched = [...remove(root, to), ...makeFolder(root, path.dirname(to))];
      if (statsOf(full) === undefined) return touched;
      fs.renameSync(full, path.join(root, to));
      return [...touched, { type: 'rename', path: at }, { type: 'rename', path: to }];
    }
    case 'remake':
      return [...remove(root, at), ...write(root, `${at}/b.js`, content), ...write(root, `${at}/a/b.js`, content)];
    case 'touch':
      if (stats?.isFile() !== true) return [];
      fs.utimesSync(full, stats.atimeMs / 1000, stats.mtimeMs / 1000 + 1);
      return [{ type: 'change', path: at }];
    case 'chmod':
      if (stats === undefined) return [];
      fs.chmodSync(full, (stats.mode & 0o777) ^ 0o020);
      return [{ type: 'change', path: at }];
    case 'mkdir':
      return makeFolder(root, at);
  }
}

const isAtOrBelow = (file: string, folder: string): boolean => file === folder || file.startsWith(`${folder}/`);

const statsOf = (file: string): fs.Stats | undefined => {
  try {
    return fs.statSync(file);
  } catch {
    return undefined;
  }
};

function makeFolder(root: string, at: string): Touched[] {
  if (at === '.') return [];
  const touched = makeFolder(root, path.dirname(at));
  const stats = statsOf(path.join(root, at));
  if (stats?.isDirectory()) return touched;
  if (stats !== undefined) touched.push(...remove(root, at));
  fs.mkdirSync(path.join(root, at));
  return [...touched, { type: 'rename', path: at }];
}

function write(root: string, at: string, content: string): Touched[] {
  const full = path.join(root, at);
  const touched = makeFolder(root, path.dirname(at));
  if (statsOf(full)?.isDirectory()) touched.push(...remove(root, at));
  const type = statsOf(full) === undefined ? 'rename' : 'change';
  fs.writeFileSync(full, content);
  return [...touched, { type, path: at }, { type: 'change', path: at }];
}

function remove(root: string, at: string): Touched[] {
  const full = path.join(root, at);
  const stats = statsOf(full);
  if (stats === undefined) return [];
  const below = stats.isDirectory() ? fs.readdirSync(full).flatMap((name) => remove(root, `${at}/${name}`)) : [];
  // On Windows a folder goes only when it is not subscribed to any more.
  fs.rmSync(full, { recursive: true, maxRetries: 20 });
  return [...below, { type: 'rename', path: at }];
}

/** A system whose events a test delivers. */
export class FakeSystem {
  readonly events: FolderEvents;
  readonly #root: string;
  readonly #isMac: boolean;
  readonly #subscriptions = new Set<{ folder: string; isTree: boolean; listener: FolderListener }>();
  readonly #interrupted = new Set<() => void>();
  /** All that has ever been touched. */
  readonly #history: Touched[] = [];

  constructor(root: string, backend: 'FSEvents' | 'ReadDirectoryChangesW') {
    this.#root = root;
    this.#isMac = backend === 'FSEvents';
    this.events = {
      backend,
      coalesces: this.#isMac,
      sharesByPath: false,
      bindsToFolder: !this.#isMac,
      beginsAfterMs: this.#isMac ? [300, 2000] : [],
      onInterruption: (listener) => {
        this.#interrupted.add(listener);
        return () => this.#interrupted.delete(listener);
      },
      open: (folder, isTree, listener) => {
        fs.accessSync(folder);
        const subscription = { folder, isTree, listener };
        this.#subscriptions.add(subscription);
        return { coversBelow: isTree, close: () => this.#subscriptions.delete(subscription) };
      },
    };
  }

  /** Reports what has been touched. `before`: the entries that existed before, which have a known spelling. */
  deliver(touched: readonly Touched[], delivery: Delivery, before: ReadonlySet<string>): void {
    const all = this.#isMac ? this.#asMac(touched, delivery) : this.#asWindows(touched, delivery);
    for (const one of all ?? []) this.#send(one, delivery.isRespelled && before.has(one.path));
  }

  /** Loses the events, tells so or is known to do so, and returns undefined; or returns those that arrive. */
  #asMac(touched: readonly Touched[], delivery: Delivery): Touched[] | undefined {
    const old = this.#history.slice(-5);
    this.#history.push(...touched);
    if (delivery.areLost) {
      for (const listener of this.#interrupted) listener();
      return undefined;
    }
    const { mergedInto } = delivery;
    const isMerged = (one: Touched): boolean =>
      mergedInto !== undefined && (mergedInto === '' || isAtOrBelow(one.path, mergedInto));
    const events = touched.filter((one) => !isMerged(one));
    if (mergedInto !== undefined && touched.some(isMerged)) events.push({ type: 'change', path: mergedInto });
    const wasMade = (file: string): boolean => this.#history.some((one) => one.path === file && one.type === 'rename');
    const last = new Map(events.map((one) => [one.path, one]));
    const merged = [...last.values()].map(
      (one) => ({ ...one, type: wasMade(one.path) ? 'rename' : one.type }) as const,
    );
    const arriving = delivery.isMerged ? merged : events;
    return delivery.areRepeated ? [...old, ...arriving, ...arriving] : arriving;
  }

  #asWindows(touched: readonly Touched[], delivery: Delivery): Touched[] | undefined {
    if (delivery.areLost && touched.length > 0) {
      for (const { listener } of this.#subscriptions) listener.onEvent('change', undefined);
      return undefined;
    }
    return touched.flatMap((one) => {
      const ofFolder: Touched = { type: 'change', path: path.dirname(one.path) };
      const events = one.type === 'rename' && ofFolder.path !== '.' ? [one, ofFolder] : [one];
      return delivery.areRepeated ? [...events, one] : events;
    });
  }

  #respell(names: readonly string[], isGone: boolean): string[] {
    if (this.#isMac) return names.map((name) => name.normalize('NFD'));
    return names.map((name) => (isGone ? name.replace('Käse', 'KSE~1') : name.toUpperCase()));
  }

  #send({ type, path: file }: Touched, isRespelled: boolean): void {
    const full = file === '' ? this.#root : path.join(this.#root, file);
    const isGone = statsOf(full) === undefined;
    for (const { folder, isTree, listener } of [...this.#subscriptions]) {
      const own = path.relative(folder, full).split(path.sep);
      const names = isRespelled ? this.#respell(own, isGone) : own;
      // An event that stands for others is of the folder, or of one below. libuv names the folder as if it were an entry.
      if (own.join() === '' || own.at(-1) === '..') listener.onEvent('change', [path.basename(folder)]);
      else if (own[0] !== '..' && (isTree || own.length === 1)) listener.onEvent(type, names);
    }
  }
}
