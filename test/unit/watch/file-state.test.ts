/** A write is told from a change of attributes by what the disk says alone. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { isAnother, stateOf, withAttributes } from '../../../src/watch/file-state.ts';
import { createProject } from '../../support/project.ts';

const old = { mtimeMs: 1000, ctimeMs: 1000, size: 1, ino: 1, mode: 0o644, uid: 1, nlink: 1 };

/** `content`: the content is known, as of a file that was just written. */
test.each<[string, object, 'content' | 'times', boolean]>([
  ['nothing', {}, 'times', false],
  ['another time', { mtimeMs: 2000, ctimeMs: 2000 }, 'times', true],
  ['another time with the same content', { mtimeMs: 2000, ctimeMs: 2000 }, 'content', true],
  ['another size', { size: 2 }, 'times', true],
  ['its mode', { mode: 0o755, ctimeMs: 2000 }, 'times', false],
  ['its owner', { uid: 2, ctimeMs: 2000 }, 'times', false],
  ['its number of links', { nlink: 2, ctimeMs: 2000 }, 'times', false],
  ['the time of its attributes alone', { ctimeMs: 2000 }, 'times', true],
  ['the time of its attributes alone, with the same content', { ctimeMs: 2000 }, 'content', false],
  ['another file of the same time and size', { ino: 2, ctimeMs: 2000, mode: 0o755 }, 'times', true],
  ['its number alone, which the file system invents', { ino: 2 }, 'times', false],
])('a file of which %s differs is another: %#', async (_, changes, known, expected) => {
  await using project = createProject({ 'a.js': '1' });
  const stats = Object.assign(fs.statSync(project.at('a.js')), old);
  const state = stateOf(project.at('a.js'), stats, known === 'content' ? Number.POSITIVE_INFINITY : 0);
  expect(isAnother(project.at('a.js'), state, Object.assign(stats, changes))).toBe(expected);
});

test('a second write that leaves the same time and size behind is found by its content', async () => {
  await using project = createProject({ 'a.js': '1' });
  const stats = fs.statSync(project.at('a.js'));
  const state = stateOf(project.at('a.js'), stats, 2000);
  project.write('a.js', '2');
  expect(isAnother(project.at('a.js'), state, stats)).toBe(true);
  expect(isAnother(project.at('a.js'), withAttributes(state, stats), stats)).toBe(true);
});
