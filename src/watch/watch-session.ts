import type { CancelTimer, Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Change, Emit, Verdict } from '../shared/events.ts';
import { Digests } from './content-digests.ts';
import { Filter, type PatternList } from './filter.ts';
import { RootNames } from './root-names.ts';
import { UnwatchedSaves } from './unwatched-saves.ts';
import type { BackendPreference, Coverage, Watcher, WatchOptions } from './watcher.ts';

/** The files to watch, and how to watch them. */
export interface WatchPlan extends BackendPreference, Pick<WatchOptions, 'filter' | 'follow' | 'pollInterval'> {
  /** Number of linked packages that are watched. */
  readonly linkedPackages: number;
  /** Patterns of files that are ignored even when the program loads them. */
  readonly ignore: PatternList;
  /** Ignore changes that leave the content of a file as it was. */
  readonly skipUnchanged: boolean;
  /** Report changes that do not count. */
  readonly reportIgnored: boolean;
  /** Report saves that do not count only because of their extension, the first of each extension. */
  readonly reportExtensions: boolean;
}

export interface WatchSessionOptions {
  readonly clock: Clock;
  readonly onChange: (change: Change) => void;
  /** Receives `ignored` (once per file and run), `unwatched`, `watchingLoads` and `warning`. */
  readonly emit: Emit;
  /** Returns the bytes that the program has written to files so far; by default unknown. */
  readonly written?: (() => number | undefined) | undefined;
}

/** Loaded files are watched once the program has loaded no further one for this long. */
const loadPauseMs = 50;

/** Watches for one program: the files that its settings name, and those that it has loaded. */
export class WatchSession {
  readonly #options: WatchSessionOptions;
  /** Passes on each warning once: both watchers warn about the same system. */
  readonly #warn: (message: string) => void;
  readonly #ignored = new Set<string>();
  readonly #unwatched: UnwatchedSaves;
  #plan: WatchPlan | undefined;
  /** For the files of the plan, and for those that the program has loaded. */
  readonly #watchers = new Map<'plan' | 'loads', Watcher>();
  #digests: Digests | undefined;
  /** Files outside the plan that the latest run has loaded, and the one before it. */
  #loaded = new Set<string>();
  #loadedBefore = new Set<string>();
  /** Those of them that are watched. */
  #watchedLoads = new Set<string>();
  /** Read once in a run. */
  #rootNames: RootNames | undefined;
  #cancelLoadTimer: CancelTimer | undefined;
  /** Epoch ms of the latest run's start. */
  #runSince: number;
  #isClosed = false;

  /** @param since epoch ms at which the first run began */
  constructor(options: WatchSessionOptions, since: number) {
    this.#options = options;
    const { emit, written = () => undefined } = options;
    this.#warn = once(new Set(), (message) => emit({ type: 'warning', message }));
    const onSave = (path: string, extension: string): void =>
      emit({ type: 'unwatched', path, extension, watched: this.#plan?.filter.extensions ?? [] });
    this.#unwatched = new UnwatchedSaves({
      written,
      accepts: (file) => this.#plan?.filter.accepts(file) === true,
      onSave,
    });
    this.#runSince = since;
  }

