/**
 * Turns the raw changes of a program's files into two facts: "something changed", at once, and "the changes
 * are complete", after the debounce. Changes of files that only pages load are kept apart.
 */

import path from 'node:path';
import { pageExtensions } from '../config/defaults.ts';
import type { Settings } from '../config/settings-types.ts';
import type { Clock } from '../shared/clock.ts';
import type { Change, Emit } from '../shared/events.ts';
import { cpuQueue as readCpuQueue } from '../watch/cpu-queue.ts';
import { QuietWindow } from '../watch/debounce.ts';
import { restOfSaveAt, statsOf } from '../watch/disk.ts';
import { LoopDetector } from '../watch/loop-detector.ts';
import type { WatchSession } from '../watch/watch-session.ts';
import type { RunPlan } from './command-plan.ts';
import type { RestartTimeline } from './restart-timeline.ts';

export interface ChangesOptions {
  readonly clock: Clock;
  readonly timeline: RestartTimeline;
  readonly plan: () => RunPlan;
  /** Undefined while no file is watched. */
  readonly session: () => Pick<WatchSession, 'changed' | 'explain' | 'isResyncing'> | undefined;
  /** Returns how long, in ms, the rest of a save may take; 0 when the file looks complete. */
  readonly restOfSave?: (file: string) => number;
  /** Returns how many threads share a CPU. */
  readonly cpuQueue?: () => number;
  readonly emit: Emit;
  /** `changed`: something has, and the program can be stopped. `quiet`: the changes are complete, the next run can start. */
  readonly dispatch: (type: 'changed' | 'quiet') => void;
}

/** git may take this long from locking its index to the first file that it writes. */
const maxGitPreparationMs = 10_000;

export class Changes {
  readonly #options: ChangesOptions;
  readonly #quiet: QuietWindow;
  readonly #pageQuiet: QuietWindow;
  readonly #loops = new LoopDetector();
  /** `changed` has been dispatched for the changes that the debounce holds. */
  #isAnnounced = false;
  /** The changes that lead to the next run. */
  #settled: readonly Change[] = [];

  constructor(options: ChangesOptions) {
    const { clock, restOfSave = restOfSaveAt, cpuQueue = readCpuQueue } = options;
    this.#options = options;
    this.#quiet = new QuietWindow({
      clock,
      delay: () => this.#settings.delay,
      busy: () => this.#isGitWriting() || options.session()?.isResyncing() === true,
      restOfSave,
      cpuQueue,
      onQuiet: (changes) => this.#onQuiet(changes),
    });
    this.#pageQuiet = new QuietWindow({
      clock,
      restOfSave,
      onQuiet: (changes) => {
        const paths = changes.map((change) => change.path);
        options.emit({ type: 'pages', paths, styles: paths.every((file) => file.endsWith('.css')) });
      },
    });
  }

  /** Takes a change of a watched file. */
  push(change: Change): void {
    if (this.#isPageFile(change.path)) {
      this.#pageQuiet.push(change);
      return;
    }
    this.#options.timeline.cause();
    this.#quiet.push(change);
    // With `skipUnchanged` this is known only after the debounce: a save may pass through an empty file.
    if (!this.#settings.skipUnchanged) this.#announce();
  }

  /** A run starts: returns the changes that have led to it. A change right after it may be the program's own. */
  runStarts(): readonly Change[] {
    this.#loops.started(this.#options.clock.now());
    const changes = this.#settled;
    this.#settled = [];
    return changes;
  }

  /** Forgets all changes; no callback is called any more. */
  close(): void {
    this.#quiet.close();
    this.#pageQuiet.close();
  }

  get #settings(): Settings {
    return this.#options.plan().loaded.settings;
  }

  #announce(): void {
    this.#isAnnounced = true;
    this.#options.dispatch('changed');
  }

  #onQuiet(all: readonly Change[]): void {
    const { timeline, emit, dispatch } = this.#options;
    const session = this.#options.session();
    const changes = session?.changed(all) ?? all;
    for (const { path: file } of all.filter((change) => !changes.includes(change))) {
      emit({ type: 'ignored', path: file, verdict: { watched: false, reason: 'unchanged' } });
    }
    if (changes.length > 0 && !this.#isAnnounced) this.#announce();
    if (!this.#isAnnounced) {
      timeline.dismissCause();
      return;
    }
    this.#isAnnounced = false;
    timeline.settle();
    const withRule = (change: Change): Change => {
      const verdict = this.#settings.verbose ? session?.explain(change.path) : undefined;
      return verdict?.watched === true ? { ...change, rule: verdict.pattern } : change;
    };
    emit({ type: 'change', changes: changes.map(withRule) });
    this.#warnOfLoop(changes.map((change) => change.path));
    this.#settled = changes;
    dispatch('quiet');
  }

  #isPageFile(file: string): boolean {
    const { liveReload, ext } = this.#settings;
    const extension = path.extname(file).slice(1);
    return liveReload !== false && pageExtensions.includes(extension) && !ext?.includes(extension);
  }

  /**
   * Whether git holds its lock for the changes of this burst. An older lock was left by a git that was killed, or
   * belongs to one that waits for a commit message.
   */
  #isGitWriting(): boolean {
    const { plan, timeline } = this.#options;
    // Also undefined when .git is a file, as in a worktree or a submodule.
    const lock = statsOf(path.join(plan().loaded.folder, '.git', 'index.lock'));
    return lock !== undefined && Date.now() - lock.mtimeMs < timeline.sinceCaused + maxGitPreparationMs;
  }

  #warnOfLoop(files: readonly string[]): void {
    const { clock, plan, emit } = this.#options;
    const { loaded, command } = plan();
    const culprit = this.#loops.changed(files, clock.now());
    // Quick saves of the script itself come from the user, and ignoring it would be wrong advice.
    if (culprit === undefined || culprit === command.script) return;
    const name = path.relative(loaded.folder, culprit);
    const message = `${name} changes right after every start: if the program itself writes it, use --ignore ${name}`;
    emit({ type: 'warning', message });
  }
}
