/** A git command that changes the whole tree causes one restart, after git has exited. */

import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { git, startGit } from '../support/git.ts';
import { openHome } from '../support/home.ts';
import { createProject, type Project } from '../support/project.ts';

const folders = 300;
const filesPerFolder = 20;

/** A program that counts its files by their content, the name of a branch, and checks whether git is still running. */
const program = `
const fs = require('fs');
const found = {};
for (const entry of fs.readdirSync('.', { withFileTypes: true, recursive: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.js') || entry.name === 'server.js') continue;
  const text = fs.readFileSync((entry.parentPath ?? entry.path) + '/' + entry.name, 'utf8');
  found[text] = (found[text] ?? 0) + 1;
}
require(process.env.TEST_DIAL)({ found, gitIsBusy: fs.existsSync('.git/index.lock') });
`;

/** A third of the files has the same path in both branches; a third of the folders exists in only one of them. */
function fileOf(branch: string, index: number): string {
  const folder = index % folders;
  if (folder % 3 === 0) return `${branch}/${folder % 10}/${folder}/${index}.js`;
  return `src/${folder % 10}/${folder}/${folder % 3 === 1 ? '' : `${branch}-`}${index}.js`;
}

const filesOf = (branch: string, count = folders * filesPerFolder): string[] =>
  Array.from({ length: count }, (_, index) => fileOf(branch, index));

/** Runs git without blocking the test, so that calls of programs that devwatch starts during it are recorded. */
async function gitAsync(folder: string, ...args: string[]): Promise<void> {
  const [code] = await once(startGit(folder, args), 'exit');
  expect(code).toBe(0);
}

/** Creates a repository with a commit on each branch, and checks out the first branch. */
function createRepository(branches: readonly string[], count?: number): Project {
  const project = createProject({}, 'large');
  git(project.path, ['init', '-q']);
  const lines: string[] = [];
  const blob = (text: string): string => `data ${text.length}\n${text}\n`;
  for (const branch of branches) {
    lines.push(`commit refs/heads/${branch}\ncommitter test <test@example.org> 0 +0000\n${blob('')}`);
    lines.push(`M 100644 inline server.js\n${blob(program)}`);
    for (const file of filesOf(branch, count)) lines.push(`M 100644 inline ${file}\n${blob(branch)}`);
  }
  git(project.path, ['fast-import', '--quiet'], lines.join(''));
  git(project.path, ['checkout', '-q', branches[0] ?? '']);
  return project;
}

/** Returns the paths, relative to the project, whose changes caused this run. */
async function changesOf(devwatch: Devwatch, project: Project, run: number): Promise<Set<string>> {
  const start = await devwatch.event('start', (event) => event.run >= run);
  expect(start.run).toBe(run);
  return new Set(start.changes.map((change) => path.relative(project.path, change.path)));
}

/** Appends to these files while devwatch stands still: for it they are one burst, however long this process has to wait. */
function appendInOneGo(devwatch: Devwatch, files: readonly string[]): void {
  process.kill(devwatch.pid, 'SIGSTOP');
  for (const file of files) fs.appendFileSync(file, '!');
  process.kill(devwatch.pid, 'SIGCONT');
}

test.sequential('a checkout of 6,000 files causes one restart, and so does the way back', async () => {
  await using home = await openHome();
  await using project = createRepository(['one', 'other']);
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  expect((await home.caller()).says).toMatchObject({ found: { one: 6000 }, gitIsBusy: false });
  await devwatch.event('watching');

  await gitAsync(project.path, 'checkout', '-q', 'other');
  expect((await home.caller()).says).toMatchObject({ found: { other: 6000 }, gitIsBusy: false });
  expect(await changesOf(devwatch, project, 2)).toEqual(new Set([...filesOf('one'), ...filesOf('other')]));

  await gitAsync(project.path, 'checkout', '-q', 'one');
  expect((await home.caller()).says).toMatchObject({ found: { one: 6000 }, gitIsBusy: false });
  expect(await changesOf(devwatch, project, 3)).toEqual(new Set([...filesOf('one'), ...filesOf('other')]));

  // No change is reported late, and every folder is still watched.
  const edits = filesOf('one', folders);
  appendInOneGo(devwatch, edits.map(project.at));
  expect((await home.caller()).says.found).toEqual({ one: 5700, 'one!': 300 });
  expect(await changesOf(devwatch, project, 4)).toEqual(new Set(edits));
});

test.sequential('a checkout causes one restart when devwatch receives its events so late that some are lost', async () => {
  await using home = await openHome();
  await using project = createRepository(['one', 'other']);
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  await home.caller();
  await devwatch.event('watching');
  process.kill(devwatch.pid, 'SIGSTOP');
  await gitAsync(project.path, 'checkout', '-q', 'other');
  process.kill(devwatch.pid, 'SIGCONT');
  expect((await home.caller()).says.found).toEqual({ other: 6000 });
  await changesOf(devwatch, project, 2);

  // A second restart for the same checkout would come before this one.
  const edits = filesOf('other', folders);
  appendInOneGo(devwatch, edits.map(project.at));
  expect((await home.caller()).says.found).toEqual({ other: 5700, 'other!': 300 });
  expect(await changesOf(devwatch, project, 3)).toEqual(new Set(edits));
});

test.sequential('a stash of 200 files causes one restart, and so does its return', async () => {
  await using home = await openHome();
  await using project = createRepository(['one'], 200);
  const files = filesOf('one', 200);
  for (const file of files) project.write(file, 'edited');
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  expect((await home.caller()).says).toMatchObject({ found: { edited: 200 } });
  await devwatch.event('watching');

  await gitAsync(project.path, 'stash');
  expect((await home.caller()).says).toMatchObject({ found: { one: 200 }, gitIsBusy: false });
  expect(await changesOf(devwatch, project, 2)).toEqual(new Set(files));

  await gitAsync(project.path, 'stash', 'pop');
  expect((await home.caller()).says).toMatchObject({ found: { edited: 200 }, gitIsBusy: false });
  expect(await changesOf(devwatch, project, 3)).toEqual(new Set(files));

  project.write('fence.js', 'fence');
  expect((await home.caller()).says.found).toEqual({ edited: 200, fence: 1 });
  expect(await changesOf(devwatch, project, 4)).toEqual(new Set(['fence.js']));
});
