/**
 * The blocks of code in the documents are true. For writers:
 *
 * - Every block names its language, one of `checks` below.
 * - `js` and `ts` are parsed; those that import devwatch are type-checked as well, each by itself.
 * - `json` and `jsonc` show a `.watchrc`, or a package.json if they have "scripts" or "devwatch"; both are read as
 *   devwatch reads them. Another file is named after the language: ```json tsconfig.json. ```json output holds a JSON
 *   object on each line.
 * - `sh`: devwatch reads each `devwatch …`; wrong options and subcommands fail. `npm run …` names a script of this
 *   package or of a package.json on the page. So do lines of `dockerfile`, `yaml` and `ini`.
 * - `console`: lines after `$ ` are read like `sh`; lines that begin with `[devwatch]` or `devwatch:` consist of texts
 *   of the source, and so are those in `text`. Everything else is output of programs.
 * - Names that the test cannot know (a script `seed`, a command) stand in a comment: <!-- foreign: seed mytool -->
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type ParseError, parse } from 'jsonc-parser';
import { parseSync } from 'oxc-parser';
import { expect, test } from 'vitest';
import { loadProject } from '../../../src/config/load.ts';
import { mistakesInShell } from '../../support/documented-commands.ts';
import { unknownParts } from '../../support/documented-output.ts';
import { type Block, type Page, pages, readPage } from '../../support/pages.ts';
import { createProject } from '../../support/project.ts';

/** Returns the mistakes in a block. */
type Check = (block: Block, page: Page) => Promise<string[]> | string[];

const checks: Readonly<Record<string, Check>> = {
  ...Object.fromEntries(['js', 'mjs', 'cjs', 'jsx', 'ts', 'tsx'].map((language) => [language, mistakesInScript])),
  ...Object.fromEntries(['json', 'jsonc'].map((language) => [language, mistakesInJson])),
  sh: ({ text }, page) => mistakesInCommands(text, page),
  bash: ({ text }, page) => mistakesInCommands(text, page),
  console: mistakesInTranscript,
  text: ({ text }, page) => mistakesInOutput(text, page),
  dockerfile: ({ text }, page) => mistakesInCommands(commandsIn(text), page),
  yaml: ({ text }, page) => mistakesInCommands(commandsIn(text), page),
  ini: ({ text }, page) => mistakesInCommands(commandsIn(text), page),
  ...Object.fromEntries(
    ['python', 'go', 'php', 'ruby', 'html', 'css', 'diff', 'mermaid'].map((name) => [name, () => []]),
  ),
};

test.each(pages)('the blocks of $file are right', async (page) => {
  expect(await mistakesIn(page)).toEqual([]);
});

