/**
 * The tables in docs/moving-from. Each row is a test:
 *
 * - A table names every option, key or command of the tool (test/support/peer-words.ts), and each once.
 * - An option that is "same" or "better" is one of devwatch or Node. One that is not accepted is refused with an error
 *   that names what the row names. One that devwatch accepts, but that means something else, "differs".
 * - A key of nodemon.json or of an ecosystem file is converted to exactly the settings in the row.
 * - A command is a subcommand of devwatch, or the error about it names that of the row.
 * - What stands in the column "devwatch" is checked by names.test.ts.
 */

import fs from 'node:fs';
import { parse } from 'jsonc-parser';
import { describe, expect, test } from 'vitest';
import { convertPm2 } from '../../../src/cli/convert-pm2.ts';
import { refuseForeignWord } from '../../../src/cli/first-word.ts';
import { findSubcommand } from '../../../src/cli/subcommands.ts';
import { ownerOf, parseArgv } from '../../../src/config/argv.ts';
import { fromNodemon } from '../../../src/config/nodemon.ts';
import { readDocument } from '../../../src/config/settings-file.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { peerWords } from '../../support/peer-words.ts';
import { createProject } from '../../support/project.ts';

const verdicts = ['same', 'renamed', 'better', 'not needed', 'differs', 'not taken over'] as const;
type Verdict = (typeof verdicts)[number];

interface Row {
  /** Page and heading: `nodemon#Command line`. */
  readonly table: string;
  readonly theirs: readonly string[];
  readonly ours: readonly string[];
  readonly verdict: Verdict;
  readonly remark: string;
}

const codesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

const folder = 'docs/moving-from';
const files = fs.readdirSync(folder).filter((file) => file !== 'README.md');
const rows = files.flatMap((file) => readRows(file.replace('.md', ''), fs.readFileSync(`${folder}/${file}`, 'utf8')));

function readRows(page: string, text: string): Row[] {
  return text.split(/^## /m).flatMap((section) => {
    const [heading = '', ...lines] = section.split('\n');
    const cells = lines
      .filter((line) => line.startsWith('| '))
      .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
    return cells
      .filter(([, , , how]) => how !== 'how')
      .map(([, theirs = '', ours = '', how = '', remark = '']): Row => {
        const verdict = verdicts.find((word) => word === how);
        if (verdict === undefined) throw new Error(`${page}: "${how}" is no verdict: ${theirs}`);
        return { table: `${page}#${heading}`, theirs: codesIn(theirs), ours: codesIn(ours), verdict, remark };
      });
  });
}

const settingsIn = (codes: readonly string[]): Record<string, unknown> => parse(`{${codes.join(', ')}}`);

const isOption = (word: string): boolean => /^-\S*$/.test(word);

describe.each(Object.entries(peerWords))('the table %s', (table, expected) => {
  const own = rows.filter((row) => row.table === table);
  const named = own.flatMap(({ theirs }) =>
    theirs.flatMap((code) => (code.startsWith('"') ? Object.keys(settingsIn([code])) : code)),
  );

  test('names everything that the tool has', () => {
    expect(expected.filter((word) => !named.includes(word))).toEqual([]);
  });

  test('names no option twice', () => {
    const options = named.filter(isOption);
    expect(options.filter((word, index) => options.indexOf(word) !== index)).toEqual([]);
  });
});

/** Returns the message with which an option, or a command, is refused; undefined if it is not. */
function refusal(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

const options = rows.flatMap((row) => row.theirs.filter(isOption).map((option) => ({ ...row, option })));

test.each(options.filter(({ verdict }) => verdict === 'same' || verdict === 'better'))(
  '$table: $option is an option here',
  ({ option, ours }) => {
    expect(ownerOf(option)).toBeDefined();
    expect(ours).toContain(option);
  },
);

test.each(options.filter(({ verdict }) => verdict === 'differs'))(
  '$table: $option is an option here, but another one',
  ({ option, remark }) => {
    expect(ownerOf(option)).toBeDefined();
    expect(remark).not.toBe('');
  },
);

const others = options.filter(({ verdict }) => ['renamed', 'not needed', 'not taken over'].includes(verdict));

test.each(others)('$table: $option is refused, and the error names what the row names', ({ option, ours, verdict }) => {
  const message = refusal(() => parseArgv([option, 'x', 'server.js']));
  // Several tools have the same letters, with different meanings.
  if (option.length === 2) {
    expect(message).toMatch(/^unknown option /);
    return;
  }
  expect(message).toMatch(/^unknown option .* · (?!see )|^--watch-\S+ is not needed/);
  if (verdict === 'not taken over') return;
  const [first = ''] = ours.flatMap((code) => code.split(' '));
  if (first === '' || verdict === 'not needed') expect(message).toMatch(/not needed|go before/);
  else expect(message).toContain(first);
});

const keys = rows.filter(({ theirs: [first = ''] }) => first.startsWith('"'));

test.each(keys)('$table: $theirs becomes $ours', async ({ table, theirs, ours, verdict }) => {
  await using project = createProject({ 'node_modules/a/index.js': '' });
  const given = settingsIn(theirs);
  const isNodemon = table.startsWith('nodemon');
  project.write('nodemon.json', JSON.stringify(given));
  const { settings, missing } = isNodemon
    ? fromNodemon(readDocument(project.at('nodemon.json')))
    : convertPm2({ script: 'a.js', ...given }, project.path);
  expect(missing.length > 0).toBe(verdict === 'not taken over');
  const shown = settingsIn(ours);
  const usual = { script: 'a.js', restart: 'always', signal: 'SIGINT', ...(!('watch' in given) && { watch: [] }) };
  const { script, ...others } = { ...usual, ...shown };
  const whole = 'exec' in shown && 'script' in given ? others : { script, ...others };
  expect(settings).toEqual(isNodemon ? shown : whole);
});

const commands = rows
  .filter(({ table }) => table === 'pm2-and-forever#Commands of pm2' || table === 'pm2-and-forever#forever')
  .flatMap((row) =>
    row.theirs.filter((word) => /^[a-zA-Z:-]+$/.test(word) && !isOption(word)).map((word) => ({ ...row, word })),
  );

test.each(commands)('$table: $word leads to $ours', ({ word, ours, verdict }) => {
  const [command = ''] = ours;
  const subcommand = command.split(' ')[1] ?? '';
  if (verdict === 'renamed') {
    expect(findSubcommand(word)).toBeUndefined();
    const named = command.split(' ').slice(0, 2).join(' ');
    expect(refusal(() => refuseForeignWord(parseArgv([word])))).toContain(`${word} is no subcommand · ${named}`);
  } else if (verdict === 'same' || verdict === 'better') {
    expect(findSubcommand(word)).toBe(findSubcommand(subcommand));
  } else {
    expect(findSubcommand(word) === undefined).toBe(verdict !== 'differs');
  }
});
