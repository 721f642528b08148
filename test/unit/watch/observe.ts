/** Opens a watcher on a project, and records its reports for a test to await. */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { onTestFailed } from 'vitest';
import type { Change } from '../../../src/shared/events.ts';
import { timestampSlackMs } from '../../../src/watch/disk.ts';
import { Filter } from '../../../src/watch/filter.ts';
import { findOtherCheckouts } from '../../../src/watch/other-checkouts.ts';
import type { Coverage, Watcher, WatchOptions } from '../../../src/watch/watcher.ts';
import type { Project } from '../../support/project.ts';

export interface Settings {
  readonly watch?: readonly string[];
  readonly ignore?: readonly string[];
  /** Default: true. */
  readonly follow?: boolean;
  /** Epoch ms; default: now. */
  readonly since?: number;
  /** Called with each change before it is recorded. */
  readonly onChange?: (change: Change) => void;
}

export interface Observer extends AsyncDisposable {
  readonly armed: Promise<Coverage>;
  /** All reported changes, with paths relative to the project. */
  readonly changes: readonly Change[];
  readonly warnings: readonly string[];
  /** Resolves with the next change not returned by an earlier call; with a path, skips those of other paths. */
  next(file?: string): Promise<Change>;
  /** Resolves when all of these have been reported, in any order. */
  all(files: Iterable<string>): Promise<void>;
  /** Skips all changes so far: makes one more change, and waits for it. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export type Open = (options: WatchOptions) => Watcher;

export function observe(open: Open, project: Project, settings: Settings = {}): Observer {
  const { watch = ['.'], ignore = [], since = Date.now(), follow = true, onChange } = settings;
  const changes: Change[] = [];
  const warnings: string[] = [];
  let read = 0;
  let fences = 0;
  let wake: () => void = () => {};
  const reported = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const watcher = open({
    filter: new Filter({
      watch: { patterns: watch, base: project.path },
      ignore: { patterns: ignore, base: project.path },
      extensions: ['js'],
      otherCheckouts: findOtherCheckouts([project.path]),
    }),
    since,
    follow,
    pollInterval: 20,
    onChange(change) {
      changes.push({ ...change, path: path.relative(project.path, change.path) });
      onChange?.(change);
      wake();
    },
    onWarning: (message) => warnings.push(message),
  });
  onTestFailed(() => {
    console.error(`reported:\n  ${changes.map(({ kind, path }) => `${kind} ${path}`).join('\n  ')}`);
  });

  const observer: Observer = {
    armed: watcher.armed,
    changes,
    warnings,
    async next(file) {
      for (;;) {
        for (; read < changes.length; read += 1) {
          const change = changes[read];
          if (change === undefined || (file !== undefined && change.path !== file)) continue;
          read += 1;
          return change;
        }
        await reported();
      }
    },
    async all(files) {
      const missing = new Set(files);
      while (missing.size > 0) missing.delete((await observer.next()).path);
    },
    async settle() {
      fences += 1;
      const fence = `fence-${fences}.js`;
      project.write(fence, '');
      await observer.next(fence);
      read = changes.length;
    },
    close: () => watcher.close(),
    [Symbol.asyncDispose]: () => watcher.close(),
  };
  return observer;
}

/** Resolves when files written until now count as older than those written from then on. */
export async function aged(): Promise<void> {
  const written = Date.now();
  while (Date.now() <= written + timestampSlackMs) await nextTurn();
}

/** Causes one event of an existing file, unlike `write`, which empties it first. */
export const append = (project: Project, file: string): void => fs.appendFileSync(project.at(file), '// more\n');

/** Wraps a watcher that is still being opened. */
export const deferred = (opening: Promise<Watcher>): Watcher => ({
  armed: opening.then((watcher) => watcher.armed),
  files: () => [],
  isResyncing: () => false,
  close: async () => (await opening).close(),
});
