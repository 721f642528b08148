/** Finds the git repository around a folder. */

import fs from 'node:fs';
import path from 'node:path';
import { readText } from '../shared/read-text.ts';
import { statsOf, upwards } from './disk.ts';

/** A working tree of git. */
export interface Repository {
  /** Its topmost folder. */
  readonly top: string;
  /** The folder of its index and of the state of operations: `.git`, or the one that a file of this name leads to. */
  readonly gitDir: string;
  /** A linked worktree belongs to the repository of another working tree, a submodule to the one around it. */
  readonly kind: 'main' | 'worktree' | 'submodule';
}

/** Returns the working tree whose topmost folder this is; undefined for any other folder. */
export function repositoryAt(top: string): Repository | undefined {
  const entry = path.join(top, '.git');
  const stats = statsOf(entry);
  if (stats?.isDirectory() === true) return { top, gitDir: entry, kind: 'main' };
  if (stats?.isFile() !== true) return undefined;
  const [, target] = /^gitdir: (.+?)\s*$/.exec(readText(entry) ?? '') ?? [];
  if (target === undefined) return undefined;
  const gitDir = path.resolve(top, target);
  return { top, gitDir, kind: kindOf(gitDir) };
}

/** Returns the working tree that holds a folder (absolute); undefined outside of every repository. */
export function repositoryOf(folder: string): Repository | undefined {
  for (const place of upwards(folder)) {
    const repository = repositoryAt(place);
    if (repository !== undefined) return repository;
  }
  return undefined;
}

/** Returns the folder that all worktrees of a repository share, which holds `info/exclude`. */
export function commonDirOf({ gitDir }: Repository): string {
  const common = readText(path.join(gitDir, 'commondir'))?.trim();
  return common === undefined ? gitDir : path.resolve(gitDir, common);
}

function kindOf(gitDir: string): Repository['kind'] {
  const place = gitDir.split(path.sep).join('/');
  const isMissing = statsOf(gitDir) === undefined;
  if (fs.existsSync(path.join(gitDir, 'commondir'))) return 'worktree';
  // In a container the repository of a worktree may be missing.
  if (isMissing && /\/worktrees\/[^/]+$/.test(place)) return 'worktree';
  return place.includes('/modules/') ? 'submodule' : 'main';
}
