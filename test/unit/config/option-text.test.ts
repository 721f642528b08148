import fs from 'node:fs';
import { expect, test } from 'vitest';
import { markdownTable } from '../../../src/config/option-text.ts';
import { optionKeys } from '../../../src/config/options.ts';

test('the table has one row for every key, each with as many cells as the head', () => {
  const [head = '', rule = '', ...rows] = markdownTable().split('\n');
  const cells = (row: string): number => row.split(/(?<!\\)\|/).length;
  expect([...rows, rule].map(cells)).toStrictEqual([...rows, rule].map(() => cells(head)));
  expect(rows.map((row) => /^\|[^|]*\| `(\w+)` \|/.exec(row)?.[1])).toStrictEqual(optionKeys);
});

test('docs/options.md contains the table of options (npm run docs)', () => {
  const page = fs.readFileSync('docs/options.md', 'utf8');
  const table = /<!-- options -->\n([\s\S]*?)\n<!-- \/options -->/.exec(page)?.[1];
  expect(table?.trim()).toBe(markdownTable());
});
