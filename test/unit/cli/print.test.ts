import { expect, test } from 'vitest';
import { table } from '../../../src/cli/print.ts';

test('table aligns the columns, without blanks at the end of a line', () => {
  const rows = [
    ['name', 'state', 'port'],
    ['web', 'crashed (exit 1)', '–'],
    ['a-long-name', 'up', '3000'],
  ];
  expect(table(rows)).toBe(
    [
      'name         state             port',
      'web          crashed (exit 1)  –',
      'a-long-name  up                3000',
    ].join('\n'),
  );
});
