/** The README is short, and what it claims stands in docs/benchmarks.md and docs/comparison.md. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { survivors, Tables, withFigures } from '../../../bench/figures.ts';

const readme = fs.readFileSync('README.md', 'utf8');

test('the README has at most 140 lines', () => {
  expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(140);
});

const tables = new Tables(fs.readFileSync('docs/benchmarks.md', 'utf8'));

test('its figures are those of the benchmarks', () => {
  expect(withFigures(readme, tables)).toBe(readme);
  const { programs, leftBy } = survivors(tables);
  expect([leftBy('devwatch'), leftBy('nodemon'), leftBy('tsx watch')]).toEqual([0, programs, programs]);
});

test('its figures follow those of the benchmarks', () => {
  const page = fs
    .readFileSync('docs/benchmarks.md', 'utf8')
    .replace(/(\| Express, 1,800 modules \|) [\d.]+/, '$1 1234');
  expect(withFigures(readme, new Tables(page))).toContain('1,800 modules listens again 1234 ms after the save');
  expect(() => withFigures(readme, new Tables(''))).toThrow('docs/benchmarks.md lacks the figure');
  expect(() => withFigures('', tables)).toThrow('README.md lacks the sentence');
});

test('its table of comparison is a part of the one in docs/comparison.md', () => {
  const rows = (text: string): string[] => text.split('\n').filter((line) => /^\| .*[●◐–]/.test(line));
  const all = rows(fs.readFileSync('docs/comparison.md', 'utf8'));
  const own = rows(readme.split('## Compared')[1] ?? '');
  expect(own.length).toBeGreaterThan(5);
  expect(own.filter((row) => !all.some((line) => line.startsWith(row)))).toEqual([]);
});
