/**
 * Reads the settings again when a settings file has changed, once for all programs. Each program gets its own
 * settings. Errors are reported, and the old settings stay in force.
 */

import type { OptionKey } from '../config/options.ts';
import { platform } from '../process/platform.ts';
import type { Clock } from '../shared/clock.ts';
import { UsageError } from '../shared/errors.ts';
import type { Change } from '../shared/events.ts';
import { stampOf } from '../shared/file-stamp.ts';
import { QuietWindow } from '../watch/debounce.ts';
import { restOfSaveAt } from '../watch/disk.ts';
import { PathWatcher } from '../watch/path-watcher.ts';
import { planRun, type RunPlan, type RunRequest } from './command-plan.ts';
import { GitOperation } from './git-operation.ts';

/** A program, as far as its settings are concerned. */
export interface Configurable {
  /** Applies settings; undefined keeps the old ones. Returns the keys whose values have changed. */
  update(plan: RunPlan | undefined): readonly OptionKey[];
  /** Emits a `problem` event. */
  reportProblem(message: string): void;
}

/** Keys whose values have changed since the settings were read before, or the error because of which they stay. */
export interface Reread {
  readonly changed: readonly OptionKey[];
  readonly problem?: string;
}

export interface SettingsReloaderOptions {
  readonly clock: Clock;
  /** Reads all programs that the settings files name. @throws UsageError */
  readonly read: () => readonly RunRequest[];
  /** Returns the programs in use, each with its request if the settings still name the program. */
  readonly match: (requests: readonly RunRequest[]) => ReadonlyMap<Configurable, RunRequest | undefined>;
  /** Called with valid settings after every program in use has got its own; adds and removes programs. */
  readonly onRead?: (requests: readonly RunRequest[]) => void;
  /** Reports an error in settings that concern no single program in use. */
  readonly onProblem: (message: string) => void;
}

/** Editors save in several steps: a settings file is read this long after the last event about it. */
const settingsDelayMs = 50;

interface Problem {
  readonly message: string;
  /** The file whose absence is the problem. */
  readonly lacks: string | undefined;
  readonly report: (message: string) => void;
}

export class SettingsReloader {
  readonly #options: SettingsReloaderOptions;
  readonly #quiet: QuietWindow;
  readonly #git = new GitOperation();
  /** A file looked half saved, and reading it was postponed once. */
  #hasWaited = false;
  /** For files whose absence made the latest settings wrong. */
  #lacking: PathWatcher | undefined;

  constructor(options: SettingsReloaderOptions) {
    this.#options = options;
    this.#quiet = new QuietWindow({
      clock: options.clock,
      delay: () => settingsDelayMs,
      busy: (files, sinceMs) => this.#git.isWritingBeside(files, sinceMs),
      restOfSave: () => 0,
      onQuiet: (changes) => this.#onQuiet(changes),
    });
  }

  /** A settings file changed. Several programs may report the same change. */
  push(change: Change): void {
    this.#quiet.push(change);
  }

  /** Reads the settings now. A problem is returned and not reported. */
  reload(): Reread {
    const { changed, problems } = this.#reload();
    return { changed, ...(problems[0] !== undefined && { problem: problems[0].message }) };
  }

  /** Forgets changes that have not been acted on. */
  close(): void {
    this.#quiet.close();
    this.#lacking?.close();
  }

  #onQuiet(changes: readonly Change[]): void {
    // The next save may have begun: wait once for the rest of a file that looks half saved.
    this.#hasWaited = !this.#hasWaited && changes.some(({ path }) => restOfSaveAt(path) > 0);
    if (this.#hasWaited) {
      for (const change of changes) this.#quiet.push(change);
      return;
    }
    const stamps = (): string => changes.map(({ path }) => stampOf(path)).join();
    const before = stamps();
    const { problems } = this.#reload();
    // The file was saved again while it was read: half of it may have been read, and its change follows.
    if (problems.length > 0 && stamps() !== before) return;
    for (const { message, report } of problems) report(`${message} · the old settings stay in force`);
  }

  #reload(): { readonly changed: readonly OptionKey[]; readonly problems: readonly Problem[] } {
    const { match, onRead, onProblem } = this.#options;
    const read = attempt(this.#options.read);
    const requests = read instanceof UsageError ? [] : read;
    let failure = read instanceof UsageError ? read : undefined;
    const programs = match(requests);
    const inUse = new Set(programs.values());
    const plans = new Map(requests.map((request) => [request, attempt(() => planRun(request))]));
    for (const [request, plan] of plans) {
      // A new program that cannot be run: nothing is changed.
      if (plan instanceof UsageError && !inUse.has(request)) {
        failure ??= new UsageError(nameIn(plan.message, request), { lacks: plan.lacks });
      }
    }
    const changed = new Set<OptionKey>();
    const problems: Problem[] = failure === undefined ? [] : [problemOf(failure, onProblem)];
    for (const [program, request] of programs) {
      const plan = failure === undefined && request !== undefined ? plans.get(request) : undefined;
      const isWrong = plan instanceof UsageError;
      if (isWrong) problems.push(problemOf(plan, (message) => program.reportProblem(message)));
      for (const key of program.update(isWrong ? undefined : plan)) changed.add(key);
    }
    if (failure === undefined) onRead?.(requests);
    this.#awaitFiles(problems.flatMap(({ lacks }) => lacks ?? []));
    return { changed: [...changed], problems };
  }

  /** Reads the settings again when a file exists without which they are wrong. */
  #awaitFiles(paths: readonly string[]): void {
    this.#lacking?.close();
    const options = { clock: this.#options.clock, paths, since: 0, polls: !platform.watching.reportsFolders };
    const onChange = (change: Change): void => this.push(change);
    this.#lacking = paths.length === 0 ? undefined : new PathWatcher({ ...options, onChange });
  }
}

const problemOf = ({ message, lacks }: UsageError, report: (message: string) => void): Problem => ({
  message,
  lacks,
  report,
});

/** Names the program that an error is about, unless there is only one. */
export const nameIn = (message: string, { app }: RunRequest): string =>
  app === undefined ? message : `${app}: ${message}`;

/** Returns what `action` returns, or the UsageError that it throws. */
export function attempt<Value>(action: () => Value): Value | UsageError {
  try {
    return action();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}
