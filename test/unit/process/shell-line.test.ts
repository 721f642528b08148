import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandsIn, shellFailure, simpleCommandOf, splitWords } from '../../../src/process/shell-line.ts';

describe('splitWords', () => {
  test.each<[string, string[]]>([
    ['', []],
    [' \t\n ', []],
    ['notify-send "it crashed" now', ['notify-send', 'it crashed', 'now']],
    [`a'b c'"d e"f`, ['ab cd ef']],
    [`'' ""`, ['', '']],
    [String.raw`a\ b \'c\' \\`, ['a b', "'c'", '\\']],
    [String.raw`"\a\$\"\\" 'it\s'`, ['\\a$"\\', 'it\\s']],
    ['a\\\nb "c\\\nd"', ['ab', 'cd']],
    ['a \\\n b', ['a', 'b']],
    ['a\\', ['a\\']],
    ['$HOME * ~ # `x` a|b; c&', ['$HOME', '*', '~', '#', '`x`', 'a|b;', 'c&']],
  ])('splits %j into %j', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  test.each([`it's`, 'say "hello', `"'`, `"\\"`])('rejects %j', (text) => {
    expect(() => splitWords(text)).toThrow(/^a ['"] is not closed in "/);
  });

  test.runIf(process.platform !== 'win32')('as sh does it', () => {
    const any = fc.stringMatching(/^[ab0.,:=/é\n\t $`*#;|&~-]*$/);
    const parts = fc.oneof(
      fc.stringMatching(/^[ab0.,:=/é \t-]*$/),
      any.map((text) => `'${text}'`),
      any.map((text) => `"${text.replaceAll(/[$`]/g, '\\$&')}"`),
      fc.constantFrom("'", '"', '\\', '\\\n', "\\'", '\\"', '\\ ', '""', "''", '\\$', '\\a'),
    );
    const texts = fc.array(parts, { maxLength: 8 }).map((all) => all.join(''));
    // Random quotes may expose characters with a meaning for sh: skip those texts, and those that end with a
    // backslash, which dash and bash treat differently.
    const harmless = texts.filter((text) => !/[$`*#;|&~\n]|\\$/.test(withoutQuoted(text)));
    const all = fc.sample(harmless, 400);
    const bySh = wordsBySh(all.map((text) => `eval ${quoted(`set -- ${text}`)}`));
    for (const [index, text] of all.entries()) expect(splitOrUndefined(text), text).toEqual(bySh[index]);
  });
});

/** The part of a text that is not in quotes. */
const withoutQuoted = (text: string): string =>
  text.replaceAll(/\\.|'[^']*'|"(?:\\.|[^"\\])*"/gs, (part) =>
    part.startsWith('"') ? part.replaceAll(/\\.|[^$`]/gs, '') : '',
  );

function splitOrUndefined(text: string): string[] | undefined {
  try {
    return splitWords(text);
  } catch {
    return undefined;
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Runs lines that set the arguments of a shell; returns those, or undefined where sh refuses the line. */
function wordsBySh(lines: readonly string[]): (readonly string[] | undefined)[] {
  const script = lines
    .map((line) => `( ${line}\n[ $# = 0 ] || printf '%s\\0' "$@" )\nprintf 'END %s\\0' $?`)
    .join('\n');
  const { stdout } = spawnSync('/bin/sh', { input: script, encoding: 'utf8' });
  const found: (readonly string[] | undefined)[] = [];
  let words: string[] = [];
  for (const word of stdout.split('\0').slice(0, -1)) {
    if (!word.startsWith('END ')) words.push(word);
    else {
      found.push(word === 'END 0' ? words : undefined);
      words = [];
    }
  }
  return found;
}

describe('a line for which no shell is needed', () => {
  test.each<[line: string, words: string[], variables?: Record<string, string>]>([
    ['node server.js', ['node', 'server.js']],
    ['  node   --inspect=0\tserver.js ', ['node', '--inspect=0', 'server.js']],
    [`node -r "./my setup.js" 'a b'`, ['node', '-r', './my setup.js', 'a b']],
    [`node -e 'a && $b; c'`, ['node', '-e', 'a && $b; c']],
    [String.raw`node a\ b \$c`, ['node', 'a b', '$c']],
    ['NODE_ENV=dev A="b c" node x.js y=z', ['node', 'x.js', 'y=z'], { NODE_ENV: 'dev', A: 'b c' }],
  ])('%j is a command', (line, words, variables = {}) => {
    expect(simpleCommandOf(line)).toEqual({ words, variables });
  });

  test.each([
    'npm run build && node server.js',
    'node a.js || true',
    'node a.js; node b.js',
    'node a.js | cat',
    'node a.js > log.txt',
    'node a.js &',
    'node $FILE',
    'node "$FILE"',
    'node `ls`',
    'node src/*.js',
    'node a.js # comment',
    'node ~/a.js',
    'node {a,b}.js',
    'node a.js\nnode b.js',
    `node it's`,
    'A=b',
    '',
  ])('%j is none', (line) => {
    expect(simpleCommandOf(line)).toBeUndefined();
  });

  test.runIf(process.platform !== 'win32')('has the words that sh gives to its command', () => {
    const parts = fc.oneof(
      fc.constantFrom(
        ' ',
        '  ',
        '\t',
        "'",
        '"',
        '\\',
        '\\ ',
        '\\$',
        '$a',
        '*',
        ';',
        '&&',
        '|',
        '#',
        '=',
        'x=',
        '~',
        '`',
      ),
      fc.stringMatching(/^[ab0.,:=/-]{0,4}$/),
    );
    const lines = fc.array(parts, { maxLength: 9 }).map((all) => `set -- ${all.join('')}`);
    // A backslash at the end means different things to dash and bash.
    const all = fc.sample(
      lines.filter((line) => simpleCommandOf(line) !== undefined && !line.trimEnd().endsWith('\\')),
      300,
    );
    const bySh = wordsBySh(all);
    for (const [index, line] of all.entries()) expect(simpleCommandOf(line)?.words.slice(2), line).toEqual(bySh[index]);
  });
});

test.each<[line: string, commands: string[][]]>([
  [
    'npx tsc && node dist/server.js',
    [
      ['npx', 'tsc'],
      ['node', 'dist/server.js'],
    ],
  ],
  ['a; b || c | d &\ne', [['a'], ['b'], ['c'], ['d'], ['e']]],
  [
    `cd x && A=b python3 'my app.py' > log`,
    [
      ['cd', 'x'],
      ['python3', 'my app.py', '>', 'log'],
    ],
  ],
  ['if true; then (node a.js); fi', [['true'], ['node', 'a.js']]],
  [`echo "a && b"`, [['echo', 'a && b']]],
  [
    `echo it's; node x`,
    [
      ['echo', `it's`],
      ['node', 'x'],
    ],
  ],
  ['A=b', []],
])('%j consists of its commands', (line, commands) => {
  expect(commandsIn(line).map(({ words }) => words)).toEqual(commands);
});

test('a missing shell is named', () => {
  expect(shellFailure(Object.assign(new Error('spawn /bin/sh ENOENT'), { code: 'ENOENT' }))).toBe('/bin/sh is missing');
  expect(shellFailure(new Error('spawn EAGAIN'))).toBe('spawn EAGAIN');
});
