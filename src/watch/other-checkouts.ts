/**
 * Finds working trees of git below the watched folders that do not belong to the project: linked worktrees, and clones
 * that are no submodules. Nothing that runs comes from them.
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { withOpenFile } from '../shared/file-ownership.ts';
import { realPathOf, statsOf, upwards } from './disk.ts';
import { toPosix } from './paths.ts';
import { commonDirOf, type Repository, repositoryAt, repositoryOf } from './repository.ts';

/** Answers are kept this long: the reading of a large tree asks for each folder many times. */
const keptMs = 10;

export interface OtherCheckouts {
  /** Returns those that hold this folder, or are it (absolute POSIX path), outermost first. */
  around(folder: string): readonly string[];
  /** Forgets the answers that are kept for a moment, because a `.git` has come or gone. */
  forget(): void;
  /** Those found so far that are clones of their own: code of the project may be in them after all. */
  readonly clones: ReadonlySet<string>;
}

/** @param homes absolute folders that belong to the project, such as that of the script, and so do the checkouts around them */
export function findOtherCheckouts(homes: readonly string[]): OtherCheckouts {
  const own = new Set(homes.flatMap((home) => [...upwards(home)]));
  const ownRepositories = new Set(homes.flatMap((home) => repositoryOf(home) ?? []).map(identityOf));
  const clones = new Set<string>();
  const known = new Map<string, readonly string[]>();
  let knownUntil = 0;
  let [latest, answer]: [string, readonly string[]] = ['', []];

  function read(folder: string): readonly string[] {
    const kept = known.get(folder);
    if (kept !== undefined) return kept;
    const parent = path.posix.dirname(folder);
    const above = parent === folder ? [] : read(parent);
    const all = isOther(path.normalize(folder)) ? [...above, folder] : above;
    known.set(folder, all);
    return all;
  }

  function isOther(folder: string): boolean {
    const repository = own.has(folder) ? undefined : repositoryAt(folder);
    // A link has been put there on purpose.
    if (repository === undefined || statsOf(folder, fs.lstatSync)?.isSymbolicLink() === true) return false;
    if (repository.kind === 'worktree' && ownRepositories.has(identityOf(repository))) return true;
    const around = repositoryOf(path.dirname(folder));
    if (around === undefined || repository.kind === 'submodule' || isGitlink(around, folder)) return false;
    if (repository.kind === 'main') clones.add(folder);
    return true;
  }

  return {
    around(folder) {
      const now = Date.now();
      if (now < knownUntil && folder === latest) return answer;
      if (now >= knownUntil) {
        known.clear();
        knownUntil = now + keptMs;
      }
      [latest, answer] = [folder, read(folder)];
      return answer;
    },
    forget() {
      knownUntil = 0;
    },
    clones,
  };
}

/** Returns the real path of the folder that a repository shares with its linked worktrees. */
function identityOf(repository: Repository): string {
  const common = commonDirOf(repository);
  return realPathOf(common) ?? common;
}

/** Has the repository around it a commit of this folder, as of a submodule, in its index? */
function isGitlink({ top, gitDir }: Repository, folder: string): boolean {
  const index = attempt(() => withOpenFile(path.join(gitDir, 'index'), (descriptor) => fs.readFileSync(descriptor)));
  // Only a commit can have the name of a folder there.
  return index?.includes(`${toPosix(path.relative(top, folder))}\0`) === true;
}
