/**
 * Random operations on files, with the events of the system on which it runs: whatever has changed has to be reported.
 *
 *   npm run test:operations -- [--runs 500] [--seed 1] [--watcher native|chokidar]
 *
 * Prints the shortest operations after which a file was not reported. The same operations with injected events are in
 * test/unit/watch/comparing-watcher.test.ts.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { platform } from '../../src/process/platform.ts';
import { Filter } from '../../src/watch/filter.ts';
import { openWatcher } from '../../src/watch/watcher.ts';
import { type Batch, batches, carryOut, type Operation } from '../unit/watch/event-models.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    watcher: { type: 'string', default: 'native' },
  },
});

/** A change is given up after this time; nothing is said of how fast it is. */
const deadlineMs = 20_000;
const pauseMs = 5;

const contentOf = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

/** Returns the contents of the files that count, by path. */
function contentsIn(folder: string, filter: Filter): Map<string, string | undefined> {
  const files = fs.readdirSync(folder, { recursive: true }).map((name) => path.join(folder, String(name)));
  const counting = files.filter((file) => filter.accepts(file) && fs.statSync(file).isFile());
  return new Map(counting.map((file) => [file, contentOf(file)]));
}

/** Carries out all operations below a new folder, and throws when a change is not reported. */
async function run(all: readonly Batch[]): Promise<void> {
  const base = fs.realpathSync.native(fs.mkdtempSync(path.join(os.tmpdir(), 'operations-')));
  for (const file of ['b.js', 'a/b.js', 'a/a/b.js', 'node_modules/b.js']) {
    fs.mkdirSync(path.dirname(path.join(base, file)), { recursive: true });
    fs.writeFileSync(path.join(base, file), '1');
  }
  const filter = new Filter({ watch: { patterns: ['.'], base }, ignore: { patterns: [], base }, extensions: ['js'] });
  const known = contentsIn(base, filter);
  const reported = new Set<string>();
  /** Reads what has been reported, as the next run of a program does: some time after the report, never within it. */
  const readReported = (): void => {
    for (const file of reported) known.set(file, contentOf(file));
    reported.clear();
  };
  const failures: string[] = [];
  const watcher = await openWatcher(
    {
      filter,
      since: Date.now(),
      follow: true,
      pollInterval: undefined,
      onChange: ({ path: file }) => reported.add(file),
      onWarning: (message) => failures.push(message),
    },
    { watcher: values.watcher === 'chokidar' ? 'chokidar' : 'native', poll: false, events: platform.watching.events() },
  );
  try {
    await watcher.armed;
    for (const { operations } of all) {
      worker?.send({ base, operations });
      await once(worker ?? process, 'message');
      const now = contentsIn(base, filter);
      const stale = (): string[] => {
        readReported();
        return [...new Set([...known.keys(), ...now.keys()])].filter((file) => known.get(file) !== now.get(file));
      };
      const end = Date.now() + deadlineMs;
      while (stale().length > 0 && Date.now() < end) await sleep(pauseMs);
      const missed = stale().map((file) => path.relative(base, file));
      if (missed.length > 0) throw new Error(`not reported: ${missed.join(', ')}`);
      if (failures.length > 0) throw new Error(failures.join('; '));
    }
  } finally {
    await watcher.close();
    fs.rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Request {
  readonly base: string;
  readonly operations: readonly Operation[];
}

/** Carries out operations as another process would: the watcher goes on in the meantime. */
function serve(): void {
  process.on('message', async ({ base, operations }: Request) => {
    for (const operation of operations) await carryOutOnceFree(base, operation);
    process.send?.('done');
  });
}

/** On Windows a folder that was removed is in the way until the watcher has closed it. */
async function carryOutOnceFree(base: string, operation: Operation): Promise<void> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    try {
      carryOut(base, operation);
      return;
    } catch (error) {
      if (process.platform !== 'win32' || Date.now() > end) throw error;
      await sleep(pauseMs);
    }
  }
}

async function main(): Promise<void> {
  const startedAt = Date.now();
  const [numRuns, seed] = [Number(values.runs), Number(values.seed)];
  await fc.assert(fc.asyncProperty(batches, run), { numRuns, seed, endOnFailure: values.watcher !== 'native' });
  const backend = values.watcher === 'chokidar' ? 'chokidar' : platform.watching.events();
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  console.log(
    `${process.platform}, Node ${process.version}, ${backend}: ${numRuns} runs, seed ${seed}, ${seconds} s: all changes were reported`,
  );
  worker?.disconnect();
}

/** Does the operations. */
const worker = process.send === undefined ? fork(process.argv[1] ?? '') : undefined;
if (worker === undefined) serve();
else await main();
