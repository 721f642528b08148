/** The habits of the project that a program can check: the package, the workflows, the changelog. */

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { steps } from '../../scripts/check.mjs';
import { checkRelease } from '../../scripts/check-release.mjs';

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix: { readonly node?: readonly (string | number)[] } };
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
}

interface Workflow {
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));
const changelog = fs.readFileSync('CHANGELOG.md', 'utf8');

const workflowFiles = fs.readdirSync('.github/workflows').map((name) => path.join('.github/workflows', name));
const workflows = workflowFiles.map((file): readonly [string, Workflow] => [
  file,
  parse(fs.readFileSync(file, 'utf8')),
]);
const jobs = workflows.flatMap(([file, workflow]) =>
  Object.entries(workflow.jobs).map(([name, job]): readonly [string, Job] => [`${file}: ${name}`, job]),
);

/** Returns the names of steps of scripts/check.mjs that shell lines select; all if they name none. */
const checkedBy = (lines: readonly (string | undefined)[]): readonly string[] =>
  lines.flatMap((line = '') => {
    const [, words] = /^(?:npm run check(?: --)?|\.ci\/run)((?: \w+)*)$/m.exec(line) ?? [];
    if (words === undefined) return [];
    return words === '' ? [...steps.keys()] : words.trim().split(' ');
  });

describe('the package', () => {
  // `npm install` in a clone runs `postprepare`, also in the clone that it makes of a git dependency.
  test('runs nothing when it is installed', () => {
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare'];
    expect(Object.keys(manifest.scripts).filter((name) => atInstall.includes(name))).toEqual([]);
  });

  test.each(['start', 'dev', 'test', 'test:unit', 'test:e2e', 'coverage', 'pack'])(
    '`npm run %s` builds first, as a fresh clone needs it',
    (name) => {
      const { [name]: own = '', [`pre${name}`]: before = '' } = manifest.scripts;
      expect(`${before} && ${own}`).toContain('npm run build && ');
    },
  );

  test('has no download addresses in its lock files', () => {
    for (const file of [
      'package-lock.json',
      'bench/peers/package-lock.json',
      'test/nodes/package-lock.json',
      'test/platforms/wine/package-lock.json',
    ]) {
      expect(fs.readFileSync(file, 'utf8')).not.toMatch(/"resolved": "http/);
    }
  });
});

describe.each(workflows)('%s', (file, { permissions, concurrency }) => {
  test('may only read unless a job says otherwise, and runs once at a time', () => {
    expect(permissions).toEqual({ contents: 'read' });
    expect(concurrency).toHaveProperty('group');
  });

  test('names each action by a commit, and its version in a comment', () => {
    const actions = fs.readFileSync(file, 'utf8').match(/uses: .*/g) ?? [];
    expect(actions.length).toBeGreaterThan(0);
    for (const action of actions) expect(action).toMatch(/^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('runs scripts that exist', () => {
    const names = [...fs.readFileSync(file, 'utf8').matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name);
    expect(names.filter((name) => name === undefined || !(name in manifest.scripts))).toEqual([]);
  });
});

test.each(jobs)('%s has a time limit and selects existing steps', (_, job) => {
  expect(job['timeout-minutes']).toBeGreaterThan(0);
  expect(checkedBy(job.steps.map(({ run }) => run)).filter((name) => !steps.has(name))).toEqual([]);
});

test.each(jobs.filter(([, { strategy }]) => strategy !== undefined))(
  '%s tests the oldest Node that package.json promises, and three later ones',
  (_, { strategy }) => {
    const [oldest, ...later] = strategy?.matrix.node ?? [];
    expect(manifest.engines.node).toBe(`>=${oldest}`);
    expect(later).toEqual([22, 24, 26]);
  },
);

test('the jobs of ci.yml run every step of `npm run check`', () => {
  const [, ci] = workflows.find(([file]) => file.endsWith('/ci.yml')) ?? [];
  const lines = Object.values(ci?.jobs ?? {}).flatMap((job) => job.steps.map(({ run }) => run));
  expect(new Set(checkedBy(lines))).toEqual(new Set(steps.keys()));
});

test('the other files for GitHub are YAML', () => {
  const files = fs
    .readdirSync('.github', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yml'));
  expect(files.length).toBeGreaterThan(workflows.length);
  for (const name of files)
    expect(parse(fs.readFileSync(path.join('.github', name), 'utf8')), name).toBeTypeOf('object');
});

test('.ci/run runs `npm run check` after a clean install', () => {
  expect(fs.readFileSync('.ci/run', 'utf8')).toMatch(/^npm ci\nexec npm run check -- "\$@"\n$/m);
});

describe('the changelog', () => {
  test('has the headings of Keep a Changelog', () => {
    const headings = [...changelog.matchAll(/^##+ .*$/gm)].map(([heading]) => heading);
    const version = /^## \[(Unreleased|\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)\]?$/;
    const section = /^### (Added|Changed|Deprecated|Removed|Fixed|Security)$/;
    expect(headings[0]).toBe('## [Unreleased]');
    expect(headings.filter((heading) => !version.test(heading) && !section.test(heading))).toEqual([]);
  });

  test('has one line for each change', () => {
    const entries = changelog.slice(changelog.indexOf('\n## ')).split('\n');
    expect(entries.filter((line) => line !== '' && !/^#|^- \S.*[.)]$/.test(line))).toEqual([]);
  });
});

describe('a release', () => {
  const links = { repository: 'r', bugs: 'b', homepage: 'h' };
  const dated =
    '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n### Fixed\n\n- A bug.\n\n## [1.2.2] - 2026-11-01\n';

  test('has the notes of its version', () => {
    expect(checkRelease('v1.2.3', { version: '1.2.3', ...links }, dated)).toEqual({
      notes: '### Fixed\n\n- A bug.',
      problems: [],
    });
  });

  test.each([
    ['v1.2.3', { bugs: 'b', homepage: 'h' }, dated, 'no "repository"'],
    ['v1.2.4', links, dated, 'the tag is v1.2.4'],
    ['v1.2.3', links, dated.replace('[Unreleased]\n', '[Unreleased]\n\n- A change.\n'), 'entries under Unreleased'],
    ['v1.2.3', links, dated.replace(' - 2026-12-01', ''), 'no date'],
    ['v1.2.3', links, '# Changelog\n', 'no section [1.2.3]'],
  ])('is refused: %s %j', (tag, fields, text, problem) => {
    const { problems } = checkRelease(tag, { version: '1.2.3', ...fields }, text);
    expect(problems.join('\n')).toContain(problem);
    expect(problems).toHaveLength(1);
  });
});
