import { expect, test } from 'vitest';
import { refuseEcosystem, refuseForeignWord, watchedScript, withSuggestion } from '../../../src/cli/first-word.ts';
import { findSubcommand } from '../../../src/cli/subcommands.ts';
import { type CommandLine, parseArgv } from '../../../src/config/argv.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createProject } from '../../support/project.ts';

const parse = (line: string): CommandLine => parseArgv(line.split(' '));

test.each([
  ['run server.js --port 1', 'devwatch server.js --port 1'],
  ['watch src/app.ts', 'devwatch src/app.ts'],
  ['watch', 'devwatch <script>'],
  ['inspect server.js', 'devwatch --inspect server.js'],
  ['ps', 'devwatch list'],
  ['info web', 'devwatch list'],
  ['describe web', 'devwatch list'],
  ['monit', 'devwatch list --watch'],
  ['kill', 'devwatch stop all'],
  ['kill web', 'devwatch stop web'],
  ['remove web', 'devwatch delete web'],
  ['resurrect', 'devwatch start all'],
  ['down', 'devwatch stop all'],
  ['stopall', 'devwatch stop all'],
  ['restartall', 'devwatch restart all'],
  ['up', 'devwatch start'],
  ['up web', 'devwatch start web'],
  ['log web', 'devwatch logs -f web'],
  ['flush web', 'devwatch logs --clear web'],
  ['startup', 'devwatch unit <script>'],
  ['save', 'devwatch unit <script>'],
  ['ecosystem', 'devwatch init'],
  ['version', 'devwatch --version'],
])('devwatch %s is refused, and %s is named', (line, command) => {
  const [word = ''] = line.split(' ');
  const message = `${word} is no subcommand · ${command} (to run a command named ${word}: devwatch -- ${word})`;
  expect(() => refuseForeignWord(parse(line))).toThrow(new UsageError(message));
  expect(findSubcommand(word)).toBeUndefined();
});

test.each([
  ['-- ps'],
  ['server.js'],
  ['npm run dev'],
  ['tail -f x'],
  // A command of this project, and a file of it.
  ['vitest'],
  ['package.json'],
])('devwatch %s may run', (line) => {
  expect(() => refuseForeignWord(parse(line))).not.toThrow();
});

test('settings of pm2 are no script', async () => {
  await using project = createProject({ 'ecosystem.config.js': '', 'process.json': '', 'src/process.js': '' });
  const refuse = (line: string) => () => refuseEcosystem(parse(line.replaceAll('@', `${project.path}/`)));
  expect(refuse('@ecosystem.config.js')).toThrow('holds settings of pm2 · devwatch init ');
  expect(refuse('@process.json')).toThrow('holds settings of pm2');
  for (const line of ['-- @process.json', '@src/process.js', '@ecosystem.json', 'node @process.json']) {
    expect(refuse(line)).not.toThrow();
  }
});

test.each([
  [
    'lgos web',
    'lgos: no such file or command in /x',
    'lgos: no such file or command in /x · did you mean devwatch logs?',
  ],
  ['strat a.js', 'strat: no such file or command in /x', expect.stringContaining('did you mean devwatch start?')],
  ['vite', 'vite: no such file or command in /x', 'vite: no such file or command in /x'],
  ['lgos', 'lgos: another error', 'lgos: another error'],
  [
    'lgos',
    'lgos: no such file or command in /x · did you mean lgos.py?',
    'lgos: no such file or command in /x · did you mean lgos.py?',
  ],
  [
    '-q --watch vitest.config.ts',
    'nothing to run · devwatch <script>',
    'nothing to run · --watch only selects what is watched: devwatch vitest.config.ts runs it and watches',
  ],
  ['--watch src', 'nothing to run · devwatch <script>', 'nothing to run · devwatch <script>'],
])('the error of devwatch %s: %s becomes %s', (line, message, expected) => {
  const error = withSuggestion(new UsageError(message), parse(line));
  expect(error instanceof UsageError && error.message).toEqual(expected);
});

test('other errors stay as they are', () => {
  const error = new Error('lgos: no such file or command');
  expect(withSuggestion(error, parse('lgos'))).toBe(error);
});

test.each([
  ['--watch vitest.config.ts', 'vitest.config.ts'],
  ['--watch=vitest.config.ts', 'vitest.config.ts'],
  ['-w src -w vitest.config.ts', 'vitest.config.ts'],
  ['-w vitest.config.ts -q', undefined],
  ['-w package.json', undefined],
  ['-w no-such.js', undefined],
  ['-w vitest.config.ts server.js', undefined],
  ['-q', undefined],
])('devwatch %s was probably meant to run %s', (line, script) => {
  expect(watchedScript(parse(line))).toBe(script);
});
