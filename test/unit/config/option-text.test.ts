import fs from 'node:fs';
import { expect, test } from 'vitest';
import { optionTables } from '../../../src/config/option-text.ts';
import { optionGroups, optionKeys } from '../../../src/config/options.ts';

test('the tables have one row for every key, each with as many cells as the head', () => {
  const lines = optionTables().split('\n');
  const rows = lines.filter((line) => line.startsWith('|'));
  const cells = (row: string): number => row.split(/(?<!\\)\|/).length;
  expect(new Set(rows.map(cells))).toEqual(new Set([cells(rows[0] ?? '')]));
  expect(rows.flatMap((row) => /^\|[^|]*\| `(\w+)` \|/.exec(row)?.[1] ?? [])).toStrictEqual(optionKeys);
  expect(lines.flatMap((line) => /^## (.*)/.exec(line)?.[1] ?? [])).toEqual(optionGroups);
});

test('docs/options.md contains the tables of options (npm run docs)', () => {
  const page = fs.readFileSync('docs/options.md', 'utf8');
  const tables = /<!-- options -->\n([\s\S]*?)\n<!-- \/options -->/.exec(page)?.[1];
  expect(tables?.trim()).toBe(optionTables());
});
