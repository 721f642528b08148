import fs from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { workingFolder } from '../../../src/shared/working-folder.ts';
import { createProject } from '../../support/project.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Places the shell in a folder, by a name. */
function enter(folder: string, name: string | undefined): void {
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
  vi.stubEnv('PWD', name);
}

test('the working folder has the name that the shell has for it, also when the link leads elsewhere later', async () => {
  await using project = createProject({ 'releases/1/a.js': '', 'releases/2/a.js': '' });
  fs.symlinkSync('releases/1', project.at('current'));
  enter(project.at('releases/1'), project.at('current'));
  expect(workingFolder()).toBe(project.at('current'));
  fs.unlinkSync(project.at('current'));
  fs.symlinkSync('releases/2', project.at('current'));
  expect(workingFolder()).toBe(project.at('current'));
});

test.each([
  ['is missing', () => undefined],
  ['leads elsewhere', (at: (file: string) => string) => at('other')],
  ['leads nowhere', (at: (file: string) => string) => at('gone')],
  ['is relative', () => '.'],
  ['goes back through a link', (at: (file: string) => string) => `${at('link')}/../real`],
])('the working folder has its real path where the name of the shell %s', async (_, nameOf) => {
  await using project = createProject({ 'real/a.js': '', 'other/a.js': '' });
  fs.symlinkSync('real', project.at('link'));
  enter(project.at('real'), nameOf(project.at));
  expect(workingFolder()).toBe(project.at('real'));
});

test('the working folder has its real path where the links hide the project around it', async () => {
  await using project = createProject({ 'repo/package.json': '{}', 'repo/packages/api/a.js': '', 'home/x': '' });
  fs.symlinkSync('../repo/packages/api', project.at('home/api'));
  fs.symlinkSync('../repo', project.at('home/repo'));
  enter(project.at('repo/packages/api'), project.at('home/api'));
  expect(workingFolder()).toBe(project.at('repo/packages/api'));
  enter(project.at('repo/packages/api'), project.at('home/repo/packages/api'));
  expect(workingFolder()).toBe(project.at('home/repo/packages/api'));
});
