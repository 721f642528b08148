import { expect, test } from 'vitest';
import { foldFor, formatCommand, formatPath } from '../../../src/terminal/format.ts';

test.each([
  ['below the folder', '/shop/api/src/a.js', '/shop/api', 'src/a.js'],
  ['beside the folder, as a linked package', '/shop/shared/index.js', '/shop/api', '../shared/index.js'],
  ['above the folder', '/shop/.env', '/shop/api', '../.env'],
  ['far from the folder', '/etc/hosts', '/home/ann/shop/api', '/etc/hosts'],
  ['the folder itself', '/shop/api', '/shop/api', '/shop/api'],
])('a path is shown in its shortest form: %s', (_, file, folder, shown) => {
  expect(formatPath(file, folder)).toBe(shown);
});

test.each([
  ['node server.js', 'node server.js'],
  ['node -e \nconst a = 1;\nlisten()', 'node -e …'],
  ['sh -c a\r\nb', 'sh -c a …'],
  [`node ${'x'.repeat(90)}`, `node ${'x'.repeat(75)} …`],
])('of the command %j the beginning is shown', (command, text) => {
  expect(formatCommand(command)).toBe(text);
});

test.each([
  ['at a separator', 'watching src · 12 files in all', ['watching src', '· 12 files in all']],
  [
    'at a blank, if no separator is near the end',
    'a · this one has no separator',
    ['a · this one has no', 'separator'],
  ],
  ['by the width of wide characters', '文件已更改 文件已更改 a', ['文件已更改', '文件已更改 a']],
  ['but not in a word', `see ${'x'.repeat(30)} there`, ['see', 'x'.repeat(30), 'there']],
])('a line that is too long for a terminal is folded %s', (_, text, rows) => {
  expect(foldFor({ isTTY: true, columns: 30 }, text, 10).map((row) => row.trim())).toEqual(rows);
  expect(foldFor({ isTTY: false, columns: 30 }, text, 10)).toEqual([text]);
});
