/** `devwatch explain`: what decided, and which option would change it. */

import fs from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { execute } from '../../../src/cli/explain.ts';
import { parseArgv, parsePaths } from '../../../src/config/argv.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { planRun } from '../../../src/run/command-plan.ts';
import { ProgramRecorder } from '../../../src/run/program-record.ts';
import { createProject, type Project } from '../../support/project.ts';

const emptyLine = parseArgv([]);
const cwd = process.cwd();

afterEach(() => {
  process.chdir(cwd);
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

interface Answer {
  readonly effect: string;
  readonly remedy?: string;
  readonly isMissing?: true;
  readonly isLoaded?: true;
  readonly pid?: number;
}

/** Runs the subcommand in a project; returns the lines on stdout and stderr. */
async function run(project: Project, ...words: readonly string[]) {
  process.chdir(project.path);
  vi.stubEnv('PWD', project.path);
  const lines = { stdout: [] as string[], stderr: [] as string[] };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      lines[name].push(...String(text).trimEnd().split('\n'));
      return true;
    });
  }
  const { line, paths } = parsePaths(emptyLine, words);
  await execute({ line, operands: paths, options: {} });
  vi.restoreAllMocks();
  return lines;
}

/** Explains one path for a command line. */
async function answer(project: Project, file: string, options: readonly string[]): Promise<Answer> {
  const { stdout } = await run(project, file, '--', '--log-format', 'json', ...options, 'server.js');
  return JSON.parse(stdout.join('')) as Answer;
}

const files = {
  'server.js': '',
  'package.json': '{}',
  'src/a.js': '',
  'src/a.test.js': '',
  'src/schema.graphql': '',
  'src/b.ts': '',
  Makefile: '',
  'dist/index.js': '',
  'node_modules/pkg/index.js': '',
  'node_modules/@scope/pkg/lib/index.js': '',
  '.gitignore': 'gen/\n*.local.js\n',
  'gen/client.js': '',
  'src/x.local.js': '',
};

