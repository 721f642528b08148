/** The README is short, and what it claims stands in docs/benchmarks.md and docs/comparison.md. */

import fs from 'node:fs';
import { expect, test } from 'vitest';

const readme = fs.readFileSync('README.md', 'utf8');

test('the README has at most 220 lines', () => {
  expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(220);
});

/** A row of a table, by the heads of its columns. */
type Row = ReadonlyMap<string, string>;

/** Returns the rows of the first table in a part of docs/benchmarks.md that has this column, by their first cells. */
function rowsOf(mark: string, column: string): ReadonlyMap<string, Row> {
  const page = fs.readFileSync('docs/benchmarks.md', 'utf8');
  const [, part = ''] = new RegExp(`<!-- ${mark} -->\n([\\s\\S]*?)\n<!-- /${mark} -->`).exec(page) ?? [];
  const tables = part
    .trim()
    .split('\n\n')
    .map((table) => table.split('\n').map((line) => line.split('|').map((cell) => cell.trim())));
  const [head = [], , ...rows] = tables.find(([first]) => first?.includes(column)) ?? [];
  return new Map(rows.map((row) => [row[1] ?? '', new Map(row.map((cell, index) => [head[index] ?? '', cell]))]));
}

/** Returns the cell; empty if there is none. */
const cellOf = (mark: string, row: string, column: string): string => rowsOf(mark, column).get(row)?.get(column) ?? '';

/** Adds up the numbers in a cell: `1,546 / 5,000`. */
const sum = (cell: string): number =>
  cell.split('/').reduce((total, number) => total + Number(number.replaceAll(',', '')), 0);

test('its figures are those of the benchmarks', () => {
  const failed = (tool: string): number => sum(cellOf('hold', tool, 'refused')) + sum(cellOf('hold', tool, 'reset'));
  const requests = sum(cellOf('hold', 'devwatch', 'answered')) + failed('devwatch');
  const adversaries = [...rowsOf('tree', 'devwatch').values()];
  const survivorsOf = (tool: string): number => adversaries.filter((row) => sum(row.get(tool) ?? '0') > 0).length;
  const restart = (tool: string): string => cellOf('restart', tool, 'TypeScript, tsx');

  const count = (value: number): string => value.toLocaleString('en-US');
  const claims = [
    `${count(failed('devwatch'))} of ${count(requests)} requests failed; with nodemon, ${count(failed('nodemon'))} did`,
    `Of ${adversaries.length} programs that try to outlive a restart or the end of the tool, devwatch leaves nothing; nodemon and \`tsx watch\` leave processes of all ${adversaries.length}`,
    `first line ${restart('devwatch')} ms after the save; with nodemon ${restart('nodemon')} ms, with \`tsx watch\` ${restart('tsx watch')} ms`,
    `crashes answers again after ${cellOf('background', 'devwatch', 'after a crash, until it answers again')} ms`,
  ];
  expect(claims.filter((claim) => !readme.includes(claim))).toEqual([]);
  expect([survivorsOf('devwatch'), survivorsOf('nodemon'), survivorsOf('tsx watch')]).toEqual([
    0,
    adversaries.length,
    adversaries.length,
  ]);
});

test('its table of comparison is a part of the one in docs/comparison.md', () => {
  const rows = (text: string): string[] => text.split('\n').filter((line) => /^\| .*[●◐–]/.test(line));
  const all = rows(fs.readFileSync('docs/comparison.md', 'utf8'));
  const own = rows(readme);
  expect(own.length).toBeGreaterThan(5);
  expect(own.filter((row) => !all.some((line) => line.startsWith(row)))).toEqual([]);
});