  /**
   * Watches by a plan; a save from `since` (epoch ms) on counts. The watcher of an earlier plan is closed once the new
   * one has taken over. Resolves to undefined when the session has been closed in between.
   */
  async watch(plan: WatchPlan, since: number): Promise<Coverage | undefined> {
    this.#plan = plan;
    this.#rootNames = undefined;
    const watcher = await this.#open('plan', plan, since, this.#options.onChange);
    if (this.#isClosed || watcher === undefined) return undefined;
    // The digests of an earlier watcher stay: a save that is still being handled must not pass for known.
    this.#digests = plan.skipUnchanged ? (this.#digests ?? new Digests()) : undefined;
    // Not awaited: it runs beside the program's start, which it must not slow.
    void this.#digests?.learn([...watcher.files()], since, () => this.#isClosed);
    return watcher.armed;
  }

  /** The files of the plan that exist now, absolute. */
  files(): Iterable<string> {
    return this.#watchers.get('plan')?.files() ?? [];
  }

  /** Begins a new run, whose loaded files are reported by `loads`. */
  begin(since: number): void {
    this.#runSince = since;
    this.#loadedBefore = this.#loaded;
    this.#loaded = new Set();
    this.#ignored.clear();
    this.#rootNames = undefined;
    this.#unwatched.begin();
  }

  /** Notes that the latest run loads this file (absolute), or would load it if it existed. */
  loads(file: string): void {
    if (this.#plan === undefined) return;
    const { filter } = this.#plan;
    // Node reports real paths.
    this.#rootNames ??= new RootNames(filter.roots);
    if (filter.accepts(this.#rootNames.nameOf(file) ?? file)) return;
    this.#loaded.add(file);
    if (this.#watchedLoads.has(file)) return;
    this.#cancelLoadTimer?.();
    this.#cancelLoadTimer = this.#options.clock.after(loadPauseMs, () => {
      const warn = (error: unknown) =>
        this.#warn(`the files that the program loads are not watched: ${messageOf(error)}`);
      this.#watchLoads().catch(warn);
    });
  }

  /** Explains why a file does or does not count; undefined while nothing is watched. */
  explain(file: string): Verdict | undefined {
    return this.#plan?.filter.explain(file);
  }

  /** Returns the changes without those that left the content of a file as it was. */
  changed(changes: readonly Change[]): readonly Change[] {
    return this.#digests?.changed(changes) ?? changes;
  }

  /** May changes of the past still be reported, because events have been lost? Then a burst is not over. */
  isResyncing(): boolean {
    return [...this.#watchers.values()].some((watcher) => watcher.isResyncing());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelLoadTimer?.();
    await Promise.all([...this.#watchers.values()].map((watcher) => watcher.close()));
  }

  async #watchLoads(): Promise<void> {
    if (this.#plan === undefined) return;
    const { ignore } = this.#plan;
    const watched = new Set([...this.#loadedBefore, ...this.#loaded]);
    this.#watchedLoads = watched;
    const nothing = { patterns: [], base: ignore.base };
    const filter = new Filter({ watch: nothing, ignore, extensions: null, always: [...watched] });
    // Other files in the same folders are of no interest.
    const plan = { ...this.#plan, filter, reportIgnored: false, reportExtensions: false };
    await this.#open('loads', plan, this.#runSince, (change) => {
      // Runs before the last two may have loaded other files.
      if (this.#loaded.has(change.path) || this.#loadedBefore.has(change.path)) this.#options.onChange(change);
    });
    if (!this.#isClosed) this.#options.emit({ type: 'watchingLoads', files: [...watched] });
  }

  #reportIgnored(file: string): void {
    const verdict = this.explain(file);
    if (verdict !== undefined) this.#options.emit({ type: 'ignored', path: file, verdict });
  }

  #checkExtension(file: string): void {
    const verdict = this.explain(file);
    if (verdict?.watched === false && verdict.reason === 'extension') this.#unwatched.changed(file);
  }

  /** Opens a watcher, waits until it is armed, and only then closes the one whose place it takes. */
  async #open(
    place: 'plan' | 'loads',
    plan: WatchPlan,
    since: number,
    onChange: (change: Change) => void,
  ): Promise<Watcher | undefined> {
    // Loaded only now: the program is already starting.
    const { openWatcher } = await import('./watcher.ts');
    if (this.#isClosed) return undefined;
    const { reportIgnored, reportExtensions } = plan;
    const report = once(this.#ignored, (file) => this.#reportIgnored(file));
    const onIgnored = (file: string): void => {
      if (reportExtensions) this.#checkExtension(file);
      if (reportIgnored) report(file);
    };
    const reports = reportIgnored || reportExtensions ? { onIgnored } : {};
    const opened = await openWatcher({ ...plan, since, onChange, ...reports, onWarning: this.#warn }, plan);
    if (this.#isClosed) await opened.close();
    const previous = this.#watchers.get(place);
    this.#watchers.set(place, opened);
    await opened.armed;
    await previous?.close();
    return opened;
  }
}

/** Returns a function that passes on each text once. */
function once(seen: Set<string>, callback: (text: string) => void): (text: string) => void {
  return (text) => {
    if (seen.has(text)) return;
    seen.add(text);
    callback(text);
  };
}
