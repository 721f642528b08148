// Checks that the commit can be released as the version that a tag names, and prints the changelog of that version:
// node scripts/check-release.mjs v1.2.3. The release workflow runs it; see "Releases" in CONTRIBUTING.md.
import fs from 'node:fs';

/** Returns the changelog of a version, and the reasons why it cannot be released. */
export function checkRelease(tag, manifest, changelog) {
  const { version } = manifest;
  const problems = ['repository', 'bugs', 'homepage']
    .filter((key) => manifest[key] === undefined)
    .map((key) => `package.json has no "${key}"`);
  if (tag !== `v${version}`) problems.push(`the tag is ${tag}, but package.json has version ${version}`);
  const sections = changelog.split(/^## /m).slice(1);
  if (sections.some((section) => /^\[Unreleased\]\n\s*\S/.test(section))) {
    problems.push(`CHANGELOG.md has entries under Unreleased: move them under [${version}]`);
  }
  const [title, ...lines] = sections.find((section) => section.startsWith(`[${version}]`))?.split('\n') ?? [];
  if (title === undefined) problems.push(`CHANGELOG.md has no section [${version}]`);
  else if (!/^\S+ - \d{4}-\d\d-\d\d$/.test(title)) problems.push(`CHANGELOG.md: [${version}] has no date`);
  return { notes: lines.join('\n').trim(), problems };
}

if (process.argv[1] === import.meta.filename) {
  const read = (file) => fs.readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  const { notes, problems } = checkRelease(
    process.argv[2] ?? '',
    JSON.parse(read('package.json')),
    read('CHANGELOG.md'),
  );
  for (const problem of problems) console.error(`check-release: ${problem}`);
  if (problems.length > 0) process.exit(1);
  console.log(notes);
}
