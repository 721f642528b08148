/**
 * Makes the links and pictures of README.md absolute, in place: `tsx scripts/link-readme.ts`. For the checkout from
 * which a release is packed: npm shows the README alone, and each version should show the pages of its own tag.
 */

import fs from 'node:fs';
import path from 'node:path';

interface Manifest {
  readonly version: string;
  readonly repository?: string | { readonly url?: string };
}

/** Matches a relative target of a Markdown link, or of a picture with `!` in front of it. */
const relativeLink = /(!?)(\[[^\]]*\]\()(?![a-z]+:|#|\/)([^)\s]+)(?=[)\s])/g;

/**
 * Returns the text with links to the tag of this version on GitHub.
 *
 * @throws Error if the manifest names no repository on GitHub
 */
export function absoluteLinks(text: string, { repository, version }: Manifest): string {
  const name = githubName(repository);
  const pages = `https://github.com/${name}/blob/v${version}`;
  const files = `https://raw.githubusercontent.com/${name}/v${version}`;
  return text.replaceAll(
    relativeLink,
    (_, mark: string, before: string, target: string) => `${mark}${before}${mark === '!' ? files : pages}/${target}`,
  );
}

/** Returns `owner/name` of a repository on GitHub. */
function githubName(repository: Manifest['repository']): string {
  const url = typeof repository === 'string' ? repository : (repository?.url ?? '');
  const form = /^(?:github:|(?:git\+)?(?:https|ssh):\/\/(?:git@)?github\.com\/)?([\w.-]+\/[\w.-]+?)(?:\.git)?$/;
  const [, name] = form.exec(url) ?? [];
  if (name === undefined) throw new Error('package.json: "repository" names no repository on GitHub');
  return name;
}

if (process.argv[1] === import.meta.filename) {
  const read = (file: string): string => fs.readFileSync(file, 'utf8');
  process.chdir(path.resolve(import.meta.dirname, '..'));
  fs.writeFileSync('README.md', absoluteLinks(read('README.md'), JSON.parse(read('package.json')) as Manifest));
}
