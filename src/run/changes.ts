/**
 * Turns the raw changes of a program's files into two facts: "something changed", at once, and "the changes
 * are complete", after the debounce. Changes of files that only pages load are kept apart.
 */

import path from 'node:path';
import { pageExtensions } from '../config/defaults.ts';
import { type SignalReaction, signalOf } from '../config/reactions.ts';
import type { Settings } from '../config/settings-types.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Cause, Change, Emit } from '../shared/events.ts';
import { cpuQueue as readCpuQueue } from '../watch/cpu-queue.ts';
import { QuietWindow } from '../watch/debounce.ts';
import { restOfSaveAt, statsOf, timestampSlackMs } from '../watch/disk.ts';
import { LoopDetector } from '../watch/loop-detector.ts';
import { type OwnWriteNotice, OwnWrites, patternOf } from '../watch/own-writes.ts';
import type { WatchSession } from '../watch/watch-session.ts';
import type { RunPlan } from './command-plan.ts';
import { EventKinds, eventNameOf, leavesOutEvents } from './event-kinds.ts';
import { GitOperation } from './git-operation.ts';
import type { RestartTimeline } from './restart-timeline.ts';
import { SignalAnswer } from './signal-answer.ts';

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
  /** Returns the bytes that the program and its hooks have written to files so far; by default unknown. */
  readonly written?: () => number | undefined;
  /** Returns the size of a file in bytes; undefined when it does not exist. */
  readonly sizeOf?: (file: string) => number | undefined;
  /** Returns the shortest debounce window in ms, unless the settings fix it; by default 0. */
  readonly minWindow?: () => number;
  readonly emit: Emit;
  /** Returns whether the program runs and is not being stopped; by default it does. */
  readonly isRunning?: () => boolean;
  /** Returns whether it has also come up; by default it has. */
  readonly isUp?: () => boolean;
  /** Sends a signal to the program. */
  readonly signal?: (signal: SignalReaction) => void;
  /** `changed`: something has, and the program can be stopped. `quiet`: the changes are complete, the next run can start. */
  readonly dispatch: (type: 'changed' | 'quiet') => void;
}

/** After this long the user learns that the next run waits for git. */
const slowGitNoticeMs = 3000;

export class Changes {
  readonly #options: ChangesOptions;
  readonly #quiet: QuietWindow;
  readonly #pageQuiet: QuietWindow;
  readonly #loops = new LoopDetector();
  readonly #ownWrites: OwnWrites;
  readonly #kinds: EventKinds;
  readonly #signals: SignalAnswer;
  readonly #git = new GitOperation();
  /** Files of the burst that count whatever happened to them. */
  readonly #awaited = new Set<string>();
  #isGitActive = false;
  #hasToldOfGit = false;
  /** Changes that the program itself seems to have caused. They count with the next change, or after a pause. */
  #held: readonly Change[] = [];
  #cancelHeld: CancelTimer = () => {};
  /** `changed` has been dispatched for the changes that the debounce holds. */
  #isAnnounced = false;
  #isPaused = false;
  /** Changes since the latest run that wait for the end of the pause. */
  #waiting: readonly Change[] = [];
  /** They are passed on with the burst that was being saved at the end of the pause. */
  #isDue = false;
  /** They are more than saves: the program has to be restarted in any case. */
  #needsRestart = false;
  /** The changes that lead to the next run. */
  #settled: readonly Change[] = [];
  /** The cause of the latest run. */
  #latest: { readonly cause: Cause; readonly changes: readonly Change[] } = { cause: 'start', changes: [] };

