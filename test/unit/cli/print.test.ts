import { describe, expect, test, vi } from 'vitest';
import { fail, hang, note, print, printJson, table } from '../../../src/cli/print.ts';

test('table aligns the columns, without blanks at the end of a line', () => {
  const rows = [
    ['name', 'state', 'port'],
    ['web', 'crashed (exit 1)', '–'],
    ['a-long-name', 'up', '3000'],
  ];
  expect(table(rows)).toEqual([
    'name         state             port',
    'web          crashed (exit 1)  –',
    'a-long-name  up                3000',
  ]);
});

test('a long text on a terminal is folded at blanks, below its beginning', () => {
  const { isTTY, columns } = process.stdout;
  Object.assign(process.stdout, { isTTY: true, columns: 30 });
  const lines = hang('  topic  ', 'a text that is too long for one row');
  Object.assign(process.stdout, { isTTY: false });
  const unfolded = hang('  topic  ', 'a text that is too long for one row');
  Object.assign(process.stdout, { isTTY, columns });
  expect(lines).toEqual(['  topic  a text that is too', '         long for one row']);
  expect(unfolded).toEqual(['  topic  a text that is too long for one row']);
});

describe('names that would command the terminal', () => {
  const name = 'a\n[devwatch] crashed\u001b[2J\u202e';
  const shown = 'a\\n[devwatch] crashed\\u001b[2J\\u202e';

  /** Returns what a function prints. */
  function printedBy(act: () => void): string {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const writeError = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      act();
      return [...write.mock.calls, ...writeError.mock.calls].map(([text]) => String(text)).join('');
    } finally {
      vi.restoreAllMocks();
    }
  }

  test('are shown with escapes in lines, messages and tables', () => {
    expect(printedBy(() => print(`${name}: x`, 'y'))).toBe(`${shown}: x\ny\n`);
    expect(printedBy(() => fail(name))).toBe(`devwatch: ${shown}\n`);
    expect(printedBy(() => note(name))).toBe(`${shown}\n`);
    expect(table([[name, 'x']])).toEqual([`${shown}  x`]);
  });

  test('leave JSON valid', () => {
    const json = printedBy(() => printJson({ name }, 2));
    expect(json).toContain('\\u202e');
    expect(JSON.parse(json)).toEqual({ name });
  });
});
