/** Chooses the backend that watches, and replaces it by polling when it no longer can. */

import fs from 'node:fs';
import { codeOf } from '../shared/errors.ts';
import { unreachable } from '../shared/unreachable.ts';
import type { Backend, OnExhausted, Watcher, WatchOptions } from './backend.ts';
import { countTree } from './count-tree.ts';
import type { Filter } from './filter.ts';
import { findSharedMount } from './shared-mounts.ts';

/** The settings and the facts that decide on the backend. */
export interface BackendPreference {
  readonly watcher: 'auto' | 'inotify' | 'chokidar';
  readonly poll: boolean;
  /** The system is Linux: folders are watched by inotify unless the settings name another backend. */
  readonly hasInotify: boolean;
}

export interface BackendChoice {
  readonly backend: Backend;
  /** A message for the user, unless the settings decided. */
  readonly reason?: string;
}

/**
 * Chooses inotify on Linux, chokidar elsewhere, and polling where the file system has no events;
 * a backend that the settings name goes first.
 */
export function chooseBackend(filter: Filter, { watcher, poll, hasInotify }: BackendPreference): BackendChoice {
  if (poll) return { backend: 'polling' };
  if (watcher !== 'auto') return { backend: watcher };
  if (!hasInotify) return { backend: 'chokidar' };
  const mount = findSharedMount(filter.roots, (folder) => filter.mayContain(folder));
  if (mount === undefined) return { backend: 'inotify' };
  return {
    backend: 'polling',
    reason: `${mount.point} (${mount.type}) reports no changes that are made elsewhere: polling · --watcher inotify if there are none`,
  };
}

/**
 * Opens the chosen backend; each is loaded only when it is used. When the kernel's watches run
 * out, polling takes over, and reports everything that was saved in between.
 */
export async function openWatcher(options: WatchOptions, preference: BackendPreference): Promise<Watcher> {
  const { backend, reason } = chooseBackend(options.filter, preference);
  if (reason !== undefined) options.onWarning(reason);
  switch (backend) {
    case 'polling':
      return poll(options);
    case 'chokidar':
      return withPollingFallback(options, (await import('./chokidar.ts')).openChokidar);
    case 'inotify':
      return withPollingFallback(options, (await import('./inotify.ts')).openInotify);
    default:
      return unreachable(backend);
  }
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
  const { openPolling } = await import('./chokidar.ts');
  return openPolling(options, options.pollInterval ?? adaptiveInterval((await countTree(options.filter)).files));
}

type OpenNative = (options: WatchOptions, onExhausted: OnExhausted) => Watcher;

/** Exported for the tests, which inject a backend that runs out of watches. */
export function withPollingFallback(options: WatchOptions, openNative: OpenNative): Watcher {
  let polling: Promise<Watcher> | undefined;
  let current: Watcher;

  async function takeOver(error: unknown, since: number): Promise<Watcher> {
    options.onWarning(exhaustedMessage(error, (await countTree(options.filter)).directories));
    current = await poll({ ...options, since });
    return current;
  }

  const native = openNative(options, (error, since) => {
    polling = takeOver(error, since);
  });
  current = native;
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

/** @param needed number of this project's folders; other programs need watches as well */
function exhaustedMessage(error: unknown, needed: number): string {
  const instances = codeOf(error) === 'EMFILE';
  const what = instances ? 'max_user_instances' : 'max_user_watches';
  // Either may be the lower one: the limit of the machine, or that of the user namespace (a container's).
  const limits = [`fs.inotify.${what}`, `user.max_inotify_${instances ? 'instances' : 'watches'}`].flatMap((name) => {
    const value = sysctlOf(name);
    return value === undefined ? [] : [{ name, value }];
  });
  const lowest = limits.sort((a, b) => a.value - b.value)[0];
  const name = lowest?.name ?? `fs.inotify.${what}`;
  const current = lowest === undefined ? '' : `${name} is ${lowest.value}`;
  const raised = instances
    ? Math.max(1024, 2 * (lowest?.value ?? 0))
    : Math.max(usualWatches, 2 ** Math.ceil(Math.log2((lowest?.value ?? 0) + needed)));
  const numbers = [current, instances ? '' : `this project needs ${needed}`].filter((text) => text !== '').join(', ');
  return `no file watches are left (${numbers}): polling instead · to raise the limit: sudo sysctl ${name}=${raised}`;
}

function sysctlOf(name: string): number | undefined {
  try {
    return Number(fs.readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8'));
  } catch {
    return undefined;
  }
}
