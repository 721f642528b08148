/** The rules of the architecture that a program can check: imports, sizes, and what happens in one place only. */

import fs from 'node:fs';
import path from 'node:path';
import {
  type ArrowFunctionExpression,
  type Function as FunctionNode,
  type Node,
  type Program,
  parseSync,
  type Span,
  Visitor,
} from 'oxc-parser';
import { describe, expect, test } from 'vitest';
import { allowedImports } from '../support/rooms.ts';

interface Source {
  readonly file: string;
  readonly lines: number;
  /** Text without comments. */
  readonly code: string;
  /** Files and modules that are imported at run time: at load, and later by `import()`. */
  readonly imports: readonly string[];
  readonly lazyImports: readonly string[];
  readonly functions: readonly { readonly name: string; readonly lines: number; readonly isFlat: boolean }[];
}

/** Entries of a table and cases of a switch have at most this many lines. */
const maxEntryLines = 12;

const sources = fs
  .readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.[cm]?ts$/.test(file))
  .map(readSource);

function readSource(file: string): Source {
  const text = fs.readFileSync(path.join('src', file), 'utf8');
  const { program, module, comments } = parseSync(file, text);
  const resolve = (specifier: string): string =>
    specifier.startsWith('.') ? path.join(path.dirname(file), specifier) : specifier;
  const exported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, isType }) => (moduleRequest === null || isType ? [] : [moduleRequest.value])),
  );
  const imported = module.staticImports
    .filter(({ entries }) => entries.length === 0 || entries.some(({ isType }) => !isType))
    .map(({ moduleRequest }) => moduleRequest.value);
  const lazy = module.dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start + 1, end - 1));
  return {
    file,
    lines: text.split('\n').length - 1,
    code: comments.reduceRight((code, { start, end }) => code.slice(0, start) + code.slice(end), text),
    imports: [...imported, ...exported].map(resolve),
    lazyImports: lazy.map(resolve),
    functions: functionsOf(program, text),
  };
}

function functionsOf(program: Program, text: string): Source['functions'] {
  const functions: Source['functions'][number][] = [];
  const linesOf = ({ start, end }: Span): number => text.slice(start, end).split('\n').length;
  const names = new Map<number, string>();
  const nameOf = (key: Node, value: Node | null): void => {
    if (value !== null) names.set(value.start, text.slice(key.start, key.end));
  };
  const add = (node: FunctionNode | ArrowFunctionExpression): void => {
    const name = node.id?.name ?? names.get(node.start) ?? '';
    functions.push({ name, lines: linesOf(node), isFlat: isFlat(node, linesOf) });
  };
  new Visitor({
    VariableDeclarator: ({ id, init }) => nameOf(id, init),
    Property: ({ key, value }) => nameOf(key, value),
    MethodDefinition: ({ key, value }) => nameOf(key, value),
    FunctionDeclaration: add,
    FunctionExpression: add,
    ArrowFunctionExpression: add,
  }).visit(program);
  return functions;
}

/**
 * A flat function is one table or one switch, after nothing but declarations of constants: it returns an object or an
 * array, or it switches, and every entry or case is short.
 */
function isFlat({ body }: FunctionNode | ArrowFunctionExpression, linesOf: (node: Span) => number): boolean {
  const statements = body?.type === 'BlockStatement' ? body.body : [];
  const last = statements.at(-1);
  if (statements.slice(0, -1).some(({ type }) => type !== 'VariableDeclaration')) return false;
  const value = last?.type === 'ReturnStatement' ? last.argument : body;
  const entries =
    last?.type === 'SwitchStatement'
      ? last.cases
      : value?.type === 'ObjectExpression'
        ? value.properties
        : value?.type === 'ArrayExpression'
          ? value.elements
          : undefined;
  return entries?.every((entry) => entry === null || linesOf(entry) <= maxEntryLines) === true;
}

/** The room of a file: the first folder of its path, or the file itself at the root of src. */
const roomOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file);

const isSource = (name: string): boolean => sources.some(({ file }) => file === name);

describe('imports', () => {
  test('go one way, from room to room', () => {
    const wrong = sources.flatMap(({ file, imports, lazyImports }) => {
      const room = roomOf(file);
      expect(allowedImports, `${file} is in no known room`).toHaveProperty([room]);
      return [...imports, ...lazyImports]
        .filter(isSource)
        .filter((target) => ![room, 'shared', ...(allowedImports[room] ?? [])].includes(roomOf(target)))
        .map((target) => `${file} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test('form no circle at run time', () => {
    const importsOf = new Map(sources.map(({ file, imports }) => [file, imports.filter(isSource)]));
    const done = new Set<string>();
    const circles: string[] = [];
    const follow = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (path.includes(file) || done.has(file)) return;
      for (const target of importsOf.get(file) ?? []) follow(target, [...path, file]);
      done.add(file);
    };
    for (const { file } of sources) follow(file, []);
    expect(circles).toEqual([]);
  });

  test.each(['supervise/state-machine.ts', 'watch/filter.ts', 'watch/pattern.ts', 'watch/debounce.ts'])(
    'of %s have no effects',
    (file) => {
      const pure = [
        'node:path',
        'picomatch',
        'watch/default-ignores.ts',
        // Reads the time only to give up a pattern that takes too long.
        'watch/glob-test.ts',
        'watch/paths.ts',
        'watch/pattern.ts',
        'shared/unreachable.ts',
      ];
      const source = sources.find((candidate) => candidate.file === file);
      expect(source).toBeDefined();
      expect(source?.imports.filter((name) => !pure.includes(name))).toEqual([]);
    },
  );
});

const filesWith = (pattern: RegExp): string[] =>
  sources.filter(({ code }) => pattern.test(code)).map(({ file }) => file);

describe('in one place only', () => {
  test('the process is exited: cli', () => {
    expect(filesWith(/process\.(exit\(|exitCode)/).filter((file) => roomOf(file) !== 'cli')).toEqual([]);
  });

  test('something is printed: cli, the reporter, the daemon', () => {
    const others = (file: string): boolean =>
      roomOf(file) !== 'cli' && !['terminal/reporter.ts', 'background/daemon.ts'].includes(file);
    expect(filesWith(/console\.|process\.std(out|err)\.write\(|writeSync\(process\.std/).filter(others)).toEqual([]);
    expect(filesWith(/process\.std(out|err)/).filter((file) => others(file) && roomOf(file) !== 'terminal')).toEqual(
      [],
    );
    const writing = filesWith(/process\.std(out|err)\.write\(/).filter((file) => roomOf(file) === 'cli');
    // The second one clears the screen.
    expect(writing).toEqual(['cli/print.ts', 'cli/terminal-input.ts']);
    expect(filesWith(/from 'kleur'/)).toEqual(['terminal/reporter.ts']);
  });

  test('the platform is determined: process/platform.ts', () => {
    expect(filesWith(/process\.platform/)).toEqual(['process/platform.ts']);
  });
});

describe('size', () => {
  test('no file but the table of options has more than 400 lines', () => {
    const long = sources.filter(({ file, lines }) => lines > 400 && file !== 'config/options.ts');
    expect(long.map(({ file }) => file)).toEqual([]);
  });

  test('no function that is not flat has more than 60 lines', () => {
    const long = sources.flatMap(({ file, functions }) =>
      functions
        .filter(({ lines, isFlat }) => lines > 60 && !isFlat)
        .map(({ name, lines }) => `${file}: ${name} has ${lines}`),
    );
    expect(long).toEqual([]);
  });
});
