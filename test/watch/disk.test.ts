import { expect, test } from 'vitest';
import { isHalfSaved } from '../../src/watch/disk.ts';
import { createProject } from '../support/project.ts';

test.each([0, 4096, 8192, 65_536, 524_288])('a file of %i bytes may be half saved', async (size) => {
  await using project = createProject({ 'a.js': 'x'.repeat(size) });
  expect(isHalfSaved(project.at('a.js'))).toBe(true);
});

test.each([1, 300, 4095, 4097, 70_000])('a file of %i bytes is saved', async (size) => {
  await using project = createProject({ 'a.js': 'x'.repeat(size) });
  expect(isHalfSaved(project.at('a.js'))).toBe(false);
});

test('what is missing may be half saved, and a folder is not', async () => {
  await using project = createProject({ 'folder/a.js': '1' });
  expect(isHalfSaved(project.at('b.js'))).toBe(true);
  expect(isHalfSaved(project.at('a.js/b.js'))).toBe(true);
  expect(isHalfSaved(project.at('folder'))).toBe(false);
});
