/**
 * Files that are not there yet: those without which the program cannot be started, and those whose appearance may repair
 * a program that has crashed. Waits for them only while no run can start.
 */

import fs from 'node:fs';
import path from 'node:path';
import type { UncaughtError } from '../preload/protocol.ts';
import { foldersAbove } from '../process/launch/host.ts';
import { findPreload, preloadFile } from '../process/launch/preload-files.ts';
import { platform } from '../process/platform.ts';
import type { Clock } from '../shared/clock.ts';
import type { Change, Emit } from '../shared/events.ts';
import { PathWatcher, type PathWatcherOptions } from '../watch/path-watcher.ts';
import type { RunPlan } from './command-plan.ts';

export interface AwaitedFilesOptions {
  readonly clock: Clock;
  readonly plan: () => RunPlan;
  readonly emit: Emit;
  /** A file that was awaited is there. */
  readonly onAppear: (change: Change) => void;
}

/** The lack of a run: its script, the command that runs it, or its folder; or devwatch itself is incomplete. */
interface Lack {
  readonly reason: 'missing' | 'reinstallation';
  /** Of these, one has to exist. */
  readonly paths: readonly string[];
}

/** Files that package managers write last: npm, pnpm, Yarn, Yarn 1, and Yarn with Plug'n'Play. */
const installationMarks = [
  'node_modules/.package-lock.json',
  'node_modules/.modules.yaml',
  'node_modules/.yarn-state.yml',
  'node_modules/.yarn-integrity',
  '.pnp.cjs',
];
/** Files that show that a folder belongs to the project, or to the monorepo around it. */
const projectFiles = ['package.json', 'node_modules', 'pnpm-workspace.yaml', '.pnp.cjs', 'yarn.lock', 'bun.lock'];
/** Names under which a module may be found, as suffixes of the requested one. */
const moduleSuffixes = [
  '',
  '.js',
  '.mjs',
  '.cjs',
  '.json',
  '.node',
  '.ts',
  '.mts',
  '.cts',
  '.tsx',
  '/index.js',
  '/index.ts',
];
/** Other package managers write no mark: a package is complete when no event has come for this long. */
const installationQuietMs = 2000;
/** The files of devwatch are written one by one. */
const reinstallationQuietMs = 500;

export class AwaitedFiles {
  readonly #options: AwaitedFilesOptions;
  #lack: Lack | undefined;
  /** The lack that was reported since the latest run. */
  #reported = '';
  #watchers: readonly PathWatcher[] = [];
  /** Epoch ms at which the latest run began. */
  #runSince = Date.now();
  #missingModule: UncaughtError['missing'];

  constructor(options: AwaitedFilesOptions) {
    this.#options = options;
  }

  /** Whether the next run has lacked a file: others may still be written beside it. */
  get hasLacked(): boolean {
    return this.#reported !== '';
  }

  /** Returns whether everything is there that a run needs. */
  isComplete(): boolean {
    this.#lack = lackOf(this.#options.plan());
    return this.#lack === undefined;
  }

  /** A run has been launched. */
  runStarted(): void {
    this.#reported = '';
    this.#runSince = Date.now();
    this.#missingModule = undefined;
  }

  /** Somebody asks for a run: a lack is reported to them once more. */
  runRequested(): void {
    this.#reported = '';
  }

  /** The latest run did not find this module. */
  lacksModule(missing: UncaughtError['missing']): void {
    this.#missingModule = missing;
  }

  await(which: 'needed' | 'repairing'): void {
    if (which === 'needed') this.awaitNeeded();
    else this.awaitRepair();
  }

  /** Waits for a file that the next run needs, and reports it, once for each file. */
  awaitNeeded(): void {
    const lack = this.#lack;
    if (lack === undefined) return;
    const { reason, paths } = lack;
    const quietMs = reason === 'reinstallation' ? reinstallationQuietMs : 0;
    // These did not exist a moment ago.
    this.#watch([{ paths, since: 0, quietMs }]);
    const key = JSON.stringify(lack);
    if (key !== this.#reported) this.#options.emit({ type: 'wait', reason, paths: paths.slice(0, 1) });
    this.#reported = key;
  }

  /** Waits for a module that the crashed program did not find, and for the installation of packages. */
  awaitRepair(): void {
    const { loaded, command } = this.#options.plan();
    if (loaded.settings.watch.length === 0) return;
    const since = this.#runSince;
    const start = command.script === undefined ? loaded.folder : path.dirname(command.script);
    const folders = [...new Set([loaded.folder, start].flatMap(projectFoldersAbove))];
    const marks = folders.flatMap((folder) => installationMarks.map((name) => path.join(folder, name)));
    const { request = '', from = path.join(loaded.folder, 'x') } = this.#missingModule ?? {};
    const isPath = /^(?:\.{0,2}\/|file:)/.test(request);
    const modules = isPath ? moduleSuffixes.map((suffix) => path.resolve(path.dirname(from), request) + suffix) : [];
    const [, name] = /^((?:@[^/]+\/)?[^/@.][^/]*)/.exec(isPath ? '' : request) ?? [];
    const packages = name === undefined ? [] : folders.map((folder) => path.join(folder, 'node_modules', name));
    const isOfPackage = (file: string): boolean => file.includes(`${path.sep}node_modules${path.sep}`);
    this.#watch([
      { paths: [...marks, ...modules.filter((file) => !isOfPackage(file))], since },
      { paths: [...packages, ...modules.filter(isOfPackage)], since, quietMs: installationQuietMs },
    ]);
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watch(wanted: readonly Pick<PathWatcherOptions, 'paths' | 'since' | 'quietMs'>[]): void {
    const { clock, plan, onAppear } = this.#options;
    this.stop();
    const polls = plan().loaded.settings.poll || !platform.watching.reportsFolders;
    const options = { clock, polls, onChange: onAppear };
    this.#watchers = wanted
      .filter(({ paths }) => paths.length > 0)
      .map((one) => new PathWatcher({ ...options, ...one }));
  }
}

function lackOf({ loaded: { folder, settings }, command }: RunPlan): Lack | undefined {
  // The end of the program is to be seen in the exit code.
  if (settings.exitOnCrash) return undefined;
  if (!fs.existsSync(folder)) return { reason: 'missing', paths: [folder] };
  if (command.isNode && findPreload() === undefined) {
    return { reason: 'reinstallation', paths: [preloadFile('preload.cjs')] };
  }
  const { needs, file } = command;
  if (needs.length > 0 && !needs.some((one) => fs.existsSync(one))) return { reason: 'missing', paths: needs };
  return path.isAbsolute(file) && !fs.existsSync(file) ? { reason: 'missing', paths: [file] } : undefined;
}

/** The folder, and those above it up to the outermost one that belongs to the project. */
function projectFoldersAbove(folder: string): readonly string[] {
  const folders = foldersAbove(folder);
  const last = folders.findLastIndex((above) => projectFiles.some((name) => fs.existsSync(path.join(above, name))));
  return folders.slice(0, Math.max(last, 0) + 1);
}
