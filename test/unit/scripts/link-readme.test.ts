import { expect, test } from 'vitest';
import { absoluteLinks } from '../../../scripts/link-readme.ts';

const version = '1.2.3';
const text = '![a](docs/a.svg) [b](docs/b.md#c) [d](#d) [e](https://e.org/) [f](LICENSE)';

test.each([
  'github:me/devwatch',
  'me/devwatch',
  'https://github.com/me/devwatch',
  { url: 'git+https://github.com/me/devwatch.git' },
  { url: 'ssh://git@github.com/me/devwatch.git' },
])('relative links and pictures lead to the tag of the version in %j', (repository) => {
  expect(absoluteLinks(text, { version, repository })).toBe(
    '![a](https://raw.githubusercontent.com/me/devwatch/v1.2.3/docs/a.svg)' +
      ' [b](https://github.com/me/devwatch/blob/v1.2.3/docs/b.md#c) [d](#d) [e](https://e.org/)' +
      ' [f](https://github.com/me/devwatch/blob/v1.2.3/LICENSE)',
  );
});

test.each([
  ['without a repository', { version }],
  ['with a repository elsewhere', { version, repository: 'https://example.org/me/devwatch.git' }],
])('%s there are no absolute links', (_, manifest) => {
  expect(() => absoluteLinks(text, manifest)).toThrow('"repository" names no repository on GitHub');
});
