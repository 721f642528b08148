/** Decides by size, time and content whether an event of a file was a write. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Baseline, baselineOf, isWritten } from '../../../src/watch/written.ts';
import { createProject } from '../../support/project.ts';

const longAgo = new Date(Date.now() - 60_000);

describe('isWritten', () => {
  const before: Baseline = { mtimeMs: 1000, size: 1, fingerprint: undefined };
  const statsOf = (mtimeMs: number, size = 1) => Object.assign(new fs.Stats(), { mtimeMs, size });

  test.each([
    ['a file of which nothing is known', true, undefined, statsOf(1000)],
    ['a file that is gone', true, before, undefined],
    ['another size', true, before, statsOf(1000, 2)],
    ['a later time', true, before, statsOf(1001)],
    ['an earlier time of a file of unknown content', true, before, statsOf(999)],
    ['the same size and time', false, before, statsOf(1000)],
  ])('takes %s for a write: %s', (_, expected, known, stats) => {
    expect(isWritten('/a.js', known, stats, new Set())).toBe(expected);
  });

  test('takes a second event in one turn for a write when the content is unknown', () => {
    const suspects = new Set<string>();
    const isChanged = (): boolean => isWritten('/a.js', before, statsOf(1000), suspects);
    expect([isChanged(), isChanged()]).toEqual([false, true]);
    suspects.clear();
    expect(isChanged()).toBe(false);
  });

  test('compares the content of a file that was modified a moment ago', async () => {
    await using project = createProject({ 'a.js': '1' });
    const file = project.at('a.js');
    const stats = fs.statSync(file);
    const known = baselineOf(file, stats, true);
    const suspects = new Set<string>();
    expect([1, 2].map(() => isWritten(file, known, stats, suspects))).toEqual([false, false]);
    project.write('a.js', '2');
    expect(isWritten(file, known, stats, suspects)).toBe(true);
    // A copy gets the older time of its source last; its content does not change.
    project.write('a.js', '1');
    fs.utimesSync(file, longAgo, longAgo);
    expect(isWritten(file, known, fs.statSync(file), suspects)).toBe(false);
  });
});

describe('the baseline of a file', () => {
  test('has no content when it was modified long ago', async () => {
    await using project = createProject({ 'a.js': '1' });
    fs.utimesSync(project.at('a.js'), longAgo, longAgo);
    const stats = fs.statSync(project.at('a.js'));
    expect(baselineOf(project.at('a.js'), stats, true)).toEqual({
      mtimeMs: stats.mtimeMs,
      size: 1,
      fingerprint: undefined,
    });
  });

  test.each([
    ['may not be read', '1', false],
    ['is larger than 1 MB', 'x'.repeat(1_000_001), true],
  ])('is unknown when it was modified a moment ago and %s', async (_, content, readsContent) => {
    await using project = createProject({ 'a.js': content });
    const file = project.at('a.js');
    expect(baselineOf(file, fs.statSync(file), readsContent)).toBeUndefined();
  });
});
