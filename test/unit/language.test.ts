/** Comments and test names name their subject, as DESIGN §6 asks for: no headless clauses, no pronoun without a noun. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect, test } from 'vitest';

const headless = 'What|Who|Whom|Whose|Whoever|Whatever|One|Nor|Nobody|Nothing|Else|Least';

const rules = [
  ['a comment', new RegExp(`^\\s*(?://|/\\*\\*|\\*) (?:${headless}) [a-z]`)],
  [
    'a test name',
    new RegExp(
      `\\b(?:test|describe)(?:\\.\\w+)?(?:\\(.*\\))?\\(\\s*['"\`](?:${headless.replace('|Whose', '')}|It) `,
      'i',
    ),
  ],
] as const;

const files = execFileSync('git', ['ls-files', 'src', 'test', 'bench', 'scripts'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => /\.[cm]?[jt]s$/.test(file));

test.each(rules)('%s begins with its subject', (_, pattern) => {
  const found = files.flatMap((file) =>
    fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});
