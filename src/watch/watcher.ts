/** Chooses the backend that watches, and replaces it by polling when it no longer can. */

import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../shared/clock.ts';
import { attempt, codeOf, messageOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import type { NativeEvents } from '../shared/native-events.ts';
import { entriesOf, inSlices } from './disk.ts';
import type { Filter } from './filter.ts';
import { ReturningRoots } from './returning-roots.ts';
import { findSharedMount, type Mount } from './shared-mounts.ts';

export type Backend = NativeEvents | 'chokidar' | 'polling';

export interface WatchOptions {
  readonly filter: Filter;
  /** Epoch ms from which on a save counts, even before the watcher is armed: the time at which the program was started. */
  readonly since: number;
  /** Are links to folders and files outside followed? */
  readonly follow: boolean;
  /** Interval of the polling backend, in ms; undefined chooses one by the number of files. */
  readonly pollInterval: number | undefined;
  /** Called for every relevant change, at once; the quiet window merges them. */
  readonly onChange: (change: Change) => void;
  /** Called for changes that do not count, where the backend receives them. */
  readonly onIgnored?: ((file: string) => void) | undefined;
  /** Called with a message for the user; watching goes on. */
  readonly onWarning: (message: string) => void;
  /**
   * Called once when no watches are left, while arming (then `armed` also rejects with the error) or later, except when
   * polling. From then on nothing is watched; changes from `since` (epoch ms) on may not have been reported.
   */
  readonly onExhausted?: ((error: unknown, since: number) => void) | undefined;
}

/** The watched folders and files at the moment at which the watcher is armed. */
export interface Coverage {
  readonly backend: Backend;
  readonly directories: number;
  readonly files: number;
}

/** The interface of all backends. */
export interface Watcher {
  /** Resolves once no save can be missed any more, from `since` on. Rejects when watching is impossible. */
  readonly armed: Promise<Coverage>;
  /** The relevant files, as far as the watcher knows by now; absolute. */
  files(): Iterable<string>;
  /** Is everything being compared with the disk again, so that earlier changes may still be reported? */
  isResyncing(): boolean;
  close(): Promise<void>;
}

/** The settings and the facts that decide on the backend. */
export interface BackendPreference {
  readonly watcher: 'auto' | 'native' | 'chokidar';
  readonly poll: boolean;
  /** How this system reports events; undefined where only chokidar knows. */
  readonly events: NativeEvents | undefined;
  /** The mounted file systems; undefined where they are in /proc. */
  readonly mounts?: readonly Mount[] | undefined;
}

export interface BackendChoice {
  readonly backend: Backend;
  /** A message for the user, unless the settings decided. */
  readonly reason?: string;
}

/**
 * Chooses the system's events, chokidar where devwatch does not know them, and polling where the file system has none;
 * a backend that the settings name goes first.
 */
export function chooseBackend(
  filter: Filter,
  { watcher, poll, events, mounts: known }: BackendPreference,
  mounts: readonly Mount[] | undefined = known,
): BackendChoice {
  if (poll) return { backend: 'polling' };
  if (watcher === 'chokidar' || events === undefined) return { backend: 'chokidar' };
  if (watcher === 'native') return { backend: events };
  const mount = findSharedMount(filter.roots, (folder) => filter.mayContain(folder), mounts);
  if (mount === undefined) return { backend: events };
  return {
    backend: 'polling',
    reason: `${mount.point} (${mount.type}) reports no changes that are made elsewhere: polling · --watcher native if there are none`,
  };
}

/** Interval at which the roots are looked at where no events tell that they have moved. */
const rootIntervalMs = 1000;

/** Opens the chosen backend, again whenever a root has moved. */
export function openWatcher(watch: WatchOptions, preference: BackendPreference): Promise<Watcher> {
  const { backend, reason } = chooseBackend(watch.filter, preference);
  if (reason !== undefined) watch.onWarning(reason);
  // Elsewhere a subscription to a folder above would receive all that happens below it (macOS), or lock it (Windows).
  const hasEvents = preference.events === 'inotify' && backend !== 'polling';
  const pollInterval = hasEvents ? undefined : (watch.pollInterval ?? rootIntervalMs);
  const open = (options: WatchOptions): Promise<Watcher> => openBackend(options, backend, preference);
  return ReturningRoots.open({ watch, clock: systemClock, pollInterval, open });
}

/**
 * Opens a backend; each is loaded only when it is used. When the system's watches run out, polling takes over, and
 * reports everything that was saved in between.
 */
async function openBackend(options: WatchOptions, backend: Backend, { events }: BackendPreference): Promise<Watcher> {
  if (backend === 'polling') return poll(options);
  return withPollingFallback(options, await loadBackend(backend), events);
}

async function loadBackend(backend: Exclude<Backend, 'polling'>): Promise<(options: WatchOptions) => Watcher> {
  if (backend === 'inotify') {
    const { InotifyWatcher } = await import('./inotify.ts');
    return (options) => new InotifyWatcher(options);
  }
  const { ComparingWatcher } = await import('./comparing-watcher.ts');
  const events =
    backend === 'chokidar'
      ? (await import('./chokidar-events.ts')).chokidarEvents
      : (await import('./folder-events.ts')).openFolderEvents(backend);
  return (options) => new ComparingWatcher(options, events);
}

/** Counts the relevant folders and files on the disk, before anything is watched; links are not followed. */
async function countTree(filter: Filter): Promise<Omit<Coverage, 'backend'>> {
  let directories = 0;
  let files = 0;

  function* count(): Generator<void> {
    const queue = [...filter.roots];
    for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
      directories += 1;
      for (const entry of entriesOf(folder)) {
        const full = path.join(folder, entry.name);
        if (entry.isDirectory() && filter.mayContain(full)) queue.push(full);
        else if (entry.isFile() && filter.accepts(full)) files += 1;
      }
      yield;
    }
  }

  await inSlices(count(), () => false);
  return { directories, files };
}

