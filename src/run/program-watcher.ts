/** The files of one program: what its settings name, watched from just after its first start. */

import fs from 'node:fs';
import path from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Change, Emit, Verdict } from '../shared/events.ts';
import type { Filter } from '../watch/filter.ts';
import type { WatchSession } from '../watch/session.ts';
import { ownFiles, type RunPlan } from './command-plan.ts';

export interface ProgramWatcherOptions {
  readonly clock: Clock;
  readonly plan: () => RunPlan;
  readonly emit: Emit;
  readonly onChange: (change: Change) => void;
}

export class ProgramWatcher {
  readonly #options: ProgramWatcherOptions;
  #session: WatchSession | undefined;
  #filter: Filter | undefined;
  /** Settles when the latest settings are watched. */
  #watching: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ProgramWatcherOptions) {
    this.#options = options;
  }

  /**
   * Begins to watch. Resolves once no save can be missed any more.
   *
   * @param since epoch ms of the first run's start, from which on a save counts
   */
  start(since: number): Promise<void> {
    this.#watching = this.#watch(since);
    return this.#watching;
  }

  /** Watches by changed settings; the old watcher stays until the new one has taken over. */
  rewatch(): void {
    const since = Date.now();
    this.#watching = this.#watching
      .then(() => this.#watch(since))
      .catch((error: unknown) =>
        this.#options.emit({ type: 'problem', message: `the old watcher stays in use: ${messageOf(error)}` }),
      );
  }

  /** The current watch session; undefined before the start, and while no file is watched. */
  get session(): WatchSession | undefined {
    return this.#session;
  }

  /** Explains why a file does or does not count; undefined while nothing is watched. */
  explain(file: string): Verdict | undefined {
    return this.#filter?.explain(file);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#session?.close();
  }

  async #watch(since: number): Promise<void> {
    const { clock, plan, emit } = this.#options;
    const { loaded, command } = plan();
    if (loaded.settings.watch.length === 0) {
      await this.#session?.close();
      this.#session = undefined;
      return;
    }
    const startedAt = clock.now();
    // Loaded only now: the program is already starting.
    const [{ WatchSession }, { planWatch }] = await Promise.all([
      import('../watch/session.ts'),
      import('./watch-plan.ts'),
    ]);
    if (this.#isClosed) return;
    this.#session ??= this.#openSession(WatchSession, since);
    const watchPlan = await planWatch(loaded, command);
    this.#filter = watchPlan.filter;
    const coverage = await this.#session.watch(watchPlan, since);
    if (coverage === undefined) return;
    const { extensions, roots } = watchPlan.filter;
    emit({
      type: 'watching',
      program: command.display,
      patterns: loaded.settings.watch,
      extensions,
      ms: clock.now() - startedAt,
      ...coverage,
    });
    this.#warnOfMissing(roots);
  }

  #openSession(Session: typeof WatchSession, since: number): WatchSession {
    const { clock, emit, onChange } = this.#options;
    return new Session(
      {
        clock,
        onChange,
        onIgnored: (file) => {
          const verdict = this.explain(file);
          if (verdict !== undefined) emit({ type: 'ignored', path: file, verdict });
        },
        onLoadsWatched: (files) => emit({ type: 'watchingLoads', files }),
        onWarning: (message) => emit({ type: 'warning', message }),
      },
      since,
    );
  }

  #warnOfMissing(roots: readonly string[]): void {
    const { plan, emit } = this.#options;
    const { loaded, command } = plan();
    const own = ownFiles(loaded, command);
    for (const root of roots) {
      if (own.includes(root) || fs.existsSync(root)) continue;
      const name = path.relative(loaded.folder, root);
      emit({ type: 'warning', message: `${name}: nothing is there to watch yet` });
    }
  }
}
