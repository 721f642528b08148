/** Everything that is watched for one program: what its settings say, and what it has loaded. */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import type { Coverage, Watcher, WatchOptions } from './backend.ts';
import type { Digests } from './content-digests.ts';
import { createFilter, type Filter, type PatternList } from './filter.ts';
import type { BackendPreference } from './watcher.ts';

/** What to watch, and how. */
export interface WatchPlan extends BackendPreference {
  readonly filter: Filter;
  /** What is ignored even when the program loads it. */
  readonly ignore: PatternList;
  readonly follow: boolean;
  readonly pollInterval: number | undefined;
  /** Compare contents, and pass over what has not changed. */
  readonly skipUnchanged: boolean;
  /** Tell of changes that do not count. */
  readonly reportIgnored: boolean;
}

export interface WatchSessionOptions {
  readonly clock: Clock;
  readonly onChange: (change: Change) => void;
  /** A file that does not count changed; told at most once in a run. */
  readonly onIgnored: (file: string) => void;
  /** These files, which the program has loaded, are watched from now on, and nothing else beside the scope. */
  readonly onLoadsWatched: (files: readonly string[]) => void;
  readonly onWarning: (message: string) => void;
}

/** What a program loads is watched once it has loaded nothing more for so long, in ms. */
const loadPause = 50;

export class WatchSession {
  readonly #options: WatchSessionOptions;
  readonly #told = new Set<string>();
  readonly #ignored = new Set<string>();
  #scope: WatchPlan | undefined;
  #watcher: Watcher | undefined;
  #digests: Digests | undefined;
  /** Files that the latest run has loaded, and the one before it; those that the scope does not cover. */
  #loaded = new Set<string>();
  #loadedBefore = new Set<string>();
  /** Those of them that are watched. */
  #watchedLoads = new Set<string>();
  #loadWatcher: Watcher | undefined;
  #loadTimer: CancelTimer | undefined;
  /** Epoch ms of the latest run's start. */
  #runSince: number;
  #closed = false;

  /** @param since epoch ms at which the first run began */
  constructor(options: WatchSessionOptions, since: number) {
    this.#options = options;
    this.#runSince = since;
  }

  /**
   * Watches a scope; the watcher of an earlier one goes once this one has taken over.
   *
   * @param since epoch ms from which on a save counts
   * @returns undefined when all was closed meanwhile
   */
  async watch(scope: WatchPlan, since: number): Promise<Coverage | undefined> {
    this.#scope = scope;
    const watcher = await this.#open(scope, scope.filter, since, (change) => this.#options.onChange(change));
    const previous = this.#watcher;
    this.#watcher = watcher;
    const coverage = await watcher?.armed;
    await previous?.close();
    if (this.#closed || watcher === undefined) return undefined;
    if (scope.skipUnchanged) await this.#learn(watcher, since);
    else this.#digests = undefined;
    return coverage;
  }

  /** A new run begins: what it loads is to be told by `loads`. */
  begin(since: number): void {
    this.#runSince = since;
    this.#loadedBefore = this.#loaded;
    this.#loaded = new Set();
    this.#ignored.clear();
  }

  /** The latest run loads this file (absolute), or would if it were there. */
  loads(file: string): void {
    if (this.#scope?.filter.accepts(file) === true) return;
    this.#loaded.add(file);
    if (this.#watchedLoads.has(file)) return;
    this.#loadTimer?.();
    this.#loadTimer = this.#options.clock.after(loadPause, () => {
      this.#watchLoads().catch((error: unknown) => this.#warn(`what it loads is not watched: ${messageOf(error)}`));
    });
  }

  /** Leaves out the changes after which a file has the content that it had before. */
  changed(changes: readonly Change[]): readonly Change[] {
    return this.#digests === undefined ? changes : this.#digests.changed(changes);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#loadTimer?.();
    await Promise.all([this.#watcher?.close(), this.#loadWatcher?.close()]);
  }

  async #watchLoads(): Promise<void> {
    if (this.#scope === undefined) return;
    const { ignore } = this.#scope;
    const watched = new Set([...this.#loadedBefore, ...this.#loaded]);
    this.#watchedLoads = watched;
    const filter = createFilter({
      watch: { patterns: [], base: ignore.base },
      ignore,
      extensions: null,
      always: [...watched],
    });
    // Of what lies beside these files nothing is to be told.
    const scope = { ...this.#scope, reportIgnored: false };
    const watcher = await this.#open(scope, filter, this.#runSince, (change) => {
      // Runs before the last two may have loaded other files.
      if (this.#loaded.has(change.path) || this.#loadedBefore.has(change.path)) this.#options.onChange(change);
    });
    const previous = this.#loadWatcher;
    this.#loadWatcher = watcher;
    await watcher?.armed;
    await previous?.close();
    if (!this.#closed) this.#options.onLoadsWatched([...watched]);
  }

  async #open(
    { watcher, poll, hasInotify, follow, pollInterval, reportIgnored }: WatchPlan,
    filter: Filter,
    since: number,
    onChange: WatchOptions['onChange'],
  ): Promise<Watcher | undefined> {
    // Loaded only now: the program is already starting.
    const { openWatcher } = await import('./watcher.ts');
    if (this.#closed) return undefined;
    const opened = await openWatcher(
      {
        filter,
        since,
        follow,
        pollInterval,
        onChange,
        onIgnored: reportIgnored ? (file) => this.#ignore(file) : undefined,
        onWarning: (message) => this.#warn(message),
      },
      { watcher, poll, hasInotify },
    );
    if (this.#closed) await opened.close();
    return opened;
  }

  /** A warning about the system is as true for a second watcher as for the first. */
  #warn(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#options.onWarning(message);
  }

  #ignore(file: string): void {
    if (this.#ignored.has(file)) return;
    this.#ignored.add(file);
    this.#options.onIgnored(file);
  }

  async #learn(watcher: Watcher, since: number): Promise<void> {
    const { createDigests } = await import('./content-digests.ts');
    // What an earlier watcher knew stays known: a save that is still being acted on must not pass for old.
    this.#digests ??= createDigests();
    // Beside the program's start, which it must not slow.
    void this.#digests.learn([...watcher.files()], since, () => this.#closed);
  }
}
