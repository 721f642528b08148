/**
 * Finds out whether git is still changing files. Most commands hold the lock of their index meanwhile. Those that consist
 * of several steps, such as a rebase, let it go between them: their process shows whether they are still running.
 */

import path from 'node:path';
import type { GitProcess } from '../process/git-processes.ts';
import { platform } from '../process/platform.ts';
import { realPathOf, statsOf, upwards } from '../watch/disk.ts';
import { type Repository, repositoryAt, repositoryOf } from '../watch/repository.ts';

/** `lock`: git has locked its index. `steps`: it may be between two steps. A process is known to be running. */
export type GitActivity = 'lock' | 'steps' | GitProcess;

const lockFile = 'index.lock';
/** After this time the process is looked for that holds the lock: then the lock is not one that was left. */
const briefLockMs = 2000;
/** git may take this long from locking its index to the first file that it writes. */
const maxPreparationMs = 10_000;
/** git writes its state this shortly before the first file of a command that takes no lock. */
const recentMs = 1000;
/** A command that has not written its state for this long waits for something, or runs a long hook. */
const maxSilenceMs = 30_000;
/** The same for one that runs a command of the user at each step: that may need the program. */
const maxSilenceInStepMs = 10_000;

/** Files in git's folder that exist while a command with several steps is running, or has stopped for a person. */
const stepFiles = ['rebase-merge', 'rebase-apply', 'sequencer'];
const bisectFile = 'BISECT_START';

export class GitOperation {
  /** The process that was found last. */
  #process: GitProcess | undefined;

  /**
   * Returns what git does in the working trees of these files (absolute), which began to change `sinceMs` ago; undefined
   * for nothing.
   */
  find(files: Iterable<string>, sinceMs: number): GitActivity | undefined {
    const all = [...files];
    const repositories = repositoriesOf(all);
    if (repositories.length === 0) return this.#findElsewhere(all, sinceMs);
    const now = Date.now();
    const touched = (names: readonly string[]): number[] =>
      repositories.flatMap(({ gitDir }) => names.map((name) => now - touchedAt(path.join(gitDir, name))));
    // An older lock was left by a git that was killed, or belongs to one that waits for a commit message.
    const isLocked = touched([lockFile]).some((age) => age < sinceMs + maxPreparationMs);
    // The search for the process takes some ms.
    if (isLocked && sinceMs < briefLockMs) return 'lock';
    const steps = touched(stepFiles);
    const silence = Math.min(...touched(['']), ...steps);
    const hasSteps = [...steps, ...touched([bisectFile])].some(Number.isFinite);
    const mayRun =
      silence < (hasSteps ? maxSilenceInStepMs : maxSilenceMs) && (hasSteps || silence < sinceMs + recentMs);
    const tops = new Set(repositories.map(({ top }) => realPathOf(top)));
    const worksHere = ({ folder }: GitProcess): boolean => tops.has(repositoryOf(folder)?.top);
    const running = isLocked || mayRun ? this.#findProcess(worksHere) : undefined;
    if (running !== undefined) return running;
    // The process may run on another machine, or outside of this container.
    return isLocked ? 'lock' : steps.some((age) => age < recentMs) ? 'steps' : undefined;
  }

  /** Says whether git is still writing beside these files, as `QuietOptions.busy` does. */
  isWritingBeside(files: Iterable<string>, sinceMs: number): 'assumed' | 'known' | undefined {
    const activity = this.find(files, sinceMs);
    return typeof activity === 'object' ? 'known' : activity && 'assumed';
  }

  /** Finds a command whose repository is elsewhere (`git --work-tree`), as in a hook that deploys. */
  #findElsewhere(files: readonly string[], sinceMs: number): GitProcess | undefined {
    if (files.length < 2 || sinceMs > maxSilenceMs) return undefined;
    const last = new Set(files.map((file) => path.dirname(file)));
    const names = new Set([...last].flatMap((folder) => [...upwards(folder)]));
    const folders = new Set([...names].map(realPathOf));
    return this.#findProcess(({ folder }) => folders.has(folder));
  }

  #findProcess(worksHere: (candidate: GitProcess) => boolean): GitProcess | undefined {
    const known = this.#process === undefined ? undefined : platform.processes.gitCommandOf(this.#process.pid);
    this.#process = known !== undefined && worksHere(known) ? known : undefined;
    if (this.#process !== undefined) return this.#process;
    for (const candidate of platform.processes.gitCommands()) {
      if (!worksHere(candidate)) continue;
      this.#process = candidate;
      break;
    }
    return this.#process;
  }
}

/** Returns the working trees that hold these files, and those around submodules: git may be running there. */
function repositoriesOf(files: Iterable<string>): Repository[] {
  const seen = new Set<string>();
  const found: Repository[] = [];
  const visit = (start: string): void => {
    for (const folder of upwards(start)) {
      if (seen.has(folder)) return;
      seen.add(folder);
      const repository = repositoryAt(folder);
      if (repository === undefined) continue;
      found.push(repository);
      if (repository.kind !== 'submodule') return;
    }
  };
  for (const file of files) visit(path.dirname(file));
  return found;
}

/** Returns when a file or folder was written last, in epoch ms; -Infinity if it does not exist. */
const touchedAt = (file: string): number => statsOf(file)?.mtimeMs ?? Number.NEGATIVE_INFINITY;
