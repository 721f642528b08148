/** Finds running git commands that change files of a working tree, in Linux's /proc. */

import fs from 'node:fs';
import { attempt } from '../shared/errors.ts';
import { isDead, listPids, readProc, readStat } from './tree/proc.ts';

export interface GitProcess {
  readonly pid: number;
  /** Its working folder: for most commands the top of the working tree. */
  readonly folder: string;
  /** Its name, such as `git rebase`. */
  readonly command: string;
}

const changing: ReadonlySet<string> = new Set(
  (
    'am bisect checkout checkout-index cherry-pick merge pull read-tree rebase reset restore revert sparse-checkout ' +
    'stash submodule switch'
  ).split(' '),
);
/** The subcommands of these that only show something, perhaps in a pager. */
const showing: ReadonlySet<string> = new Set('list show log view visualize status summary'.split(' '));
/** Options of git itself that have a value of their own. */
const optionsWithValue: ReadonlySet<string> = new Set(
  '-c -C --git-dir --work-tree --namespace --config-env'.split(' '),
);

/** Yields those that run now and do not wait for a person. */
export function* gitProcesses(): Generator<GitProcess> {
  for (const pid of listPids()) {
    const found = gitProcessOf(pid);
    if (found !== undefined) yield found;
  }
}

/** Returns the git command that a process runs, if it changes files and does not wait for a person. */
export function gitProcessOf(pid: number): GitProcess | undefined {
  // Most processes are dismissed by their name.
  if (!isGit(pid)) return undefined;
  const words = readProc(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  const subcommand = subcommandOf(words);
  const folder = attempt(() => fs.readlinkSync(`/proc/${pid}/cwd`));
  if (subcommand === undefined || folder === undefined || waitsForPerson(pid, words)) return undefined;
  return { pid, folder, command: `git ${subcommand}` };
}

const isGit = (pid: number): boolean => readProc(`/proc/${pid}/comm`)?.startsWith('git') === true;

/** Returns the subcommand of git, if it is one that changes files. Parts of it that are programs of their own count as it. */
function subcommandOf(words: readonly string[]): string | undefined {
  const [program = '', ...rest] = words;
  const [, own] = /(?:^|\/)git-([\w-]+)$/.exec(program) ?? [];
  // A shell runs those that are scripts: `/bin/sh /usr/lib/git-core/git-submodule update`.
  const [, ofScript] = /\/git-([\w-]+)$/.exec(rest[0] ?? '') ?? [];
  let index = 0;
  while (rest[index]?.startsWith('-')) index += optionsWithValue.has(rest[index] ?? '') ? 2 : 1;
  const name = (own ?? ofScript ?? rest[index] ?? '').replace(/--.*$/, '');
  return changing.has(name) && !showing.has(rest[index + 1] ?? '') ? name : undefined;
}

/** Is it stopped, does it ask questions (`git checkout -p`), or has it opened an editor? */
function waitsForPerson(pid: number, words: readonly string[]): boolean {
  const stat = readStat(pid);
  if (stat === undefined || isDead(stat) || stat.state.toUpperCase() === 'T') return true;
  return words.some((word) => word === '-p' || word === '--patch') || hasEditor(pid);
}

/** git opens editors on files in its own folder: `git-rebase-todo`, `COMMIT_EDITMSG`. */
function hasEditor(pid: number): boolean {
  const children = readProc(`/proc/${pid}/task/${pid}/children`)?.split(' ').filter(Boolean) ?? [];
  return children.some((child) => {
    const words = isGit(Number(child)) ? [] : (readProc(`/proc/${child}/cmdline`)?.split('\0') ?? []);
    return words.some((word) => /\/(?:git-rebase-todo|[A-Z]+_(?:EDIT)?MSG)$/.test(word)) || hasEditor(Number(child));
  });
}
