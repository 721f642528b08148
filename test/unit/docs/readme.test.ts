/** The README is short, and what it claims stands in docs/benchmarks.md and docs/comparison.md. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { survivors, Tables, withFigures } from '../../../bench/figures.ts';
import { reportReal } from '../../../bench/restart-report.ts';
import { tools, workloads } from '../../../bench/restart-tools.ts';

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

test('its figures follow what the benchmark writes', () => {
  const restarts = new Map(
    workloads.map((workload) => [
      workload,
      new Map(Object.values(tools).map((tool) => [tool, 1000 + tool.name.length])),
    ]),
  );
  const none = { preparations: new Map(), quick: new Map(), launches: new Map(), costs: new Map() };
  const page = fs.readFileSync('docs/benchmarks.md', 'utf8');
  const written = page.replace(tables.part('real'), () => reportReal({ restarts, ...none }, 'measured'));
  expect(withFigures(readme, new Tables(written))).toContain(
    '1,800 modules listens again 1008 ms after the save; a cold start takes 1010 ms, nodemon 1007 ms',
  );
});

test('a figure, or the place for it, may not be missing', () => {
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
