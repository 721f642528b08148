/**
 * Runs one watcher in a process of its own and measures it from inside. watch.ts compiles this file together with
 * src/watch, starts it with a request as its only argument, and reads the report from its stdout.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import v8 from 'node:v8';
import type { FSWatcher } from 'chokidar';

export type WatcherId = 'none' | 'devwatch' | 'parcel' | 'recursive' | 'chokidar5-js' | 'chokidar5' | 'chokidar3';

export interface Request {
  readonly watcher: WatcherId;
  /** The tree, as an absolute path without symbolic links. */
  readonly folder: string;
  /** A file in the deepest folder; it is edited when the watcher reports that it is ready. */
  readonly edit: string;
  /** The package whose node_modules contains the peers. */
  readonly peers: string;
  /** A program to start right before the watcher is opened; then only this program is timed. */
  readonly program?: string;
}

/** Times in ms, memory in bytes. */
export interface ReadyReport {
  readonly ready: number;
  readonly cpu: number;
  readonly rss: number;
  readonly watches: number;
  /** The watcher reported the edit. */
  readonly reported: boolean;
}

export interface ProgramReport {
  /** From the start of the program to its last module, in ms. */
  readonly loaded: number;
}

/** Opens a watcher; resolves when it reports that it is ready. */
type Open = (onEvent: (file: string) => void) => Promise<void>;

const eventTimeoutMs = 5000;

const request = JSON.parse(process.argv[2] ?? '') as Request;
const { folder } = request;
const requirePeer = createRequire(path.join(request.peers, 'package.json'));

/** Load each watcher's modules, which is not timed. */
const loaders: Readonly<Record<WatcherId, () => Promise<Open>>> = {
  none: async () => async () => {},
  async devwatch() {
    // As the command does.
    v8.setFlagsFromString('--no-opt');
    const { Filter } = await import('../src/watch/filter.ts');
    const { openWatcher } = await import('../src/watch/watcher.ts');
    await import('../src/watch/inotify.ts');
    return async (onEvent) => {
      const filter = new Filter({
        watch: { patterns: ['.'], base: folder },
        ignore: { patterns: [], base: folder },
        extensions: ['js', 'mjs', 'cjs', 'json'],
      });
      const watcher = await openWatcher(
        {
          filter,
          since: Date.now(),
          follow: true,
          pollInterval: 500,
          onChange: (change) => onEvent(change.path),
          onWarning: fail,
        },
        { watcher: 'native', poll: false, events: 'inotify' },
      );
      await watcher.armed;
    };
  },
  async parcel() {
    const { subscribe } = requirePeer('@parcel/watcher') as ParcelWatcher;
    return async (onEvent) => {
      const listener: ParcelListener = (error, events) => {
        if (error !== null) fail(error.message);
        for (const event of events ?? []) onEvent(event.path);
      };
      // Its default, unless Watchman is installed.
      await subscribe(folder, listener, { backend: 'inotify' });
    };
  },
  recursive: async () => async (onEvent) => {
    fs.watch(folder, { recursive: true }, (_type, name) => onEvent(path.join(folder, String(name))));
  },
  // As reloaders call it: reporting the existing files would make chokidar even slower.
  async chokidar5() {
    const { watch } = await import('chokidar');
    return (onEvent) => readyOf(watch('.', { ignoreInitial: true }), onEvent);
  },
  async 'chokidar5-js'() {
    const { watch } = await import('chokidar');
    const ignored = (file: string, stats?: fs.Stats): boolean => stats?.isFile() === true && !file.endsWith('.js');
    return (onEvent) => readyOf(watch('.', { ignoreInitial: true, ignored }), onEvent);
  },
  async chokidar3() {
    const { watch } = requirePeer('chokidar3') as { watch(paths: string[], options: object): FSWatcher };
    // As nodemon 3.1 calls it without settings.
    const names = ['.git', '.nyc_output', '.sass-cache', 'bower_components', 'coverage', 'node_modules'];
    const options = {
      ignorePermissionErrors: true,
      ignored: [...names.map((name) => `**/${name}/**`), /[/\\]\./],
      persistent: true,
      usePolling: false,
    };
    return (onEvent) => readyOf(watch([folder], options), onEvent);
  },
};

type ParcelListener = (error: Error | null, events?: readonly { readonly path: string }[]) => void;

interface ParcelWatcher {
  subscribe(folder: string, listener: ParcelListener, options: { backend: 'inotify' }): Promise<unknown>;
}

async function readyOf(watcher: FSWatcher, onEvent: (file: string) => void): Promise<void> {
  watcher.on('all', (_event, file) => onEvent(path.resolve(file)));
  watcher.on('error', (error) => fail(String(error)));
  await once(watcher, 'ready');
}

function fail(message: string): never {
  console.error(`${request.watcher}: ${message}`);
  process.exit(1);
}

/** Returns the number of inotify watches of this process. */
function countWatches(): number {
  let count = 0;
  for (const descriptor of fs.readdirSync('/proc/self/fdinfo')) {
    try {
      const info = fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
      count += info.match(/^inotify wd:/gm)?.length ?? 0;
    } catch {
      // The descriptor with which the folder was listed.
    }
  }
  return count;
}

async function measureReady(open: Open): Promise<ReadyReport> {
  let onEdit = (): void => {};
  const edited = new Promise<void>((resolve) => {
    onEdit = resolve;
  });
  let isReady = false;
  const rssBefore = process.memoryUsage.rss();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  await open((file) => {
    if (isReady && file === request.edit) onEdit();
  });
  const ready = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  const rss = process.memoryUsage.rss() - rssBefore;

  isReady = true;
  fs.writeFileSync(request.edit, `exports.edited = ${Date.now()};\n`);
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, eventTimeoutMs, 'late'));
  const reported = (await Promise.race([edited, late])) !== 'late';
  return { ready, cpu: (user + system) / 1000, rss, watches: countWatches(), reported };
}

async function measureProgram(open: Open, program: string): Promise<ProgramReport> {
  // A clock that all processes share.
  const began = process.hrtime.bigint();
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const closed = once(child, 'close');
  void open(() => {});
  await closed;
  return { loaded: Number(BigInt(output) - began) / 1e6 };
}

process.chdir(folder);
const open = await loaders[request.watcher]();
const report = request.program === undefined ? await measureReady(open) : await measureProgram(open, request.program);
// Exits without closing the watcher, which would take time.
process.stdout.write(JSON.stringify(report), () => process.exit(0));
