import fs from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { readText } from '../../../src/shared/read-text.ts';
import { createProject } from '../../support/project.ts';

afterEach(() => {
  vi.restoreAllMocks();
  Reflect.deleteProperty(process.versions, 'pnp');
});

test('text files are read, folders and missing files are not', async () => {
  await using project = createProject({ 'a.txt': 'ä' });
  expect([readText(project.at('a.txt')), readText(project.path), readText(project.at('b.txt'))]).toEqual([
    'ä',
    undefined,
    undefined,
  ]);
});

test("a file in a zip file is read by its path, because Yarn's Plug'n'Play cannot read a descriptor", async () => {
  await using project = createProject({ 'package.json': '{}' });
  Object.defineProperty(process.versions, 'pnp', { value: '3', configurable: true });
  const { readFileSync } = fs;
  vi.spyOn(fs, 'readFileSync').mockImplementation(((file: string | number, ...options: []) => {
    if (typeof file === 'number') throw new Error('EBADF: bad file descriptor, read');
    return readFileSync(file, ...options);
  }) as typeof readFileSync);
  expect(readText(project.at('package.json'))).toBe('{}');
});
