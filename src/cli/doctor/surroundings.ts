/** Looks at what else happens in the folder of a program: other devwatches, and git. */

import fs from 'node:fs';
import path from 'node:path';
import { entriesIn } from '../../background/records.ts';
import { ownersIn } from '../../process/crash-safety/orphans.ts';
import { GitOperation } from '../../run/git-operation.ts';
import { programsRunningIn } from '../../run/program-record.ts';
import { attempt } from '../../shared/errors.ts';
import { formatPath } from '../../terminal/format.ts';
import { repositoryOf } from '../../watch/repository.ts';
import { broken, type Finding, note, ok } from './finding.ts';

/** A lock that is older belongs to no command that is running. */
const oldLockMs = 60_000;

/** A devwatch, and its name if it runs in the background. */
interface Other {
  readonly pid: number;
  readonly name: string | undefined;
}

/** Returns the devwatches that run a program in this folder. */
export function othersIn(folder: string): readonly Other[] {
  const background = (attempt(() => entriesIn(folder)) ?? []).filter(({ alive }) => alive);
  const named = background.flatMap(({ name, record, owner }) => {
    const pid = (record ?? owner)?.pid;
    return pid === undefined ? [] : [{ pid, name }];
  });
  const recorded = [...ownersIn(folder), ...programsRunningIn(folder).map(({ pid }) => pid)];
  const others = [...new Set(recorded)].filter((pid) => !named.some((one) => one.pid === pid));
  return [...others.map((pid) => ({ pid, name: undefined })), ...named];
}

/** Returns findings on a folder. `known`: the devwatches that other findings are about. */
export const surroundingFindings = (
  folder: string,
  others: readonly Other[],
  known: ReadonlySet<number | undefined>,
): readonly Finding[] => [...otherFindings(others, known), ...gitFindings(folder)];

function otherFindings(others: readonly Other[], known: ReadonlySet<number | undefined>): readonly Finding[] {
  const topic = 'other devwatches';
  if (others.length < 2 && others.every(({ pid }) => known.has(pid))) return [];
  const list = others.map(({ pid, name }) =>
    name === undefined ? `pid ${pid}` : `${name} in the background (pid ${pid})`,
  );
  const text = `run a program in this folder: ${list.join(', ')}`;
  if (others.length === 1) return [ok(topic, text)];
  const ends = others.map(({ pid, name }) => (name === undefined ? `kill ${pid}` : `devwatch stop ${name}`));
  return [note(topic, text, `one of them may be enough: ${ends.join(', or ')}`)];
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
