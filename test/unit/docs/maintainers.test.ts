/**
 * The pages for maintainers, docs/architecture.md and CONTRIBUTING.md, describe the source as it is: the files that they
 * name exist, and the functions, classes and constants are in a file that the same line names.
 */

import fs from 'node:fs';
import path from 'node:path';
import { type Node, parseSync, Visitor } from 'oxc-parser';
import { expect, test } from 'vitest';
import { allowedImports } from '../../support/rooms.ts';

const architecture = fs.readFileSync('docs/architecture.md', 'utf8');
const contributing = fs.readFileSync('CONTRIBUTING.md', 'utf8');

/** Returns the names that a page gives and the source does not have, each with its line. */
function mistakesIn(text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const spans = textsIn(line, /`([^`]+)`/g);
    // Labels in diagrams stand between quotes.
    const paths = [...spans, ...textsIn(line, /"([^"]+)"/g)].flatMap(pathsIn);
    const files = paths.map(resolveFile);
    const missing = paths.filter((_, at) => files[at] === undefined).map((name) => `${name}: no such file`);
    const sources = files.flatMap((file) => (file !== undefined && isCode.test(file) ? [namesIn(file)] : []));
    const unknown = spans
      .filter((span) => isName.test(span) && !isForeign.test(span))
      .filter((span) => !sources.some((names) => isDefinedIn(names, span)))
      .map((span) => `${span} is not in a file that this line names`);
    return [...missing, ...unknown].map((mistake) => `${index + 1}: ${mistake}`);
  });
}

const textsIn = (line: string, pattern: RegExp): string[] => [...line.matchAll(pattern)].map(([, text = '']) => text);

const isCode = /\.[cm]?[jt]s$/;

/** Paths of at least two parts, and names of single source files. */
const pathsIn = (span: string): string[] => [
  ...(/^[\w-]+(\.\w+)*\.[cm]?[jt]s(on)?$/.test(span) ? [span] : []),
  ...[...span.matchAll(/(?<![\w/.$…-])[\w.-]+\/(?:[\w.-]+\/?)*/g)].map(([name]) => name),
];

/** Functions, `Class.method()`, classes and types, and constants of time. */
const isName = /^(?:[A-Z]\w*\.)?#?[a-z]\w*\(\)$|^[A-Z]\w*[a-z]\w*$|^[a-z]\w*Ms$/;
/** Syntax that looks like a function. */
const isForeign = /^import\(\)$/;

/** Returns the file that a path of a page names. */
const resolveFile = (name: string): string | undefined =>
  ['src', '.', 'dist', 'dist/preload'].map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));

const namesByFile = new Map<string, ReadonlySet<string>>();

/** Returns the names of functions, variables, classes, methods and types in a file. */
function namesIn(file: string): ReadonlySet<string> {
  const known = namesByFile.get(file);
  if (known !== undefined) return known;
  const names = new Set<string>();
  namesByFile.set(file, names);
  const add = (node: Node | null | undefined): void => {
    if (node?.type === 'Identifier') names.add(node.name);
    if (node?.type === 'PrivateIdentifier') names.add(`#${node.name}`);
  };
  new Visitor({
    FunctionDeclaration: ({ id }) => add(id),
    VariableDeclarator: ({ id }) => add(id),
    ClassDeclaration: ({ id }) => add(id),
    TSInterfaceDeclaration: ({ id }) => add(id),
    TSTypeAliasDeclaration: ({ id }) => add(id),
    MethodDefinition: ({ key }) => add(key),
    PropertyDefinition: ({ key }) => add(key),
  }).visit(parseSync(file, fs.readFileSync(file, 'utf8')).program);
  return names;
}

const isDefinedIn = (names: ReadonlySet<string>, span: string): boolean =>
  span
    .replace('()', '')
    .split('.')
    .every((name) => names.has(name));

test.each([
  ['docs/architecture.md', architecture],
  ['CONTRIBUTING.md', contributing],
])('the files and names of %s exist', (_, page) => {
  expect(mistakesIn(page)).toEqual([]);
});

test.each([
  ['`run/no-such.ts`', 'run/no-such.ts: no such file'],
  ['`run/changes.ts` and `no-such/`', 'no-such/: no such file'],
  ['```mermaid\n  A["run/no-such.ts"]\n```', 'run/no-such.ts: no such file'],
  ['`Changes.push()` in `run/program.ts`', 'Changes.push()'],
  ['`Changes.pull()` in `run/changes.ts`', 'Changes.pull()'],
  ['`Changes.#pull()` in `run/changes.ts`', 'Changes.#pull()'],
  ['`step()`', 'step()'],
  ['`QuietWindow` in `run/runner.ts`', 'QuietWindow'],
  ['`singleWindowMs` in `watch/disk.ts`', 'singleWindowMs'],
])('a wrong name is found: %s', (text, expected) => {
  expect(mistakesIn(text).join('\n')).toContain(expected);
});

test('the table of rooms in docs/architecture.md is the one that the imports obey', () => {
  const rows = [...architecture.matchAll(/^\| `([\w.-]+)\/?` \| .* \| (.*) \|$/gm)].filter(([, room = '']) =>
    Object.hasOwn(allowedImports, room),
  );
  const shown = rows.map(([, room = '', imports = '']) => [
    room,
    [...imports.matchAll(/`([\w-]+)\/`/g)].map(([, name]) => name),
  ]);
  expect(Object.fromEntries(shown)).toEqual(allowedImports);
});

test('the end-to-end test that CONTRIBUTING.md shows is the beginning of the file that it names', () => {
  const blocks = [...contributing.matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)];
  expect(blocks.length).toBeGreaterThan(0);
  for (const [, file = '', shown = ''] of blocks)
    expect(fs.readFileSync(file, 'utf8').slice(0, shown.length)).toBe(shown);
});
