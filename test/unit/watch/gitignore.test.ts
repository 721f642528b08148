/** Compares the filter with git itself. */

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Filter } from '../../../src/watch/filter.ts';
import { gitIgnoreFilesAbove, readGitIgnores } from '../../../src/watch/gitignore.ts';
import { isExhaustive } from '../../support/exhaustive.ts';
import { createWorktrees } from '../../support/git.ts';
import { createProject, type Project } from '../../support/project.ts';

/** Hides the rules of the user who runs the tests. */
const plain = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', XDG_CONFIG_HOME: '/nowhere' };

const hasGit = spawnSync('git', ['--version']).status === 0;

function git(project: Project, args: readonly string[], input = ''): string {
  return spawnSync('git', args, { cwd: project.path, env: plain, input, encoding: 'utf8' }).stdout;
}

/** Returns those of these files that git ignores. */
function ignoredByGit(project: Project, files: readonly string[]): string[] {
  const listed = git(project, ['check-ignore', '--no-index', '--stdin', '-z'], files.join('\0'));
  return listed.split('\0').filter((file) => file !== '');
}

function filterOf(project: Project, watch: readonly string[] = ['.']) {
  return new Filter({
    watch: { patterns: watch, base: project.path },
    ignore: { patterns: [], base: project.path },
    extensions: null,
    gitIgnores: readGitIgnores(project.path),
  });
}

const name = fc.constantFrom('a', 'b', 'src', 'x.js', 'y.log', 'z.gen.js');
const file = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const rule = fc.oneof(
  name,
  file,
  fc.constantFrom(
    '*.js',
    '*.log',
    '/a',
    'a/',
    '/src/',
    'src/*',
    '**/b',
    'a/**',
    'a/**/b',
    '!x.js',
    '!src/',
    '!*.log',
    '#no',
    '',
    '[ab]',
    '?.js',
  ),
  file.map((text) => `!${text}`),
  file.map((text) => `/${text}`),
);
const rules = fc.array(rule, { maxLength: 5 }).map((lines) => lines.join('\n'));

test.runIf(hasGit)('the filter reads nested .gitignore files and .git/info/exclude as git does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(file, { minLength: 1, maxLength: 12 }),
      rules,
      fc.dictionary(fc.constantFrom('a', 'src', 'a/b', 'src/a'), rules, { maxKeys: 3 }),
      rules,
      async (wanted, top, nested, exclude) => {
        await using project = createProject();
        git(project, ['init', '--quiet']);
        project.write('.git/info/exclude', exclude);
        // Some names are a file in one case and a folder in another.
        const write = (name: string, text: string): boolean => {
          try {
            project.write(name, text);
            return true;
          } catch {
            return false;
          }
        };
        const written = wanted.filter((name) => write(name, ''));
        write('.gitignore', top);
        for (const [folder, text] of Object.entries(nested)) write(`${folder}/.gitignore`, text);
        const filter = filterOf(project);
        const passedOver = written.filter((name) => filter.explain(project.at(name)).watched === false);
        expect(passedOver.sort()).toEqual(ignoredByGit(project, written).sort());
        // Every folder that contains a relevant file is entered.
        for (const name of written.filter((name) => !passedOver.includes(name))) {
          for (let folder = path.dirname(name); folder !== '.'; folder = path.dirname(folder)) {
            expect(filter.mayContain(project.at(folder)), folder).toBe(true);
          }
        }
      },
    ),
    { numRuns: isExhaustive ? 60 : 15 },
  );
});

test('a verdict holds the rule of git and its file', async () => {
  await using project = createProject({ 'src/.gitignore': 'gen/', 'src/gen/a.js': '' });
  expect(filterOf(project).explain(project.at('src/gen/a.js'))).toEqual({
    watched: false,
    reason: 'gitignored',
    pattern: `gen/ (${project.at('src/.gitignore')})`,
  });
  expect(filterOf(project).mayContain(project.at('src/gen'))).toBe(false);
});

test.runIf(hasGit)('a linked worktree has the .git/info/exclude of its repository', async () => {
  await using project = createWorktrees();
  project.write('main/.git/info/exclude', 'secret.js');
  const gitIgnores = readGitIgnores(project.at('linked/api'));
  expect(gitIgnores(project.at('linked/api/secret.js'), false)).toContain('info/exclude');
});

test('rules end at the drive of Windows: those of the working folder do not count elsewhere', () => {
  const gitIgnores = readGitIgnores('C:/project');
  expect(gitIgnores('D:/outside/dist', true)).toBeUndefined();
  expect(gitIgnores('D:/dist', true)).toBeUndefined();
});

test('a pattern that names a folder ignored by git watches it', async () => {
  await using project = createProject({ '.gitignore': 'gen\n*.tmp.js', 'gen/a.js': '', 'gen/x/b.js': '' });
  const filter = filterOf(project, ['.', 'gen']);
  expect(filter.accepts(project.at('gen/a.js'))).toBe(true);
  expect(filter.accepts(project.at('gen/x/b.js'))).toBe(true);
  expect(filter.accepts(project.at('c.tmp.js'))).toBe(false);
});

test('a pattern that names a file ignored by git watches it', async () => {
  await using project = createProject({ '.gitignore': '.env', '.env': '' });
  expect(filterOf(project, ['.']).accepts(project.at('.env'))).toBe(false);
  expect(filterOf(project, ['.env']).accepts(project.at('.env'))).toBe(true);
});

test('a negated ignore pattern lifts a rule of git', async () => {
  await using project = createProject({ '.gitignore': 'gen', 'gen/a.js': '', 'gen/b.js': '' });
  const filter = new Filter({
    watch: { patterns: ['.'], base: project.path },
    ignore: { patterns: ['!gen'], base: project.path },
    extensions: null,
    gitIgnores: readGitIgnores(project.path),
  });
  expect(filter.accepts(project.at('gen/a.js'))).toBe(true);
  expect(filter.mayContain(project.at('gen'))).toBe(true);
});

test('gitIgnoreFilesAbove finds the .gitignore files up to the repository', async () => {
  await using project = createProject({ '.git/HEAD': '', 'packages/web/a.js': '' });
  expect(gitIgnoreFilesAbove(project.at('packages/web'))).toEqual([
    project.at('packages/.gitignore'),
    project.at('.gitignore'),
  ]);
});

test('the filter applies rules above the watched folder up to the repository, and not beyond', async () => {
  await using project = createProject({
    '.gitignore': '*.js',
    'inner/.git/HEAD': '',
    'inner/.gitignore': '*.log',
    'inner/packages/web/a.js': '',
  });
  const filter = new Filter({
    watch: { patterns: ['.'], base: project.at('inner/packages/web') },
    ignore: { patterns: [], base: project.at('inner/packages/web') },
    extensions: null,
    gitIgnores: readGitIgnores(project.at('inner/packages/web')),
  });
  expect(filter.accepts(project.at('inner/packages/web/a.js'))).toBe(true);
  expect(filter.accepts(project.at('inner/packages/web/a.log'))).toBe(false);
});