  constructor(options: ChangesOptions) {
    const { clock, restOfSave = restOfSaveAt, cpuQueue = readCpuQueue } = options;
    this.#options = options;
    this.#kinds = new EventKinds(clock);
    this.#signals = new SignalAnswer({ ...options, program: () => options.plan().command.display });
    const { written = () => undefined, sizeOf = (file) => statsOf(file)?.size } = options;
    this.#ownWrites = new OwnWrites({ clock, written, sizeOf });
    this.#quiet = new QuietWindow({
      clock,
      delay: () => this.#settings.delay,
      minWindow: () => options.minWindow?.() ?? 0,
      busy: (files, sinceMs) => this.#writerBeside(files, sinceMs),
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

  /** Takes a change of a watched file. @param isAwaited the program cannot go on without the file: `events` does not matter */
  push(change: Change, isAwaited = false): void {
    if (this.#isPageFile(change.path)) {
      this.#pageQuiet.push(change);
      return;
    }
    if (leavesOutEvents(this.#settings)) {
      this.#kinds.push(change);
      if (isAwaited) this.#awaited.add(change.path);
    }
    const awaitsJudgement = this.#ownWrites.notice(change.path);
    // A restart that has begun before a pause takes what is saved meanwhile along.
    const isCollected = this.#isPaused && !this.#isAnnounced;
    if (!isCollected) this.#options.timeline.cause();
    this.#quiet.push(change);
    // Whether the content or the kind of event counts is known only after the debounce: a save may pass through an empty
    // file, or delete the file first.
    const isKnownLater = this.#settings.skipUnchanged || leavesOutEvents(this.#settings) || awaitsJudgement;
    if (!isKnownLater && !isCollected && this.#restarts()) this.#announce();
  }

  /** Collects changes from now on instead of passing them on. Emits `pause`, and again when more of them wait. */
  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#options.emit({ type: 'pause', changes: [] });
  }

  /** Passes on what was collected, as one burst, and all changes from now on. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const changes = this.#waiting;
    this.#waiting = [];
    this.#options.emit({ type: 'resume', changes });
    if (changes.length === 0) return;
    this.#options.timeline.cause();
    this.#held = merged(changes, this.#held);
    // A save that is under way belongs to the same restart.
    this.#isDue = this.#quiet.isPending;
    if (!this.#isDue) this.#conclude([]);
    else if (this.#restarts()) this.#announce();
  }

  /** Lets a restart wait for the end of the pause that a change of the settings needs. */
  postpone(change: Change): void {
    this.#needsRestart = true;
    this.#collect([change]);
  }

  #collect(changes: readonly Change[]): void {
    const before = this.#waiting.length;
    this.#waiting = merged(this.#waiting, changes);
    if (this.#waiting.length > before) this.#options.emit({ type: 'pause', changes: this.#waiting });
  }

  /** The number of changes that wait for the end of the pause; undefined without a pause. */
  get waiting(): number | undefined {
    return this.#isPaused ? this.#waiting.length : undefined;
  }

  /** A run is about to be launched: returns the changes since the latest run. */
  runStarts(cause: Cause = 'change'): readonly Change[] {
    this.#cancelHeld();
    // The run reads what waits for the end of a pause as well.
    const changes = merged(merged(this.#waiting, this.#held), this.#settled);
    this.#waiting = [];
    this.#held = [];
    this.#settled = [];
    this.#needsRestart = false;
    this.#latest = { cause, changes };
    return changes;
  }

  /** The latest run is of no use: the next one is told the same changes. Returns the cause of both. */
  runRepeats(): Cause {
    this.#settled = merged(this.#latest.changes, this.#settled);
    return this.#latest.cause;
  }

  /** A run has been launched. A change after it may be the program's own. */
  runStarted(): void {
    this.#loops.started(this.#options.clock.now());
    this.#ownWrites.started();
  }

  /** The root process of a run has ended, by a signal or otherwise. */
  runEnded(signal: NodeJS.Signals | null): void {
    this.#signals.runEnded(signal);
  }

  /** Forgets all changes; no callback is called any more. */
  close(): void {
    this.#cancelHeld();
    this.#ownWrites.stop();
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
    this.#hasToldOfGit = false;
    const changes = this.#counting(all);
    const isCounted = changes.length > 0 && !this.#holdsBack(changes);
    if (isCounted || this.#isAnnounced || this.#isDue) this.#conclude(changes);
    else this.#options.timeline.dismissCause();
  }

  /** Returns the changes that count by their content and by the kind of event; reports the others. */
  #counting(all: readonly Change[]): readonly Change[] {
    const { emit, session } = this.#options;
    const changes = session()?.changed(all) ?? all;
    // A checkout may have changed 100,000 files.
    const changed = new Set(changes);
    for (const { path: file } of all.filter((change) => !changed.has(change))) {
      emit({ type: 'ignored', path: file, verdict: { watched: false, reason: 'unchanged' } });
    }
    if (!leavesOutEvents(this.#settings)) return changes;
    const counting = this.#kinds.conclude(changes).filter((change) => {
      const event = eventNameOf(change);
      const counts = this.#settings.events.includes(event) || this.#awaited.has(change.path);
      if (!counts) emit({ type: 'ignored', path: change.path, verdict: { watched: false, reason: 'event', event } });
      return counts;
    });
    this.#awaited.clear();
    return counting;
  }

  /** Takes note of these changes' author; keeps them if they are to have no consequence now. */
  #holdsBack(changes: readonly Change[]): boolean {
    const { judgement, notices } = this.#ownWrites.judge(changes);
    // Ignoring the script itself would be wrong advice.
    const { script } = this.#options.plan().command;
    for (const notice of notices) if (notice.example !== script) this.#warnOfOwnWrites(notice);
    if (judgement.kind === 'save') this.#warnOfLoop(changes.map((change) => change.path));
    if (judgement.kind === 'save' || this.#isAnnounced) return false;
    this.#held = merged(this.#held, changes);
    this.#cancelHeld();
    if (judgement.kind === 'postponed') {
      this.#cancelHeld = this.#options.clock.after(judgement.pauseMs, () => {
        this.#options.timeline.cause();
        this.#conclude([]);
      });
    }
    return true;
  }

  /** These changes count, and those that were held back. */
  #conclude(changes: readonly Change[]): void {
    this.#isDue = false;
    if (this.#isPaused && !this.#isAnnounced) {
      this.#options.timeline.dismissCause();
      this.#collect(this.#takeHeld(changes));
      return;
    }
    if (!this.#isAnnounced && !this.#restarts()) {
      this.#react(this.#takeHeld(changes));
      return;
    }
    if (!this.#isAnnounced) this.#announce();
    this.#settle(changes);
  }

  /** Whether changes lead to another run. A program that does not run is started whatever `onChange` is. */
  #restarts(): boolean {
    const { onChange } = this.#settings;
    if (this.#needsRestart || onChange === 'restart') return true;
    const { isRunning, isUp } = this.#options;
    // A program that is starting may have read the files already, and die of a signal that it does not handle yet.
    return onChange === 'nothing' ? isRunning?.() === false : isUp?.() === false;
  }

  /** Leaves the running program to take up the changes itself. */
  #react(changes: readonly Change[]): void {
    const { timeline, emit } = this.#options;
    timeline.dismissCause();
    emit({ type: 'change', changes: this.#withRules(changes) });
    const reaction = signalOf(this.#settings.onChange);
    if (reaction === undefined) return;
    this.#signals.send(reaction, changes);
    // The program may write files now, as after a start.
    this.runStarted();
  }

  /** Passes these changes on, and those that were held back. */
  #settle(changes: readonly Change[]): void {
    const { timeline, emit, dispatch } = this.#options;
    this.#isAnnounced = false;
    timeline.settle();
    const all = this.#takeHeld(changes);
    emit({ type: 'change', changes: this.#withRules(all) });
    // The run before may still be ending, and the next one has not learnt of the earlier changes.
    this.#settled = merged(this.#settled, all);
    dispatch('quiet');
  }

  /** Adds the patterns that matched to changes, with `verbose`. */
  #withRules(changes: readonly Change[]): readonly Change[] {
    if (!this.#settings.verbose) return changes;
    const session = this.#options.session();
    return changes.map((change) => {
      const verdict = session?.explain(change.path);
      return verdict?.watched === true ? { ...change, rule: verdict.pattern } : change;
    });
  }

  /** Returns these changes together with those that were held back, which are no longer held. */
  #takeHeld(changes: readonly Change[]): readonly Change[] {
    this.#cancelHeld();
    const all = merged(this.#held, changes);
    this.#held = [];
    return all;
  }

  #isPageFile(file: string): boolean {
    const { liveReload, ext } = this.#settings;
    const extension = path.extname(file).slice(1);
    return (
      liveReload !== false &&
      pageExtensions.includes(extension) &&
      ext?.some((one) => one === extension || one === `+${extension}`) !== true
    );
  }

  /** Says whether something is still writing beside these files. */
  #writerBeside(files: Iterable<string>, sinceMs: number): 'assumed' | 'known' | undefined {
    const { session, emit } = this.#options;
    if (session()?.isResyncing() === true) return 'assumed';
    const activity = this.#git.find(files, sinceMs);
    const hasEnded = this.#isGitActive && activity === undefined;
    this.#isGitActive = activity !== undefined;
    // If git has changed the settings as well, they are read first: one restart for both.
    if (hasEnded && this.#haveSettingsChanged(sinceMs)) return 'assumed';
    if (typeof activity !== 'object') return activity && 'assumed';
    if (sinceMs > slowGitNoticeMs && !this.#hasToldOfGit) {
      this.#hasToldOfGit = true;
      emit({ type: 'warning', message: `the next run waits for the end of ${activity.command} (pid ${activity.pid})` });
    }
    return 'known';
  }

  #haveSettingsChanged(sinceMs: number): boolean {
    const since = Date.now() - sinceMs - timestampSlackMs;
    return this.#options.plan().loaded.settingsFiles.some((file) => (statsOf(file)?.ctimeMs ?? 0) >= since);
  }

  #warnOfLoop(files: readonly string[]): void {
    const { clock, plan, emit } = this.#options;
    const culprit = this.#loops.changed(files, clock.now());
    // Quick saves of the script itself come from the user.
    const { script } = plan().command;
    if (culprit === undefined || (script !== undefined && culprit === patternOf(script, 'change'))) return;
    const name = this.#nameOf(culprit);
    const message = `${name} changes after every start: if the program itself writes it, use --ignore ${quoted(name)}`;
    emit({ type: 'warning', message });
  }

  #warnOfOwnWrites({ files, example, isFinal }: OwnWriteNotice): void {
    const name = this.#nameOf(files) || this.#nameOf(example);
    const author = Object.keys(this.#settings.on ?? {}).length > 0 ? 'the program or a hook' : 'the program itself';
    const message = isFinal
      ? `${name} no longer restarts the program, because every run writes it · save another file to restart`
      : `${name} restarts the program, and is written by ${author} · use --ignore ${quoted(name)}`;
    this.#options.emit({ type: 'warning', message });
  }

  #nameOf(file: string): string {
    return path.relative(this.#options.plan().loaded.folder, file);
  }
}

/** The latest change of each path. */
const merged = (earlier: readonly Change[], later: readonly Change[]): readonly Change[] =>
  earlier.length === 0 ? later : [...new Map([...earlier, ...later].map((change) => [change.path, change])).values()];

/** A pattern as a shell takes it. */
const quoted = (pattern: string): string => (/^[\w./-]+$/.test(pattern) ? pattern : `'${pattern}'`);
