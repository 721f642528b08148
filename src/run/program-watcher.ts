/** The files of one program: what its settings name. Loaded only after the program has been started. */

import fs from 'node:fs';
import path from 'node:path';
import { defaultSettings, pageExtensions } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Command } from '../process/launch/command.ts';
import { platform } from '../process/platform.ts';
import type { Clock } from '../shared/clock.ts';
import type { Change, Emit, Verdict } from '../shared/events.ts';
import { Filter } from '../watch/filter.ts';
import { linkedFolders } from '../watch/linked-packages.ts';
import { toPosix } from '../watch/paths.ts';
import { type WatchPlan, WatchSession } from '../watch/session.ts';
import { ownFiles, type RunPlan, writtenFiles } from './command-plan.ts';

export class ProgramWatcher {
  readonly session: WatchSession;
  readonly #clock: Clock;
  readonly #emit: Emit;
  #filter: Filter | undefined;

  /** @param since epoch ms of the first run's start */
  constructor(clock: Clock, emit: Emit, onChange: (change: Change) => void, since: number) {
    this.#clock = clock;
    this.#emit = emit;
    const onIgnored = (file: string): void => {
      const verdict = this.explain(file);
      if (verdict !== undefined) emit({ type: 'ignored', path: file, verdict });
    };
    const onLoadsWatched = (files: readonly string[]): void => emit({ type: 'watchingLoads', files });
    const onWarning = (message: string): void => emit({ type: 'warning', message });
    this.session = new WatchSession({ clock, onChange, onIgnored, onLoadsWatched, onWarning }, since);
  }

  /**
   * Watches by a plan; the old watcher stays until the new one has taken over. Resolves once no save from `since`
   * (epoch ms) on can be missed any more.
   *
   * @param startedAt time of the clock from which the reported duration counts
   */
  async watch({ loaded, command }: RunPlan, since: number, startedAt: number): Promise<void> {
    const plan = await planWatch(loaded, command);
    this.#filter = plan.filter;
    const coverage = await this.session.watch(plan, since);
    if (coverage === undefined) return;
    const { extensions, roots } = plan.filter;
    const ms = this.#clock.now() - startedAt;
    const patterns = loaded.settings.watch;
    this.#emit({ type: 'watching', program: command.display, patterns, extensions, ms, ...coverage });
    const own = ownFiles(loaded, command);
    for (const root of roots) {
      if (own.includes(root) || fs.existsSync(root)) continue;
      const message = `${path.relative(loaded.folder, root)}: nothing is there to watch yet`;
      this.#emit({ type: 'warning', message });
    }
  }

  /** Explains why a file does or does not count; undefined while nothing is watched. */
  explain(file: string): Verdict | undefined {
    return this.#filter?.explain(file);
  }
}

/** Returns what to watch. Reads linked packages and git's ignore rules from disk. */
export async function planWatch(
  loaded: LoadedSettings,
  command: Pick<Command, 'script' | 'extensions'>,
): Promise<WatchPlan> {
  const { settings, bases, folder } = loaded;
  const { watch, watcher, poll, pollInterval, follow, skipUnchanged } = settings;
  const own = settings.ext ?? command.extensions;
  const extensions = settings.liveReload === false ? own : [...new Set([...own, ...pageExtensions])];
  const git = settings.gitignore ? await import('../watch/gitignore.ts') : undefined;
  const ignore = { patterns: [...writtenFiles(settings).map(toPosix), ...settings.ignore], base: bases.ignore };
  const filter = new Filter({
    watch: { patterns: watch, base: bases.watch },
    ignore,
    // An explicit `watch` replaces the default, linked packages included.
    folders: follow && watch === defaultSettings.watch ? linkedFolders(folder) : [],
    gitIgnores: git?.readGitIgnores(folder),
    extensions: extensions.includes('*') ? null : extensions,
    always: [...ownFiles(loaded, command), ...(git?.gitIgnoreFilesAbove(folder) ?? [])],
    script: command.script,
  });
  return {
    filter,
    ignore,
    watcher,
    poll,
    hasInotify: platform.hasProc,
    pollInterval,
    follow,
    skipUnchanged,
    reportIgnored: settings.verbose,
  };
}
