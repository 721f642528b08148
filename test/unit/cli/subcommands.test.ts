import { describe, expect, test, vi } from 'vitest';
import { printHelp, printSubcommandHelp } from '../../../src/cli/help.ts';
import { readOperands } from '../../../src/cli/operands.ts';
import { findSubcommand, type Subcommand, subcommandNames, subcommands } from '../../../src/cli/subcommands.ts';

const named = subcommands.map((subcommand) => [subcommand.name, subcommand] as const);

function printed(print: () => void): string {
  const info = vi.spyOn(console, 'info').mockImplementation(() => {});
  print();
  const text = info.mock.calls.flat().join('\n');
  info.mockRestore();
  return text;
}

describe('the table of subcommands', () => {
  test('has each name and alias once', () => {
    expect(new Set(subcommandNames).size).toBe(subcommandNames.length);
  });

  test.each(named)('loads a module for %s', async (_, { load }) => {
    expect((await load()).execute).toBeTypeOf('function');
  });

  test.each(named)('finds %s by its name and its aliases', (name, subcommand) => {
    for (const word of [name, ...(subcommand.aliases ?? [])]) expect(findSubcommand(word)).toBe(subcommand);
  });

  test('has no subcommand for other words', () => {
    expect(['', 'lgos', 'server.js', 'constructor'].map(findSubcommand)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('the help', () => {
  test('names every subcommand', () => {
    const text = printed(() => printHelp('1.2.3', 'usual'));
    for (const [name] of named) expect(text).toMatch(new RegExp(`^devwatch .*\\b${name}\\b`, 'm'));
  });

  test.each(named)('of %s shows its usage and all of its options, in 80 columns', (name, subcommand) => {
    const text = printed(() => printSubcommandHelp(subcommand));
    expect(text).toMatch(new RegExp(`^devwatch ${name}`));
    for (const flag of [...Object.keys(subcommand.options ?? {}), '-h, --help']) expect(text).toContain(`  ${flag}  `);
    const rows = text.split('\n').filter((line) => line.startsWith('  '));
    expect(rows.filter((row) => row.length > 80)).toEqual([]);
  });
});

describe('operands', () => {
  const find = (name: string): Subcommand => findSubcommand(name) ?? expect.fail(name);

  test.each([
    ['logs', 'web', ['web'], {}],
    ['logs', '-f web', ['web'], { follow: true }],
    ['logs', '-f 007 1e3', ['007', '1e3'], { follow: true }],
    ['logs', 'web --lines 5 --err', ['web'], { lines: '5', err: true }],
    ['logs', 'web -n5', ['web'], { lines: '5' }],
    ['logs', 'web -n 0', ['web'], { lines: '0' }],
    ['logs', 'web --since=5m', ['web'], { since: '5m' }],
    ['logs', '-f -- --odd -f', ['--odd', '-f'], { follow: true }],
    ['list', '--json', [], { json: true }],
    ['list', '-w web', ['web'], { watch: true }],
    ['stop', 'web . all', ['web', '.', 'all'], {}],
  ])('%s %s', (name, words, operands, options) => {
    const read = readOperands(find(name), words.split(' '));
    expect(read?.operands).toEqual(operands);
    expect(read?.options).toMatchObject(options);
  });

  test.each(['-h', '--help', 'web --help'])('of a request for help, %s, are undefined', (words) => {
    expect(readOperands(find('stop'), words.split(' '))).toBeUndefined();
  });

  test.each([
    ['logs', '--folow web', 'unknown option --folow · did you mean --follow?'],
    ['logs', 'web --no-such-thing', 'unknown option --no-such-thing'],
    ['stop', '-x web', 'unknown option -x'],
    ['logs', 'web --lines', '-n, --lines <n> needs a value'],
    ['logs', '-n -5 web', 'unknown option -5'],
  ])('%s %s is refused: %s', (name, words, message) => {
    expect(() => readOperands(find(name), words.split(' '))).toThrow(message);
  });
});
