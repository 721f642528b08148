import { expect, test } from 'vitest';
import { nearestScript } from '../../../../src/process/launch/search.ts';
import { createHost } from '../../../support/host.ts';

const host = createHost({
  'server.js': '',
  'a.js': '',
  'worker1.js': '',
  'index.d.ts': '',
  'main.ts': '',
  'notes.md': '',
  'bin/www': '',
  'src/index.js': '',
  'dist/api/main.js': '',
});

test.each([
  ['sever.js', 'server.js'],
  ['servr.js', 'server.js'],
  ['sever', 'server.js'],
  ['bin/wwww', 'bin/www'],
  ['server.mjs', 'server.js'],
  ['main.js', 'main.ts'],
  ['src/indx.js', 'src/index.js'],
  ['scr/index.js', 'src/index.js'],
  ['dst/api/main.js', 'dist/api/main.js'],
  // These are waited for.
  ['b.js', undefined],
  ['worker2.js', undefined],
  ['index.js', undefined],
  ['dist/index.js', undefined],
  ['build/index.js', undefined],
  ['no/such/folder/index.js', undefined],
  ['notes.js', undefined],
])('the script of whose name %s can be a slip is %s', (missing, near) => {
  expect(nearestScript(missing, '/app', host)).toBe(near);
});
