import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { warnOfRoots } from '../../../src/run/broad-roots.ts';
import { createProject } from '../../support/project.ts';

test('devwatch warns of a watched machine and of a watched home', () => {
  const top = path.parse(process.cwd()).root;
  expect(warnOfRoots({ roots: [top] })).toEqual([
    `${top} is watched as a whole · start devwatch in a project, or name folders (--watch src)`,
  ]);
  expect(warnOfRoots({ roots: [os.homedir()] })).toEqual([expect.stringContaining('is watched as a whole')]);
});

test('devwatch warns of a folder of many projects, but not of one in a project or of few', async () => {
  const packages = Array.from({ length: 12 }, (_, index) => [`p${index}/package.json`, '{}'] as const);
  await using folder = createProject(Object.fromEntries(packages));
  // A folder above may be a project on this machine.
  const warn = (...roots: readonly string[]) =>
    warnOfRoots({ roots }, (place) => place.startsWith(folder.path) && fs.existsSync(path.join(place, 'package.json')));
  const [message = ''] = warn(folder.path);
  expect(message).toContain(`${folder.path} holds 12 projects, and all of them are watched · `);
  expect(message).toMatch(/ or name folders \(--watch p\d+\)$/);
  expect(warn(folder.at('p1'), folder.at('missing'))).toEqual([]);
  folder.write('package.json', '{}');
  expect(warn(folder.path)).toEqual([]);
  folder.remove('package.json');
  for (const [file] of packages.slice(5)) folder.remove(file);
  expect(warn(folder.path)).toEqual([]);
});