/** Polling a file takes about 11 µs (measured with 1,000 files on ext4): at this interval, 2 % of a core. */
const intervalPerFileMs = 0.5;
const minIntervalMs = 100;
/** A restart must not take longer than this; beyond 4,000 files polling takes more than 2 %. */
const maxIntervalMs = 2000;

/** Returns the poll interval in ms for this number of files. */
export const adaptiveInterval = (files: number): number =>
  Math.min(maxIntervalMs, Math.max(minIntervalMs, files * intervalPerFileMs));

async function poll(options: WatchOptions): Promise<Watcher> {
  const { PollingWatcher } = await import('./polling.ts');
  const intervalMs = options.pollInterval ?? adaptiveInterval((await countTree(options.filter)).files);
  return new PollingWatcher(options, intervalMs);
}

/** Exported for the tests, which inject a backend that runs out of watches. */
export function withPollingFallback(
  options: WatchOptions,
  openNative: (options: WatchOptions) => Watcher,
  events: NativeEvents | undefined = 'inotify',
): Watcher {
  let polling: Promise<Watcher> | undefined;

  async function takeOver(error: unknown, since: number): Promise<Watcher> {
    options.onWarning(await exhaustedMessage(error, options.filter, events));
    current = await poll({ ...options, since });
    return current;
  }

  const onExhausted = (error: unknown, since: number) => {
    polling = takeOver(error, since);
  };
  const native = openNative({ ...options, onExhausted });
  let current = native;
  return {
    armed: native.armed.catch(async (error: unknown) => {
      if (polling === undefined) throw error;
      return (await polling).armed;
    }),
    files: () => current.files(),
    isResyncing: () => current.isResyncing(),
    async close() {
      await native.close();
      await (await polling)?.close();
    },
  };
}

/** The least value that the message suggests: the kernel's own default on a machine with 4 GB or more. */
const usualWatches = 524_288;

async function exhaustedMessage(error: unknown, filter: Filter, events: NativeEvents | undefined): Promise<string> {
  if (events !== 'inotify') {
    const isShort = codeOf(error) === 'EMFILE';
    const remedy = isShort ? ' · to raise the limit: ulimit -n 65536, before devwatch is started' : '';
    return `the system watches no more folders (${messageOf(error)}): polling instead${remedy}`;
  }
  // Other programs need watches as well.
  const needed = (await countTree(filter)).directories;
  const unit = codeOf(error) === 'EMFILE' ? 'instances' : 'watches';
  const { name, value } = inotifyLimit(unit);
  const isKnown = Number.isFinite(value);
  const numbers = isKnown ? [`${name} is ${value}`] : [];
  if (unit === 'watches') numbers.push(`this project needs ${needed}`);
  const current = isKnown ? value : 0;
  const raised =
    unit === 'watches'
      ? Math.max(usualWatches, 2 ** Math.ceil(Math.log2(current + needed)))
      : Math.max(1024, 2 * current);
  return `no file watches are left (${numbers.join(', ')}): polling instead · to raise the limit: sudo sysctl ${name}=${raised}`;
}

/** Returns the limit on what a user may have of inotify; Infinity where it cannot be read. */
export function inotifyLimit(unit: 'instances' | 'watches'): { readonly name: string; readonly value: number } {
  // Either may be the lower one: the limit of the machine, or that of the user namespace (a container's).
  const names = [`fs.inotify.max_user_${unit}`, `user.max_inotify_${unit}`];
  const limits = names.map((name) => ({ name, value: sysctlOf(name) }));
  return limits.reduce((lowest, limit) => (limit.value < lowest.value ? limit : lowest));
}

/** Returns the value of a limit of the kernel; Infinity where it cannot be read. */
const sysctlOf = (name: string): number =>
  Number(attempt(() => fs.readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8')) ?? Number.POSITIVE_INFINITY);
