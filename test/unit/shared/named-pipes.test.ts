/** Named pipes in place of files: opening one would wait for its writer. That a test ends is what it shows. */

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { expect, test } from 'vitest';
import { defaultName } from '../../../src/background/program-names.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { readEnvironment } from '../../../src/process/launch/environment.ts';
import { realHost } from '../../../src/process/launch/host.ts';
import { readText } from '../../../src/shared/read-text.ts';
import { Digests } from '../../../src/watch/content-digests.ts';
import { readGitIgnores } from '../../../src/watch/gitignore.ts';
import { linkedPackages } from '../../../src/watch/linked-packages.ts';
import { createProject, type Project } from '../../support/project.ts';

function makePipes(project: Project, ...names: readonly string[]): void {
  spawnSync('mkfifo', names.map(project.at));
}

test('readText returns the content of a file, and nothing for anything else or for a huge file', async () => {
  await using project = createProject({ file: 'text', huge: '' });
  makePipes(project, 'pipe');
  expect(readText(project.at('file'))).toBe('text');
  fs.truncateSync(project.at('huge'), 3e9);
  for (const name of ['pipe', 'missing', '.', 'huge']) expect(readText(project.at(name))).toBeUndefined();
  expect(readText('/dev/zero')).toBeUndefined();
});

test('named pipes with the names of files that devwatch looks for count as missing', async () => {
  await using project = createProject();
  makePipes(project, 'package.json', 'tsconfig.json', '.gitignore', 'script');
  expect(loadSettings({ given: new Map(), folder: project.path }).file).toBeUndefined();
  expect(defaultName(project.path)).toMatch(/^project-/);
  expect(realHost.read(project.at('tsconfig.json'))).toBeUndefined();
  expect(realHost.readStart(project.at('script'))).toBeUndefined();
  expect([...linkedPackages(project.path)]).toEqual([]);
  expect(readGitIgnores(project.path)(project.at('a.log'), false)).toBeUndefined();
  expect(new Digests().changed([{ kind: 'add', path: project.at('script') }])).toEqual([]);
});

test('a named pipe may hold variables; nothing is waited for longer than a second', async () => {
  await using project = createProject({ file: 'A=1\n' });
  makePipes(project, 'pipe', 'idle');
  const read = (name: string) =>
    readEnvironment({ folder: project.path, files: [{ file: project.at(name), isOptional: false }], variables: {} });
  spawn('sh', ['-c', 'echo A=2 > "$0"', project.at('pipe')]);
  expect(read('pipe').A).toBe('2');
  expect(read('file').A).toBe('1');
  expect(() => read('idle')).toThrow('idle: the environment file cannot be read (nothing writes to this pipe)');
});

test('a file that is too large to be read has changed when it was saved', async () => {
  await using project = createProject({ 'large.json': '' });
  fs.truncateSync(project.at('large.json'), 11_000_000);
  const change = { kind: 'change', path: project.at('large.json') } as const;
  const digests = new Digests();
  await digests.learn([change.path], Date.now() + 60_000, () => false);
  expect(digests.changed([change])).toEqual([]);
  fs.utimesSync(change.path, 1, 1);
  expect(digests.changed([change])).toEqual([change]);
});
