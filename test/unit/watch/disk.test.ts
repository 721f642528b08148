import { expect, test } from 'vitest';
import { restOfSaveAt } from '../../../src/watch/disk.ts';
import { createProject } from '../../support/project.ts';

test.each([
  [0, 100],
  [4096, 25],
  [8192, 25],
  [524_288, 25],
  [1, 0],
  [4095, 0],
  [4097, 0],
  [70_000, 0],
])('restOfSaveAt waits, for a file of %i bytes, %i ms', async (size, rest) => {
  await using project = createProject({ 'a.js': 'x'.repeat(size) });
  expect(restOfSaveAt(project.at('a.js'))).toBe(rest);
});

test('restOfSaveAt waits 100 ms for a missing path, and not for a folder', async () => {
  await using project = createProject({ 'folder/a.js': '1' });
  expect(restOfSaveAt(project.at('b.js'))).toBe(100);
  expect(restOfSaveAt(project.at('a.js/b.js'))).toBe(100);
  expect(restOfSaveAt(project.at('folder'))).toBe(0);
});
