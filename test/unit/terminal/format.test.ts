import { expect, test } from 'vitest';
import { formatCommand, formatPath } from '../../../src/terminal/format.ts';

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