test('the blocks that import devwatch have the right types', async () => {
  await using project = createProject({
    'package.json': '{"type": "module"}',
    'others.d.ts': "declare module '*';\n",
    'tsconfig.json': JSON.stringify({
      extends: path.resolve('tsconfig.json'),
      compilerOptions: {
        lib: ['esnext'],
        target: 'esnext',
        allowJs: true,
        checkJs: true,
        noEmit: true,
        // Samples of JavaScript have no annotations, and need not use all that they show.
        noImplicitAny: false,
        noUnusedLocals: false,
        noUnusedParameters: false,
        isolatedDeclarations: false,
        declaration: false,
        rootDir: '/',
        typeRoots: [path.resolve('node_modules/@types')],
        paths: { devwatch: [path.resolve('dist/index.d.ts')] },
      },
      include: ['*'],
    }),
  });
  const sources = pages.flatMap(({ file, blocks }) =>
    blocks.filter(importsDevwatch).map((block) => ({ ...block, file })),
  );
  for (const { file, line, language, text } of sources) {
    project.write(`${file.replaceAll(/\W/g, '-')}-${line}.${language.includes('j') ? 'mjs' : 'mts'}`, text);
  }
  const tsc = path.resolve('node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '--pretty', 'false', '-p', project.path], { encoding: 'utf8' });
  expect(sources.length).toBeGreaterThan(0);
  expect(stdout).toBe('');
});

const importsDevwatch = ({ language, text }: Block): boolean =>
  /^[mc]?[jt]sx?$/.test(language) && /(?:from|import|import\(|require\() ?['"]devwatch['"]/.test(text);

async function mistakesIn(page: Page): Promise<string[]> {
  const found = page.blocks.map(async (block) => {
    const check = checks[block.language];
    const mistakes = check === undefined ? [`no check for a block of "${block.language}"`] : await check(block, page);
    return mistakes.map((mistake) => `${page.file}:${block.line}: ${mistake}`);
  });
  return (await Promise.all(found)).flat();
}

function mistakesInScript({ language, text }: Block): string[] {
  const isCommonJs = language === 'cjs' || /\brequire\(/.test(text);
  const { errors } = parseSync(`block.${isCommonJs ? 'cjs' : language}`, text, {
    sourceType: isCommonJs ? 'script' : 'module',
  });
  return errors.map(({ message }) => message);
}

async function mistakesInJson({ text, title }: Block, page: Page): Promise<string[]> {
  if (title === 'output') return text.trim().split('\n').flatMap(mistakeInSyntax);
  const syntax = mistakeInSyntax(text);
  if (syntax.length > 0) return syntax;
  const fields: Readonly<Record<string, unknown>> = parse(text);
  const isPackage = 'scripts' in fields || 'devwatch' in fields;
  const name = title || (isPackage ? 'package.json' : '.watchrc');
  if (name === 'package.json') {
    const scripts = Object.values((fields.scripts ?? {}) as Record<string, string>).join('\n');
    return [...(await mistakesInSettings(name, text)), ...(await mistakesInCommands(scripts, page))];
  }
  return path.basename(name) === '.watchrc'
    ? mistakesInSettings(name, text)
    : mistakesInCommands(commandsIn(text), page);
}

function mistakeInSyntax(text: string): string[] {
  const errors: ParseError[] = [];
  parse(text, errors, { allowTrailingComma: true });
  return errors.length === 0 ? [] : [`broken JSON: ${text}`];
}

async function mistakesInSettings(name: string, text: string): Promise<string[]> {
  await using project = createProject({ [name]: text });
  for (const [, folder = ''] of text.matchAll(/"cwd": "([^"]+)"/g))
    fs.mkdirSync(project.at(folder), { recursive: true });
  try {
    loadProject({ given: new Map(), folder: path.dirname(project.at(name)) });
    return [];
  } catch (error) {
    return [(error as Error).message.replace(`${project.path}/`, '')];
  }
}

/** Names of the page that may follow `devwatch`: its foreign names, and the programs of its settings. */
const namesOf = ({ blocks, foreign }: Page): ReadonlySet<string> =>
  new Set([
    ...foreign,
    ...blocks.flatMap(({ language, text }) => {
      const { apps } = language.startsWith('json') ? (parse(text) ?? {}) : {};
      return Object.keys(apps ?? {});
    }),
  ]);

async function mistakesInCommands(text: string, page: Page): Promise<string[]> {
  const scripts = new Set([
    ...Object.keys(JSON.parse(fs.readFileSync('package.json', 'utf8')).scripts),
    ...page.blocks.flatMap(({ language, text: json }) =>
      language.startsWith('json') ? Object.keys(parse(json)?.scripts ?? {}) : [],
    ),
    ...page.foreign,
  ]);
  const missing = [...text.matchAll(/(?:^|&&|;) *npm run ([\w:-]+)/gm)].flatMap(([, name = '']) =>
    scripts.has(name) ? [] : [`npm run ${name}: no such script in this package or on the page`],
  );
  return [...missing, ...(await mistakesInShell(text, namesOf(page)))];
}

/** Returns the command lines of devwatch in a Dockerfile, in YAML or in a unit. */
function commandsIn(text: string): string {
  const lists = [...text.matchAll(/\[[^[\]]*"devwatch"[^[\]]*\]/g)].flatMap(([list]) => {
    const words: unknown = parse(list);
    return Array.isArray(words) ? [words.map((word) => `'${word}'`).join(' ')] : [];
  });
  const lines = [...text.matchAll(/(?:npx |[\w/.]*\/\.bin\/|["' =])(devwatch [^"'\n]+)/g)].map(([, line = '']) => line);
  return [...lists, ...lines].join('\n');
}

async function mistakesInTranscript({ text }: Block, page: Page): Promise<string[]> {
  const commands = [...text.matchAll(/^\$ ((?:.*\\\n)*.*)$/gm)].map(([, line = '']) => line).join('\n');
  return [...(await mistakesInCommands(commands, page)), ...mistakesInOutput(text, page)];
}

const mistakesInOutput = (text: string, page: Page): string[] =>
  [...text.matchAll(/^(?:[\w-]+ \| )?(?:\[devwatch\]|devwatch:) (.+)$/gm)].flatMap(([line, rest = '']) =>
    unknownParts(rest, namesOf(page)).map((part) => `devwatch does not print "${part}": ${line}`),
  );

test.each([
  ['sh', 'devwatch --wtch src server.js', '--watch'],
  ['sh', 'npx devwatch strat server.js', 'strat'],
  ['sh', 'A=1 devwatch logs web --folow 2>&1 | head', '--folow'],
  ['sh', 'devwatch server.js --ext ts', 'stands behind the script'],
  ['sh', 'concurrently "tsc -w" "devwatch --kil dist/index.js"', '--kil'],
  ['sh', 'npm run no-such', 'no such script'],
  ['jsonc', '{ "watc": ["src"] }', '"watc"'],
  ['json', '{ "scripts": { "dev": "devwatch --sig HUP a.js" } }', '--sig'],
  ['json', '{ "devwatch": { "ext": 3 } }', '"ext"'],
  ['json', '{ "a": ', 'broken JSON'],
  ['js', 'const a = ;', 'Unexpected'],
  ['dockerfile', 'CMD ["npx", "devwatch", "--pol", "server.js"]', '--pol'],
  ['yaml', 'command: npx devwatch --pol server.js', '--pol'],
  ['console', '$ devwatch --no\n', '--no'],
  ['console', '$ devwatch server.js\n[devwatch] restarted · server.js · all is nice', 'all is nice'],
  ['console', '[devwatch] restarted with 9 ms', 'restarted with'],
  ['', 'text', 'no check'],
])('a mistake in a block of %s is found: %s', async (language, text, expected) => {
  const found = await mistakesIn(readPage('docs/a.md', `# A\n\n\`\`\`${language}\n${text}\n\`\`\`\n`));
  expect(found.join('\n')).toContain(expected);
});

test.each([
  ['sh', 'cd devwatch && npm install --save-dev devwatch # devwatch --odd'],
  ['sh', 'devwatch --inspect --watch src -- npm run serve --port 3'],
  ['sh', 'devwatch \\\n  --name db --no-watch \\\n  --exec "postgres -D data" >log 2>&1'],
  ['sh', 'devwatch explain <path>; devwatch stop web'],
  ['console', '$ devwatch server.js\n[devwatch] 0.1.0 · node server.js · watching . (js mjs cjs json) · 12 files'],
  ['console', '[devwatch] restarted · src/a.js +2 · answering in 64 ms · http://localhost:3000'],
  ['json tsconfig.json', '{ "extends": "./a.json" }'],
  ['json output', '{"event":"start","run":1}\n{"event":"end"}'],
])('a right block of %s has no mistake: %s', async (language, text) => {
  const script = '```json\n{ "scripts": { "serve": "node a.js" } }\n```';
  expect(await mistakesIn(readPage('docs/a.md', `# A\n\n${script}\n\n\`\`\`${language}\n${text}\n\`\`\`\n`))).toEqual(
    [],
  );
});
