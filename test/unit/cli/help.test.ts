import { expect, test, vi } from 'vitest';
import { printHelp, printSubcommandHelp } from '../../../src/cli/help.ts';
import { subcommands } from '../../../src/cli/subcommands.ts';
import { optionKeys, specOf } from '../../../src/config/options.ts';

/** The lines that `--help` prints, or `-h`. */
const helpLines = (which: 'usual' | 'all' = 'all'): string[] => linesOf(() => printHelp('1.2.3', which));

function linesOf(printAll: () => void): string[] {
  const print = vi.spyOn(console, 'info').mockImplementation(() => {});
  printAll();
  const lines = print.mock.calls.flatMap(([text]) => String(text).split('\n'));
  print.mockRestore();
  return lines;
}

test('--help fits into 80 columns, -h also into 40 lines', () => {
  expect(helpLines().filter((line) => line.length > 80)).toStrictEqual([]);
  expect(helpLines('usual').length).toBeLessThanOrEqual(40);
});

test('-h omits rare options and refers to --help', () => {
  const text = helpLines('usual').join('\n');
  expect(text).toContain('--watch <glob>');
  expect(text).not.toContain('--poll-interval');
  expect(text).toContain('shows all options');
  expect(helpLines().join('\n')).not.toContain('shows all options');
});

test('--help has one row for each flag, with its short form, its value and its choices', () => {
  const rows = helpLines().filter((line) => /^ +-/.test(line));
  for (const key of optionKeys) {
    const { flag, short, value, choices = [] } = specOf(key);
    if (flag === undefined) continue;
    const matching = rows.filter((row) => new RegExp(`--(no-)?${flag}(?= |$)`).test(row.slice(0, 26)));
    expect(matching, key).toHaveLength(1);
    const [row = ''] = matching;
    for (const part of [short && `-${short},`, value && `<${value}>`, ...choices]) expect(row).toContain(part ?? '');
  }
  for (const flag of ['-c, --config <file>', '--only <names>', '-v, --version', '-h, --help']) {
    expect(rows.filter((row) => row.trim().startsWith(flag))).toHaveLength(1);
  }
});

test('--help shows defaults in the units that users write', () => {
  const text = helpLines().join('\n');
  expect(text).toMatch(/--kill-timeout <time> .*\(5s\)$/m);
  expect(text).toMatch(/--poll-interval <time> .*\(adaptive\)$/m);
  expect(text).toMatch(/--no-color +do not use colors on a terminal$/m);
  expect(text).not.toContain('default: true');
});

test.each(subcommands)('devwatch $name --help begins with its usage, and explains its options', (subcommand) => {
  const text = linesOf(() => printSubcommandHelp(subcommand));
  expect(text[0]).toMatch(new RegExp(`^devwatch ${subcommand.name}\\b`));
  for (const [flag, help] of Object.entries(subcommand.options ?? {})) {
    expect(text.join(' ').replaceAll(/\s+/g, ' ')).toContain(`${flag} ${help}`);
  }
});
