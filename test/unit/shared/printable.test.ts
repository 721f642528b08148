import { describe, expect, test } from 'vitest';
import { printable, printableJson } from '../../../src/shared/printable.ts';

const rows: readonly (readonly [string, string, string])[] = [
  ['an OSC sequence', 'b\u001b]0;title\u0007a.js', 'b\\u001b]0;title\\u0007a.js'],
  ['a sequence that clears the screen', '\u001b[2J\u001b[H', '\\u001b[2J\\u001b[H'],
  ['a forged line', 'a\n[devwatch] crashed\r\n', 'a\\n[devwatch] crashed\\r\\n'],
  ['C1 controls', '\u009b2J\u009d0;title\u009c\u0085', '\\u009b2J\\u009d0;title\\u009c\\u0085'],
  ['a deletion', 'a\b\u007fb', 'a\\u0008\\u007fb'],
  ['marks of direction', 'a\u202egnp.js\u2066\u061c\u200f', 'a\\u202egnp.js\\u2066\\u061c\\u200f'],
  ['separators of lines', 'a\u2028b\u2029c\td', 'a\\u2028b\\u2029c\\td'],
  ['half a surrogate pair', 'a\ud800b', 'a\\ud800b'],
];

describe('printable', () => {
  test.each(rows)('escapes %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test('leaves all other text as it is', () => {
    const text = 'src/übung-中文-👩‍💻-می‌خواهم.js · C:\\x · "quoted"';
    expect(printable(text)).toBe(text);
  });
});

describe('printableJson', () => {
  test.each(rows)('escapes %s, and means the same', (_, text) => {
    const value = { [text]: [text, 1] };
    for (const indent of [undefined, 2]) {
      const json = printableJson(value, indent);
      expect(JSON.parse(json)).toEqual(value);
      expect(json.replaceAll('\n', '')).toBe(printable(json.replaceAll('\n', '')));
    }
  });
});
