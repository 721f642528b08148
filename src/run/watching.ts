/** Watches the files of a program by the settings in force. */

import path from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Change, Emit } from '../shared/events.ts';
import type { WatchSession } from '../watch/watch-session.ts';
import type { RunPlan } from './command-plan.ts';

export interface WatchingOptions {
  readonly clock: Clock;
  readonly plan: () => RunPlan;
  readonly onChange: (change: Change) => void;
  readonly emit: Emit;
  /** Returns the bytes that the program has written to files so far; by default unknown. */
  readonly written?: () => number | undefined;
}

/** After this long without a watcher, the user learns what will be watched; the number of files follows. */
const slowScanNoticeMs = 150;

export class Watching {
  readonly #options: WatchingOptions;
  /** Undefined before the start, and while no file is watched. */
  #session: WatchSession | undefined;
  /** Settles when the latest settings are watched. */
  #latest: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: WatchingOptions) {
    this.#options = options;
  }

  get session(): WatchSession | undefined {
    return this.#session;
  }

  /** Begins to watch. A save counts from `since` (epoch ms) on. Resolves once no save can be missed any more. */
  async start(since: number): Promise<void> {
    this.#latest = this.#watch(since);
    await this.#latest;
  }

  /** Watches by changed settings; the old watcher stays until the new one has taken over. */
  restart(): void {
    const since = Date.now();
    const onError = (error: unknown): void =>
      this.#options.emit({ type: 'problem', message: `the old watcher stays in use: ${messageOf(error)}` });
    this.#latest = this.#latest.then(() => this.#watch(since)).catch(onError);
  }

  /** A file that was awaited is there: it may be a package that has been linked, which is watched then. */
  appeared({ path: file }: Change): void {
    if (file.split(path.sep).includes('node_modules')) this.restart();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#session?.close();
  }

  async #watch(since: number): Promise<void> {
    const { clock, plan: current, onChange, emit, written } = this.#options;
    const { loaded, command } = current();
    if (loaded.settings.watch.length === 0) {
      await this.#session?.close();
      this.#session = undefined;
      return;
    }
    const startedAt = clock.now();
    // Loaded only now: the program is already starting.
    const [watching, { warnOfRoots }, { WatchSession }] = await Promise.all([
      import('./watch-plan.ts'),
      import('./broad-roots.ts'),
      import('../watch/watch-session.ts'),
    ]);
    if (this.#isClosed) return;
    this.#session ??= new WatchSession({ clock, onChange, emit, written }, since);
    const warn = (message: string): void => emit({ type: 'warning', message });
    const plan = await watching.planWatch(loaded, command, warn);
    const { linkedPackages, filter } = plan;
    for (const message of warnOfRoots(filter)) warn(message);
    const { extensions } = filter;
    const patterns = loaded.settings.watch;
    const onSlow = (): void => emit({ type: 'scanning', program: command.display, patterns, extensions });
    const cancelNotice = clock.after(Math.max(0, startedAt + slowScanNoticeMs - clock.now()), onSlow);
    const coverage = await this.#session.watch(plan, since).finally(cancelNotice);
    if (coverage === undefined) return;
    const facts = { ...coverage, linkedPackages, ms: clock.now() - startedAt };
    emit(watching.describeWatch(current(), filter, facts));
    for (const message of watching.remarksOn(filter, current(), this.#session.files())) {
      warn(message);
    }
  }
}
