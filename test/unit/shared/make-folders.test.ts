import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeFolders } from '../../../src/shared/make-folders.ts';
import { createProject } from '../../support/project.ts';

test('makeFolders makes a folder and those above it, all with the mode, and reports whether it was missing', async () => {
  await using project = createProject();
  const folder = project.at('a/b/c');
  expect(makeFolders(folder, 0o700)).toBe(true);
  expect(fs.statSync(project.at('a')).mode & 0o777).toBe(0o700);
  expect(makeFolders(folder, 0o777)).toBe(false);
  expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
});

test('makeFolders takes a link to a folder, and refuses what is below a file', async () => {
  await using project = createProject({ file: '', 'real/x': '' });
  fs.symlinkSync('real', project.at('link'));
  expect(makeFolders(project.at('link'), 0o700)).toBe(false);
  expect(makeFolders(project.at('link/a'), 0o700)).toBe(true);
  expect(() => makeFolders(project.at('file'), 0o700)).toThrow('EEXIST');
  expect(() => makeFolders(project.at('file/a'), 0o700)).toThrow('ENOTDIR');
});

test.runIf(fs.existsSync('/proc/self'))(
  'makeFolders returns where a folder exists and nothing can be made in it',
  () => {
    // mkdir says ENOENT, although /proc is there. Node's own function tries it for ever.
    expect(() => makeFolders(path.join('/proc', 'devwatch-test', 'a', 'b'), 0o700)).toThrow('ENOENT');
  },
);
