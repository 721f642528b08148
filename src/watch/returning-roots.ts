/** Watches roots that may be removed, made again, renamed or replaced, also by a change far above them: then it watches anew. */

import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import { isAtOrBelow } from './paths.ts';
import { RootGuard } from './root-guard.ts';
import type { Coverage, Watcher, WatchOptions } from './watcher.ts';

export interface ReturningRootsOptions {
  readonly watch: WatchOptions;
  readonly clock: Clock;
  /** See `RootGuardOptions`. */
  readonly pollInterval: number | undefined;
  /** Opens a watcher of the roots as they are now. */
  readonly open: (options: WatchOptions) => Promise<Watcher>;
}

export class ReturningRoots implements Watcher {
  readonly #options: ReturningRootsOptions;
  readonly #guard: RootGuard;
  /** Roots that have moved since they were last watched. */
  readonly #moved = new Set<string>();
  #current: Watcher;
  #isReopening = false;
  #isClosed = false;

  static async open(options: ReturningRootsOptions): Promise<ReturningRoots> {
    const { watch, clock, pollInterval, open } = options;
    let onMoved = (_: readonly string[]): void => {};
    // The guard comes first: a root that moves while the watcher is being opened is noticed as well.
    const guard = new RootGuard({
      clock,
      pollInterval,
      roots: watch.filter.roots,
      onMoved: (roots) => onMoved(roots),
    });
    const watcher = new ReturningRoots(options, guard, await open(watch));
    onMoved = (roots) => watcher.#onMoved(roots);
    return watcher;
  }

  private constructor(options: ReturningRootsOptions, guard: RootGuard, first: Watcher) {
    this.#options = options;
    this.#guard = guard;
    this.#current = first;
  }

  get armed(): Promise<Coverage> {
    return this.#current.armed;
  }

  files(): Iterable<string> {
    return this.#current.files();
  }

  isResyncing(): boolean {
    return this.#isReopening || this.#current.isResyncing();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#guard.close();
    await this.#current.close();
  }

  #onMoved(roots: readonly string[]): void {
    for (const root of roots) this.#moved.add(root);
    if (!this.#isReopening) void this.#reopen();
  }

  async #reopen(): Promise<void> {
    const { watch, open } = this.#options;
    this.#isReopening = true;
    while (this.#moved.size > 0 && !this.#isClosed) {
      const moved = [...this.#moved];
      this.#moved.clear();
      const since = Date.now();
      const before = new Set(this.#current.files());
      try {
        // Before the next one is opened: chokidar would go on with the handles that it has for these paths.
        await this.#current.close();
        this.#current = await open({ ...watch, since });
        await this.#current.armed;
        if (this.#isClosed) await this.#current.close();
        else this.#announce(before, moved);
      } catch (error) {
        watch.onWarning(`${moved.join(', ')}: changes are not seen (${messageOf(error)})`);
      }
    }
    this.#isReopening = false;
  }

  /** Announces what has gone and come. Where a root has moved, nothing tells whether a file is still the same. */
  #announce(before: ReadonlySet<string>, moved: readonly string[]): void {
    const { onChange } = this.#options.watch;
    const after = new Set(this.#current.files());
    for (const file of before) if (!after.has(file)) onChange({ kind: 'unlink', path: file });
    for (const file of after) {
      if (!before.has(file)) onChange({ kind: 'add', path: file });
      else if (moved.some((root) => isAtOrBelow(file, root))) onChange({ kind: 'change', path: file });
    }
  }
}
