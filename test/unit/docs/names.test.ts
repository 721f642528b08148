/**
 * Options, keys, subcommands and variables that the text of the documents names exist. For writers:
 *
 * - Every `--option` is one of devwatch, of its subcommands, or of Node.
 * - `devwatch …` in code is read as devwatch reads it, like the blocks of `sh` (see blocks.test.ts).
 * - `"key": value` in code is a setting, and is read as devwatch reads a `.watchrc`. So is `camelCase`, unless it is
 *   another name in the source of devwatch. In a table, the column "key" holds keys only.
 * - `test/…`, `src/…`, `bench/…`, `scripts/…`, `docs/…` in code is a file or a folder of the repository.
 * - `DEVWATCH_…` is a variable in the source of devwatch or of its benchmarks.
 * - Not checked: code that begins with another command (`nodemon --ext js`), and the columns of a table whose head
 *   names another tool (`peers` below).
 * - Other names of others stand in a comment on the page: <!-- foreign: --nolazy emitDecoratorMetadata -->
 */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { isOptionKey } from '../../../src/config/options.ts';
import { isFlag, mistakesInShell } from '../../support/documented-commands.ts';
import { type Page, pages, readPage, type Span } from '../../support/pages.ts';

/** Tools that documents compare with devwatch: columns with their names show options of theirs. */
const peers =
  /\b(?:nodemon|node|node-dev|tsx|ts-node|ts-node-dev|pm2|forever|watchexec|entr|bun|concurrently|docker|systemd|VS Code)\b/i;

const source = execFileSync('git', ['grep', '-hoE', '[A-Za-z_][A-Za-z0-9_]+', '--', 'src', 'bench', 'scripts'], {
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
});
const sourceNames: ReadonlySet<string> = new Set(source.split('\n'));

async function mistakesIn(page: Page): Promise<string[]> {
  const inSpans = page.spans
    .filter(({ column }) => !peers.test(column) || /devwatch/i.test(column))
    .map(async (span) => (await mistakesInSpan(span, page)).map((mistake) => `${page.file}:${span.line}: ${mistake}`));
  const inProse = page.prose.flatMap(({ line, text }) =>
    unknownFlags(text, page).map((mistake) => `${page.file}:${line}: ${mistake}`),
  );
  const variables = [...page.spans, ...page.blocks].flatMap(({ line, text }) =>
    (text.match(/\bDEVWATCH_[A-Z_]*[A-Z]/g) ?? [])
      .filter((name) => ![name, `${name}_`].some((known) => sourceNames.has(known) || page.foreign.has(known)))
      .map((name) => `${page.file}:${line}: ${name} is no variable of devwatch`),
  );
  return [...(await Promise.all(inSpans)).flat(), ...inProse, ...variables];
}

async function mistakesInSpan({ text, column }: Span, page: Page): Promise<string[]> {
  const { foreign } = page;
  if (/^(?:npx )?devwatch /.test(text) && !/[…[\]|]/.test(text)) return mistakesInShell(text, foreign);
  if (/^(?:test|src|bench|scripts|fixtures|docs)\/[\w./-]+$/.test(text)) {
    return fs.existsSync(text) || foreign.has(text) ? [] : [`${text}: no such file`];
  }
  const isOthers = /^(?!devwatch|npx devwatch)[A-Za-z_./][\w./@=:-]* /.test(text);
  if (isOthers) return [];
  if (/^"\w+":/.test(text)) return foreign.has(text.split('"')[1] ?? '') ? [] : mistakesInSetting(text);
  const isKey = /\bkeys?\b/i.test(column) && /^[A-Za-z]+$/.test(text);
  const isCamel = /^[a-z]+(?:[A-Z][a-z]*)+$/.test(text);
  const isUnknown = isKey ? !isOptionKey(text) && text !== 'apps' : isCamel && !sourceNames.has(text);
  return [
    ...unknownFlags(text, page),
    ...(isUnknown && !foreign.has(text) ? [`${text} is no key and no name in the source`] : []),
  ];
}

/** Matches `--long` and `-x`, but no part of a word, and no `--no-…` or `--log-<part>`. */
const flags = /(?<![\w=-])(?:--[a-z](?:[\w-]*\w)?(?![\w-]*[-…<*])|-[a-zA-Z](?![\w-]))/g;

function unknownFlags(text: string, { foreign }: Page): string[] {
  const unknown = (text.match(flags) ?? []).filter((flag) => !isFlag(flag) && !foreign.has(flag));
  return unknown.map((flag) => `${flag} is no option`);
}

function mistakesInSetting(text: string): string[] {
  const fields: Record<string, unknown> | undefined = parse(`{${text}}`);
  try {
    const { apps: _, ...settings } = fields ?? {};
    loadGiven(settings, process.cwd());
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

test.each(pages)('the names in $file exist', async (page) => {
  expect(await mistakesIn(page)).toEqual([]);
});

test.each([
  ['`--wach`', '--wach is no option'],
  ['--wach', '--wach is no option'],
  ['`-Z`', '-Z is no option'],
  ['`devwatch lgos web`', 'lgos'],
  ['`devwatch start web.js --name web`', 'stands behind the script'],
  ['`"wach": ["src"]`', 'wach'],
  ['`"delay": "soon"`', 'delay'],
  ['`killTimeouts`', 'killTimeouts is no key'],
  ['`test/e2e/no-such.test.ts`', 'no such file'],
  ['`DEVWATCH_WHATEVER`', 'DEVWATCH_WHATEVER is no variable'],
  ['| nodemon | key |\n|---|---|\n| `--x` | `watching` |', 'watching is no key'],
])('a mistake in %s is found', async (text, expected) => {
  expect((await mistakesIn(readPage('docs/a.md', `# A\n\n${text}\n`))).join('\n')).toContain(expected);
});

test.each([
  '`--watch <glob>` `--no-standby` `-w` `--inspect` `--lines 20` `-f` `killTimeout` `"watch": ["src"]`',
  '`nodemon --verbose` `tsc -w` `devwatch config` `devwatch explain <path>` `DEVWATCH_RUN`',
  '| nodemon | devwatch |\n|---|---|\n| `--verbos` | `--verbose` |',
  '<!-- foreign: --nolazy emitDecoratorMetadata seed -->`--nolazy` `emitDecoratorMetadata` `devwatch seed`',
])('right names have no mistake: %s', async (text) => {
  expect(await mistakesIn(readPage('docs/a.md', `# A\n\n${text}\n`))).toEqual([]);
});
