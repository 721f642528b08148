/** Which backend watches, and what happens when it no longer can. */

import fs from 'node:fs';
import { codeOf } from '../shared/errors.ts';
import { unreachable } from '../shared/unreachable.ts';
import type { Backend, OnExhausted, Watcher, WatchOptions } from './backend.ts';
import { countTree } from './count-tree.ts';
import type { Filter } from './filter.ts';
import { findSharedMount } from './shared-mounts.ts';

/** What the settings say about it. */
export interface BackendPreference {
  readonly watcher: 'auto' | 'inotify' | 'chokidar';
  readonly poll: boolean;
  /** The system is Linux: folders are watched by inotify unless the settings name another backend. */
  readonly hasInotify: boolean;
}

export interface BackendChoice {
  readonly backend: Backend;
  /** For the user, when it was not the settings that decided. */
  readonly reason?: string;
}

/**
 * By directory through inotify on Linux, chokidar's events elsewhere or when asked for; polling where
 * the file system has no events, unless a backend is named.
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
 * Opens the backend that fits; each is loaded only when it is used. When the kernel's watches run
 * out, polling takes over; what was saved between the two is not lost.
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

/**
 * A look at a file costs about 11 µs (measured with 1,000 files on ext4): looking this many ms per
 * file takes 2 % of a core.
 */
const intervalPerFile = 0.5;
const shortestInterval = 100;
/** Nobody waits longer than this for a restart; beyond 4,000 files polling takes more than 2 %. */
const longestInterval = 2000;

/** Between two looks at so many files, in ms. */
export const adaptiveInterval = (files: number): number =>
  Math.min(longestInterval, Math.max(shortestInterval, files * intervalPerFile));

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
    async close() {
      await native.close();
      await (await polling)?.close();
    },
  };
}

/** What sysctl is told to raise it to, at least: the kernel's own default on a machine with 4 GB and more. */
const usualWatches = 524_288;

/** `needed`: the folders of this project; other programs need watches, too. */
function exhaustedMessage(error: unknown, needed: number): string {
  const instances = codeOf(error) === 'EMFILE';
  const what = instances ? 'max_user_instances' : 'max_user_watches';
  // Either may be the lower one: the machine's and that of the user namespace (a container's).
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
