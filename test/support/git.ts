/** Real git, free of the settings of the user and of the machine. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createProject, type Project } from './project.ts';

const settings: Readonly<Record<string, string>> = {
  'user.name': 'test',
  'user.email': 'test@example.org',
  'init.defaultBranch': 'main',
  'advice.detachedHead': 'false',
  'protocol.file.allow': 'always',
};

const env: NodeJS.ProcessEnv = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_COUNT: String(Object.keys(settings).length),
  ...Object.fromEntries(
    Object.entries(settings).flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ),
};

/** Runs git to its end. @throws Error when it fails */
export function git(folder: string, args: readonly string[], input?: string): void {
  const options = { cwd: folder, env, encoding: 'utf8' as const };
  const { status, stderr } = spawnSync('git', args, input === undefined ? options : { ...options, input });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
}

/** Starts git, which runs beside the test. */
export const startGit = (folder: string, args: readonly string[], variables: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn('git', args, { cwd: folder, env: { ...env, ...variables }, stdio: 'ignore' });

/** A repository with a linked worktree beside it; the branch `topic` is two commits ahead of `main`, which has another one. */
export function createWorktrees(): Project {
  const project = createProject({ 'main/.keep': '' });
  const commit = (branch: string, file: string, parent = ''): string =>
    `commit refs/heads/${branch}\ncommitter a <b> 0 +0000\ndata 0\n${parent}M 644 inline ${file}\ndata 1\n0\n`;
  const commits = [
    commit('main', 'api/server.js'),
    commit('topic', 'api/one.js', 'from refs/heads/main\n'),
    commit('topic', 'api/two.js'),
    commit('main', 'later.js'),
  ];
  git(project.at('main'), ['init', '-q']);
  git(project.at('main'), ['fast-import', '--quiet'], commits.join(''));
  git(project.at('main'), ['reset', '-q', '--hard']);
  git(project.at('main'), ['worktree', 'add', '-q', '../linked', 'topic']);
  spawnSync('mkfifo', [project.at('gate')]);
  project.write(
    'wait.sh',
    `[ ! -p "${project.at('gate')}" ] || { cat "${project.at('gate')}"; rm "${project.at('gate')}"; }`,
  );
  return project;
}

/** Lets git run until it has started `wait.sh`, looks at it, and lets it go on to its end. */
export async function atGate<Result>(project: Project, running: ChildProcess, look: () => Result): Promise<Result> {
  const ended = once(running, 'exit');
  // Opens once something has opened the other end.
  const gate = await fs.promises.open(project.at('gate'), 'w');
  const seen = look();
  await gate.close();
  await ended;
  return seen;
}
