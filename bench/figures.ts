/**
 * The figures of docs/benchmarks.md that other documents repeat: sentences with places for figures, and a table.
 * `npm run docs` and each benchmark with `--write` bring them up to date; test/unit/docs/readme.test.ts compares them.
 */

import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');

/** A row of a table, by the heads of its columns. */
type Row = ReadonlyMap<string, string>;

/** The tables of docs/benchmarks.md. */
export class Tables {
  readonly #page: string;

  constructor(page: string) {
    this.#page = page;
  }

  /** Returns what a benchmark has written. */
  part(mark: string): string {
    const [, part = ''] = new RegExp(`<!-- ${mark} -->\n([\\s\\S]*?)\n<!-- /${mark} -->`).exec(this.#page) ?? [];
    return part.trim();
  }

  /** Returns the rows of the first table in a part that has this column, by their first cells. */
  rows(mark: string, column: string): ReadonlyMap<string, Row> {
    const tables = this.part(mark)
      .split('\n\n')
      .map((table) => table.split('\n').map((line) => line.split('|').map((cell) => cell.trim())));
    const [head = [], , ...rows] = tables.find(([first]) => first?.includes(column)) ?? [];
    return new Map(rows.map((row) => [row[1] ?? '', new Map(row.map((cell, index) => [head[index] ?? '', cell]))]));
  }

  /** Returns a cell; empty if there is none. */
  cell(mark: string, row: string, column: string): string {
    return this.rows(mark, column).get(row)?.get(column) ?? '';
  }
}

/** Adds up the numbers in a cell: `1,546 / 5,000`. */
const sum = (cell: string): number =>
  cell.split('/').reduce((total, number) => total + Number(number.replaceAll(',', '')), 0);

const count = (value: number): string => value.toLocaleString('en-US');

/** Returns the programs that try to outlive their end, and of how many of them a tool leaves processes. */
export function survivors(tables: Tables): {
  readonly programs: number;
  readonly leftBy: (tool: string) => number;
} {
  const rows = [...tables.rows('tree', 'devwatch').values()];
  return { programs: rows.length, leftBy: (tool) => rows.filter((row) => sum(row.get(tool) ?? '0') > 0).length };
}

/** The sentences. A `{name}` stands for a figure; none may be empty. */
const sentences = [
  'An Express server with 1,800 modules listens again {express} ms after the save; a cold start takes {expressCold} ms, nodemon {expressNodemon} ms',
  '{failed} of {requests} requests failed; with nodemon, {failedNodemon} did',
  'Of {programs} programs that try to outlive a restart or the end of the tool, devwatch leaves nothing; nodemon and `tsx watch` leave processes of all {programs}',
  'crashes answers again after {crash} ms',
];

function figures(tables: Tables): Readonly<Record<string, string>> {
  const failed = (tool: string): number =>
    sum(tables.cell('hold', tool, 'refused')) + sum(tables.cell('hold', tool, 'reset'));
  const express = (tool: string): string => tables.cell('real', 'Express, 1,800 modules', tool);
  return {
    express: express('devwatch'),
    expressCold: express('cold start'),
    expressNodemon: express('nodemon'),
    failed: count(failed('devwatch')),
    requests: count(sum(tables.cell('hold', 'devwatch', 'answered')) + failed('devwatch')),
    failedNodemon: count(failed('nodemon')),
    programs: count(survivors(tables).programs),
    crash: tables.cell('background', 'devwatch', 'after a crash, until it answers again'),
  };
}

/** Returns a README whose figures are those of the tables. @throws Error if it lacks a sentence or the table */
export function withFigures(readme: string, tables: Tables): string {
  const known = figures(tables);
  const written = sentences.reduce((text, sentence) => {
    const parts = sentence.split(/\{(\w+)\}/);
    const pattern = new RegExp(parts.map((part, at) => (at % 2 === 0 ? escaped(part) : '\\d+(?:[.,]\\d+)*')).join(''));
    if (!pattern.test(text)) throw new Error(`README.md lacks the sentence "${sentence}"`);
    return text.replace(pattern, () => parts.map((part, at) => (at % 2 === 0 ? part : figure(known, part))).join(''));
  }, readme);
  const [table = ''] = tables.part('real').split('\n\n');
  const place = /(<!-- real -->\n)[\s\S]*?(\n<!-- \/real -->)/;
  if (!place.test(written)) throw new Error('README.md lacks <!-- real --> … <!-- /real -->');
  return written.replace(place, (_all, begin, end) => `${begin}\n${table}\n${end}`);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

function figure(known: Readonly<Record<string, string>>, name: string): string {
  const value = known[name];
  if (value === undefined || !/^\d/.test(value))
    throw new Error(`docs/benchmarks.md lacks the figure "${name}" of README.md`);
  return value;
}

/** Brings the figures in README.md up to date. */
export function updateFigures(): void {
  const readme = path.join(root, 'README.md');
  const tables = new Tables(fs.readFileSync(path.join(root, 'docs/benchmarks.md'), 'utf8'));
  const before = fs.readFileSync(readme, 'utf8');
  const after = withFigures(before, tables);
  if (after !== before) fs.writeFileSync(readme, after);
}
