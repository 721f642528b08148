/** Looks at what else happens in the folder of a program: other devwatches, and git. */

import fs from 'node:fs';
import path from 'node:path';
import { entriesIn } from '../../background/records.ts';
import { ownersIn } from '../../process/crash-safety/orphans.ts';
import { GitOperation } from '../../run/git-operation.ts';
import { attempt } from '../../shared/errors.ts';
import { formatPath } from '../../terminal/format.ts';
import { repositoryOf } from '../../watch/repository.ts';
import { broken, type Finding, note, ok } from './finding.ts';

/** A lock that is older belongs to no command that is running. */
const oldLockMs = 60_000;

/** Returns the pids of the devwatches that run a program in this folder, and the names of those in the background. */
export function othersIn(folder: string): { readonly pids: readonly number[]; readonly names: readonly string[] } {
  const background = attempt(() => entriesIn(folder))?.filter(({ alive }) => alive) ?? [];
  return { pids: ownersIn(folder), names: background.map(({ name }) => name) };
}

export function surroundingFindings(folder: string, { pids, names }: ReturnType<typeof othersIn>): readonly Finding[] {
  const background = names.length === 0 ? [] : [`in the background: ${names.join(', ')}`];
  const list = [...pids.map((pid) => `pid ${pid}`), ...background].join(' · ');
  const text = `run a program in this folder: ${list}`;
  const others =
    pids.length > 1 ? note('other devwatches', text, 'one of them is enough') : ok('other devwatches', text);
  return [...(list === '' ? [] : [others]), ...gitFindings(folder)];
}

function gitFindings(folder: string): readonly Finding[] {
  const repository = repositoryOf(folder);
  if (repository === undefined) return [];
  const { top, gitDir, kind } = repository;
  const lock = path.join(gitDir, 'index.lock');
  const age = attempt(() => Date.now() - fs.statSync(lock).mtimeMs);
  const activity = new GitOperation().find([path.join(folder, 'x')], 0);
  const topic = 'git';
  if (activity !== undefined) return [note(topic, 'is changing files: a restart waits until it has ended')];
  if (age !== undefined && age > oldLockMs) {
    return [
      broken(topic, `${formatPath(lock, folder)} was left by a git that was killed`, `rm ${formatPath(lock, folder)}`),
    ];
  }
  return [ok(topic, `${kind === 'main' ? 'repository' : kind} ${formatPath(top, folder) || '.'}`)];
}