/** The words of a remedy; it has only simple quotes. */
const wordsOf = (text: string): string[] => (text.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", ''));

describe('the flags that a remedy names change the effect', () => {
  test.each<[what: string, file: string, options: string[], remedy: string, follow?: string[]]>([
    ['a file that counts', 'src/a.js', [], '--ignore src/a.js leaves it out'],
    ['a folder that counts', 'src', [], '--ignore src leaves it out'],
    [
      'the same with patterns',
      'src/a.js',
      ['--ignore', '*.test.js'],
      "--ignore '*.test.js' --ignore src/a.js leaves it out",
    ],
    ['an ignored file', 'src/a.test.js', ['--ignore', '*.test.js'], "without --ignore '*.test.js' it counts", []],
    [
      'an excluded file',
      'src/a.js',
      ['--watch', '.', '--watch', '!src'],
      "without --watch '!src' it counts",
      ['--watch', '.'],
    ],
    ['another extension', 'src/schema.graphql', [], '--ext +graphql adds it'],
    ['a list of extensions', 'src/b.ts', ['--ext', 'js,sql'], '--ext js,sql,ts adds it'],
    ['further extensions', 'src/b.ts', ['--ext', '+sql'], '--ext +sql,+ts adds it'],
    ['a file without an extension', 'Makefile', [], '--watch . --watch Makefile adds it'],
    ['a folder ignored by default', 'dist/index.js', [], '--watch . --watch dist adds it'],
    ['a package', 'node_modules/pkg/index.js', [], '--watch . --watch node_modules/pkg adds it'],
    [
      'a scoped package',
      'node_modules/@scope/pkg/lib/index.js',
      [],
      "--watch . --watch 'node_modules/@scope/pkg' adds it",
    ],
    ['a folder that git ignores', 'gen/client.js', ['--gitignore'], '--watch . --watch gen adds it'],
    ['a file that git ignores', 'src/x.local.js', ['--gitignore'], '--watch . --watch src/x.local.js adds it'],
    ['a file elsewhere', '../far.js', [], '--watch . --watch ../far.js adds it'],
    ['a file of no pattern', 'src/a.js', ['--watch', 'lib'], '--watch lib --watch src/a.js adds it'],
    ['a file while nothing is watched', 'src/a.js', ['--no-watch'], 'without --no-watch it may count', []],
  ])('%s', async (_, file, options, remedy, follow) => {
    await using project = createProject(files);
    const before = await answer(project, file, options);
    expect(before.remedy).toBe(remedy);
    const kept = options.includes('--gitignore') ? ['--gitignore'] : [];
    const after = await answer(
      project,
      file,
      follow ?? [...kept, ...wordsOf(remedy.replace(/ (?:adds it|leaves it out)$/, ''))],
    );
    expect([before.effect, after.effect].toSorted()).toEqual(['none', 'restart']);
  });

  test('a file behind a link that is not followed', async () => {
    await using project = createProject({ 'server.js': '', 'build/a.js': '' });
    fs.mkdirSync(project.at('src'));
    fs.symlinkSync('../build', project.at('src/link'));
    const before = await answer(project, 'src/link/a.js', ['--no-follow']);
    expect(before).toMatchObject({ effect: 'none', remedy: 'without --no-follow it counts' });
    expect(await answer(project, 'src/link/a.js', [])).toMatchObject({ effect: 'restart' });
  });
});

describe('the key that a remedy names changes the effect, if a file sets it', () => {
  test.each<[what: string, file: string, settings: object, remedy: string, follow?: object]>([
    ['a file that counts', 'src/a.js', {}, '"ignore": ["src/a.js"] leaves it out'],
    [
      'an ignored file',
      'src/a.test.js',
      { ignore: '*.test.js' },
      'without *.test.js in "ignore" of .watchrc it counts',
      {},
    ],
    ['another extension', 'src/schema.graphql', {}, '"ext": ["+graphql"] adds it'],
    ['a list of extensions', 'src/b.ts', { ext: 'js' }, '"ext": ["js", "ts"] adds it'],
    ['a folder ignored by default', 'dist/index.js', { watch: 'src' }, '"watch": ["src", "dist/index.js"] adds it'],
    [
      'a file while nothing is watched',
      'src/a.js',
      { watch: [] },
      'without [] in "watch" of .watchrc it may count',
      {},
    ],
  ])('%s', async (_, file, settings, remedy, follow) => {
    await using project = createProject({ ...files, '.watchrc': JSON.stringify(settings) });
    const before = await answer(project, file, []);
    expect(before.remedy).toBe(remedy);
    const fixed = follow ?? { ...settings, ...JSON.parse(`{${remedy.replace(/ (?:adds it|leaves it out)$/, '')}}`) };
    project.write('.watchrc', JSON.stringify(fixed));
    const after = await answer(project, file, []);
    expect([before.effect, after.effect].toSorted()).toEqual(['none', 'restart']);
  });

  test('a flag wins over the file, and so the remedy is a flag', async () => {
    await using project = createProject({ ...files, '.watchrc': '{ "watch": ["lib"] }' });
    const { remedy } = await answer(project, 'dist/index.js', ['--watch', 'src']);
    expect(remedy).toBe('--watch src --watch dist/index.js adds it');
  });
});

test('no option is named for files that devwatch writes, and for those that only it reads', async () => {
  await using project = createProject({ 'server.js': '', '.watchrc': '{ "log": "out.js" }', 'out.js': '' });
  const { stdout } = await run(project, 'out.js', '.watchrc', '--', 'server.js');
  expect(stdout).toEqual([
    'out.js',
    '  is ignored · devwatch itself writes it',
    '.watchrc',
    '  is read again as settings · watch .watchrc',
    '  watched by inotify',
  ]);
});

test('the answer assumes a Node program where none is named, and says so', async () => {
  await using project = createProject({ 'a.js': '' });
  expect((await run(project, 'a.js')).stderr).toEqual([
    'devwatch: no program is named here; the answer is for a Node program · devwatch explain <path> -- <script>',
  ]);
});

test('explain tells what a change does that restarts nothing, and which events count', async () => {
  await using project = createProject(files);
  const options = ['--on-change', 'signal:SIGHUP', '--events', 'add,change', 'server.js'];
  expect((await run(project, 'src/a.js', '--', ...options)).stdout).toEqual([
    'src/a.js',
    '  sends SIGHUP to the program · watch . · --ignore src/a.js leaves it out',
    '  "events" counts add and change only',
    '  watched by inotify',
  ]);
  const [, effect] = (await run(project, 'src/a.js', '--', '--on-change', 'nothing', 'server.js')).stdout;
  expect(effect).toContain('is a change, which restarts nothing · watch .');
});

describe('while a devwatch runs here', () => {
  /** Records a program of this process; its settings and the command are those of these words. */
  function runs(project: Project, words: readonly string[], loads: readonly string[] = []): Disposable {
    const { line } = parsePaths(emptyLine, ['--', ...words]);
    const { flags, program, nodeArgs } = line;
    const plan = planRun({ loaded: loadSettings({ given: flags, folder: project.path }), program, nodeArgs });
    const recorder = new ProgramRecorder();
    recorder.write({ app: undefined, loads, limitations: [], plan });
    return { [Symbol.dispose]: () => recorder.close() };
  }

  test('explain answers for its command line, from folders below as well', async () => {
    await using project = createProject(files);
    using _ = runs(project, ['--ext', 'ts', 'server.js']);
    const { stdout, stderr } = await run(project, 'src/b.ts', 'src/a.js');
    expect(stderr).toEqual([`devwatch: the answer is for what runs here: pid ${process.pid} (node server.js)`]);
    expect(stdout).toEqual([
      'src/b.ts',
      '  restarts the program · watch . · --ignore src/b.ts leaves it out',
      '  watched by inotify',
      'src/a.js',
      '  is ignored · its extension is not watched · --ext ts,js adds it',
    ]);
  });

  test('explain answers for settings that are still in force after their file has become wrong', async () => {
    await using project = createProject({ ...files, '.watchrc': '{ "ignore": ["src"] }' });
    using _ = runs(project, ['server.js']);
    project.write('.watchrc', '{ broken');
    expect((await run(project, 'src/a.js')).stdout[1]).toBe(
      '  is ignored · ignore src · without src in "ignore" of .watchrc it counts',
    );
  });

  test('explain knows the files that the program has loaded', async () => {
    await using project = createProject(files);
    using _ = runs(project, ['--deps', 'server.js'], ['/usr/lib/far.js']);
    expect((await run(project, '/usr/lib/far.js')).stdout).toEqual([
      '/usr/lib/far.js does not exist',
      '  restarts the program · the program has loaded it (deps) · --ignore /usr/lib/far.js leaves it out',
      '  watched by inotify',
    ]);
  });

  test('a command line and flags ask for themselves; the format of the answer does not', async () => {
    await using project = createProject(files);
    using _ = runs(project, ['--ext', 'ts', '--log-format', 'json', 'server.js']);
    expect((await run(project, 'src/a.js', '--', 'server.js')).stdout[1]).toMatch(/^ {2}restarts the program/);
    expect((await run(project, 'src/a.js', '--ext', 'js')).stdout[1]).toMatch(/^ {2}restarts the program/);
    const { stdout, stderr } = await run(project, 'src/a.js', '--log-format', 'json');
    expect(JSON.parse(stdout.join(''))).toMatchObject({ pid: process.pid, effect: 'none' });
    expect(stderr).toEqual([]);
  });

  test('several are told apart', async () => {
    await using project = createProject({ ...files, 'other.js': '' });
    using _one = runs(project, ['--ext', 'ts', 'server.js']);
    using _other = runs(project, ['other.js']);
    const { stdout, stderr } = await run(project, 'src/b.ts');
    const owner = `pid ${process.pid}`;
    expect(stderr).toEqual([`devwatch: the answer is for what runs here: ${owner} (node server.js, node other.js)`]);
    expect(stdout.filter((line) => line.startsWith('pid'))).toEqual([
      `${owner} (node server.js): src/b.ts`,
      `${owner} (node other.js): src/b.ts`,
    ]);
  });
});
