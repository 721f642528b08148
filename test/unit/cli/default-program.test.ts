import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultProgram } from '../../../src/cli/default-program.ts';
import { createProject } from '../../support/project.ts';

type Files = Readonly<Record<string, string>>;

const manifest = (fields: object): Files => ({ 'package.json': JSON.stringify(fields) });
const start = (line: string, main?: string): Files => manifest({ main, scripts: { start: line } });

test.each<[what: string, files: Files, words: readonly string[]]>([
  ['main', { ...manifest({ main: 'lib/a.js' }), 'lib/a.js': '', 'index.js': '' }, ['lib/a.js']],
  ['main without its extension', { ...manifest({ main: 'lib/a' }), 'lib/a.js': '' }, ['lib/a']],
  ['main in TypeScript', { ...manifest({ main: 'src/a' }), 'src/a.ts': '' }, ['src/a.ts']],
  ['main before the start script', { ...start('node b.js', 'a.js'), 'a.js': '' }, ['a.js']],
  ['the start script', { ...start('node ./bin/www 80'), 'index.js': '' }, ['node', './bin/www', '80']],
  ['the start script if main is missing', start('node b.js', 'dist/a.js'), ['node', 'b.js']],
  ['the start script with variables', start('A=b C="d e" node b.js'), ['env', 'A=b', 'C=d e', 'node', 'b.js']],
  ['the start script by cross-env', start('cross-env A=b tsx src/a.ts'), ['cross-env', 'A=b', 'tsx', 'src/a.ts']],
  ['the index instead of a start script for a shell', { ...start('tsc && node a.js'), 'index.js': '' }, ['index.js']],
  ['the index instead of another command', { ...start('next start'), 'index.js': '' }, ['index.js']],
  ['the index instead of a command behind another one', { ...start('nice node a.js'), 'index.js': '' }, ['index.js']],
  ['an index in TypeScript', { 'index.ts': '' }, ['index.ts']],
  ['a main that has not been built yet', manifest({ main: 'dist/index.js' }), ['dist/index.js']],
  ['nothing', { 'readme.md': '' }, []],
])('a folder runs %s', async (_, files, words) => {
  await using project = createProject(files);
  expect(defaultProgram(project.path)).toEqual(words);
});

describe.runIf(process.geteuid?.() === 0)('a folder in which everybody can create files', () => {
  const other = 65_534;

  test.each<[string, Files, string]>([
    ['package.json', manifest({ main: 'a.js' }), 'package.json'],
    ['package.json with a start script', start('node b.js'), 'package.json'],
    ['index.js', { 'index.js': '' }, 'index.js'],
  ])('does not run what %s of another user says', async (_, files, foreign) => {
    await using project = createProject({ 'a.js': '', ...files });
    fs.chownSync(project.at(foreign), other, other);
    fs.chmodSync(project.path, 0o1777);
    expect(() => defaultProgram(project.path)).toThrow(/belongs to another user \(uid 65534\) and contains commands/);
    expect(defaultProgram(project.path, true)).not.toEqual([]);
  });

  test('runs what files of this user say, whatever their mode, as in a container with umask 000', async () => {
    await using project = createProject({ ...manifest({ main: 'a.js' }), 'a.js': '' });
    fs.chmodSync(project.at('package.json'), 0o666);
    fs.chmodSync(project.path, 0o777);
    expect(defaultProgram(project.path)).toEqual(['a.js']);
  });
});
