/** Patterns and names for which a regular expression would compute for hours. That a test ends is what it shows. */

import { expect, test } from 'vitest';
import { Filter } from '../../../src/watch/filter.ts';
import { readGitIgnores } from '../../../src/watch/gitignore.ts';
import { createProject } from '../../support/project.ts';

const base = '/app';
const long = 'a'.repeat(200);

test.each(['*a*a*a*a*a*a*a*a*b', '*(*a*|a*)b', '{a*,*a}{a*,*a}{a*,*a}{a*,*a}{a*,*a}{a*,*a}b'])(
  '%s is given up, is reported, and matches nothing from then on',
  (pattern) => {
    const given: string[] = [];
    const filter = new Filter({
      watch: { patterns: [pattern, 'src'], base },
      ignore: { patterns: [], base },
      extensions: null,
      onGiveUp: (text) => given.push(text),
    });
    for (let index = 0; given.length === 0; index += 1) filter.accepts(`${base}/${long}${index}`);
    expect(filter.accepts(`${base}/${long}b`)).toBe(false);
    expect(filter.accepts(`${base}/src/x`)).toBe(true);
    expect(given).toEqual([pattern]);
  },
);

test.each([
  ['*a*a*a*b', `${long}b`, true],
  ['*-*-*-*-*.js', '2020-01-01-a-b-c-d-e-f-g-h-i-j-k-l-m-n.js', true],
  ['*(a|b)c', `${'ab'.repeat(40)}c`, true],
  ['*(a|b)c', `${'ab'.repeat(40)}d`, false],
])('%s, which may take long, still decides on %s', (pattern, name, expected) => {
  const filter = new Filter({
    watch: { patterns: [pattern], base },
    ignore: { patterns: [], base },
    extensions: null,
    onGiveUp: () => expect.unreachable(),
  });
  expect(filter.accepts(`${base}/${name}`)).toBe(expected);
});

test('the rules of git are given up in deep folders, and are still applied elsewhere', async () => {
  const rule = `${'**/a/'.repeat(8)}**/b`;
  await using project = createProject({ '.gitignore': `${rule}\n*.log\n` });
  let givenUp = 0;
  const gitIgnores = readGitIgnores(project.path, () => {
    givenUp += 1;
  });
  for (let index = 0; givenUp === 0; index += 1) gitIgnores(project.at(`${'a/'.repeat(80)}${index}`), false);
  expect(gitIgnores(project.at('a/b/x.log'), false)).toContain('*.log');
  expect(givenUp).toBe(1);
});
