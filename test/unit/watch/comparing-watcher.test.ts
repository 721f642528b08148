/** The backend of macOS and Windows on random operations and events. */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { platform } from '../../../src/process/platform.ts';
import { ComparingWatcher } from '../../../src/watch/comparing-watcher.ts';
import { Filter } from '../../../src/watch/filter.ts';
import { openFolderEvents } from '../../../src/watch/folder-events.ts';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import { isAtOrBelow } from '../../../src/watch/paths.ts';
import { ReturningRoots } from '../../../src/watch/returning-roots.ts';
import type { Watcher, WatchOptions } from '../../../src/watch/watcher.ts';
import { createClock } from '../../support/clock.ts';
import { isExhaustive } from '../../support/exhaustive.ts';
import { createProject, type Project } from '../../support/project.ts';
import { type Batch, batches, carryOut, FakeSystem } from './event-models.ts';
import { aged, observe } from './observe.ts';

const numRuns = isExhaustive ? 1000 : 20;

const systems = ['FSEvents', 'ReadDirectoryChangesW'] as const;

interface File {
  readonly content: string;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly mode: number;
  readonly ino: number;
}

/** Returns the files that count, by path relative to the folder. */
function filesIn(folder: string, filter: Filter): Map<string, File> {
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return new Map(
    files
      .filter((file) => filter.accepts(file))
      .map((file) => {
        const { mtimeMs, ctimeMs, mode, ino } = fs.statSync(file);
        const content = fs.readFileSync(file, 'utf8');
        return [path.relative(folder, file), { content, mtimeMs, ctimeMs, mode, ino }];
      }),
  );
}

const allIn = (folder: string): Set<string> => new Set(fs.readdirSync(folder, { recursive: true }).map(String));

interface Watched extends AsyncDisposable {
  readonly system: FakeSystem;
  readonly filter: Filter;
  /** Carries out the batch, and returns the files that have been reported of it when all is quiet. */
  run(batch: Batch): Promise<ReadonlySet<string>>;
}

async function watched(
  project: Project,
  backend: (typeof systems)[number],
  watch: readonly string[],
  hasGuard: boolean,
): Promise<Watched> {
  const clock = createClock();
  const system = new FakeSystem(project.path, backend);
  const base = project.path;
  const filter = new Filter({ watch: { patterns: watch, base }, ignore: { patterns: [], base }, extensions: ['js'] });
  const reported = new Set<string>();
  const options: WatchOptions = {
    filter,
    since: Date.now(),
    follow: true,
    pollInterval: undefined,
    onChange: ({ path: file }) => reported.add(path.relative(base, file)),
    onWarning: (message) => expect.unreachable(message),
    onExhausted: (error) => expect.unreachable(String(error)),
  };
  const open = async (own: WatchOptions): Promise<Watcher> => new ComparingWatcher(own, system.events, clock);
  const watcher = hasGuard
    ? await ReturningRoots.open({ watch: options, clock, pollInterval: 1000, open })
    : await open(options);
  await watcher.armed;

  async function settle(): Promise<void> {
    do await nextTurn();
    while (watcher.isResyncing());
  }

  return {
    system,
    filter,
    async run({ operations, delivery }) {
      const before = allIn(base);
      system.deliver(
        operations.flatMap((operation) => carryOut(base, operation)),
        delivery,
        before,
      );
      await settle();
      clock.advance(2500);
      await settle();
      const now = new Set(reported);
      reported.clear();
      return now;
    },
    [Symbol.asyncDispose]: () => watcher.close(),
  };
}

describe.each(systems)('with the events of %s, the watcher', (backend) => {
  test('reports exactly the files that differ, after any operations', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (all) => {
        await using project = createProject({
          'b.js': '1',
          'a/b.js': '1',
          'a/a/Käse.js': '1',
          'node_modules/b.js': '1',
        });
        await aged();
        await using watcher = await watched(project, backend, ['.'], false);
        for (const batch of all) {
          const before = filesIn(project.path, watcher.filter);
          const reported = await watcher.run(batch);
          const after = filesIn(project.path, watcher.filter);
          for (const file of new Set([...before.keys(), ...after.keys(), ...reported])) {
            const [old, young] = [before.get(file), after.get(file)];
            const isSaved = old?.content !== young?.content || (young?.mtimeMs ?? 0) > (old?.mtimeMs ?? 0);
            const isTheOne = old?.ino === young?.ino && old?.mtimeMs === young?.mtimeMs;
            // A file that was renamed and back again could have been written.
            const isExplained = old?.ctimeMs === young?.ctimeMs || old?.mode !== young?.mode;
            const isSame = isTheOne && isExplained && !isSaved;
            if (isSaved) expect(reported).toContain(file);
            if (isSame) expect(reported).not.toContain(file);
          }
        }
      }),
      { numRuns },
    );
  });

  test('reports every file that differs in roots that come and go', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (all) => {
        await using project = createProject({ 'b.js': '1', 'a/a/b.js': '1' });
        await aged();
        await using watcher = await watched(project, backend, ['a/a', 'b.js', 'Käse.js'], true);
        for (const batch of all) {
          const before = filesIn(project.path, watcher.filter);
          const reported = await watcher.run(batch);
          const after = filesIn(project.path, watcher.filter);
          for (const file of new Set([...before.keys(), ...after.keys()])) {
            if (before.get(file)?.content !== after.get(file)?.content) expect(reported).toContain(file);
          }
        }
      }),
      { numRuns: numRuns / 2 },
    );
  });
});

describe.skipIf(!platform.watching.reportsFolders).each([
  ['inotify', (options: WatchOptions): Watcher => new InotifyWatcher(options)],
  ['fs.watch', (options: WatchOptions): Watcher => new ComparingWatcher(options, openFolderEvents('fs.watch'))],
] as const)('with the real events of Linux, the watcher of %s', (_, open) => {
  test('reports every file that differs, and none that was not touched, after any operations', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (all) => {
        await using project = createProject({
          'b.js': '1',
          'a/b.js': '1',
          'a/a/Käse.js': '1',
          'node_modules/b.js': '1',
        });
        await aged();
        let watcher: Watcher | undefined;
        const opened = (options: WatchOptions): Watcher => {
          watcher = open(options);
          return watcher;
        };
        await using observer = observe(opened, project);
        await observer.armed;
        const filter = new Filter({
          watch: { patterns: ['.'], base: project.path },
          ignore: { patterns: [], base: project.path },
          extensions: ['js'],
        });
        for (const { operations } of all) {
          const before = filesIn(project.path, filter);
          const from = observer.changes.length;
          const touched = operations.flatMap((operation) => carryOut(project.path, operation));
          await observer.settle();
          while (watcher?.isResyncing()) await nextTurn();
          const reported = new Set(observer.changes.slice(from).map((change) => change.path));
          const after = filesIn(project.path, filter);
          for (const file of new Set([...before.keys(), ...after.keys()])) {
            if (before.get(file)?.content !== after.get(file)?.content && !file.startsWith('fence-')) {
              expect(reported).toContain(file);
            }
          }
          const mayBe = (file: string): boolean => touched.some((one) => isAtOrBelow(file, one.path));
          expect([...reported].filter((file) => !file.startsWith('fence-') && !mayBe(file))).toEqual([]);
        }
      }),
      { numRuns: numRuns / 2 },
    );
  });
});
