/** The recipes of docs/recipes are followed by tests (npm run test:recipes), with pinned versions of their packages. */

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { pages } from '../../support/pages.ts';

const recipes = pages
  .filter(({ file }) => file.startsWith('docs/recipes/') && !file.endsWith('/README.md'))
  .map((page) => ({ ...page, name: path.basename(page.file, '.md') }));

test('every recipe is followed by a test of its name', () => {
  const tests = fs
    .readdirSync('test/recipes')
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => file.replace('.test.ts', ''));
  expect(tests.sort()).toEqual(recipes.map(({ name }) => name).sort());
});

test.each(recipes)('$file pins the packages that it installs', ({ name, blocks }) => {
  const lines = blocks.flatMap(({ language, text }) =>
    language === 'sh' ? [...text.matchAll(/^npm install (.*)$/gm)].map(([, words = '']) => words.split(' ')) : [],
  );
  const installed = new Set(lines.flat().filter((word) => !word.startsWith('-') && word !== 'devwatch'));
  const file = `test/recipes/${name}/package.json`;
  const pinned: Readonly<Record<string, string>> = fs.existsSync(file)
    ? JSON.parse(fs.readFileSync(file, 'utf8')).dependencies
    : {};
  expect(Object.keys(pinned).sort()).toEqual([...installed].sort());
  expect(Object.values(pinned).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test.each(recipes)('$file fits on two screens', ({ file }) => {
  expect(fs.readFileSync(file, 'utf8').split('\n').length).toBeLessThanOrEqual(110);
});
