import fs from 'node:fs';
import path from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, test } from 'vitest';
import { keepsOrder, loadsForOthers, type OwnCode, ownCodeOf } from '../../../../src/process/standby/own-code.ts';

const read = (text: string, file = 'a.ts'): OwnCode => ownCodeOf(file, text);
const namesIn = (text: string, file?: string): string[] => read(text, file).imports.map(({ name }) => name);

describe('a file is read as inert', () => {
  test.each([
    'export function f(a = g()): string { return h(a); }',
    'export async function* f() { await g(); }\nexport const b = 1, c = [1, "a", { d: -1, e() { return f(); } }];',
    'export class A extends B { x = f(); static async make() { return f(); } get y() { return 1; } }',
    'export abstract class A<T extends { a: string }> implements B { private readonly a: string[] = f(); }',
    'interface A { b(): string }\ntype C<T> = A | (() => T)\n  | { d: string };\nexport type { A };',
    'export enum A { B = 1 << 2, C = "c" }\ndeclare module "x" { const y: string }\nexport default A;',
    'const f = (a: string): void => g(a)\nconst h = async ({ b }) => { g(b) }\nlet i: string\nexport { f, h, i };',
    '"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\nexports.a = exports.b = void 0;\nfunction a() {}\nexports.a = a;',
    'var __decorate = (this && this.__decorate) || function (d, t) { return f(d, t); };\nconst x = /["\'`{]/g;\nmodule.exports = { x, y: 60 * 60 };',
  ])('%s', (text) => {
    expect(read(text)).toMatchObject({ isInert: true, imports: [] });
  });
});

describe('a file is not read as inert', () => {
  test.each([
    'f();',
    'const a = f();',
    'const a = new B()',
    'const a = b.c;',
    `const a = \`\${b}\`;`,
    'const a = b`c`',
    'const a = { ...b };',
    'const a = [...b]',
    'const a = { [b]: 1 };',
    'const a = 1 + b;',
    'const { a } = b;',
    'const a = function () {}();',
    'const a = function () {}\n()',
    '(() => f())();',
    '@f class A {}',
    'export class A { @f() b; }',
    'export class A { static b = f(); }',
    'export class A { static { f(); } }',
    'export class A { [f()]() {} }',
    'export class A { a = 1\n [f()] = 2 }',
    'export class A extends f() {}',
    'export class A extends b.C {}',
    'export default f();',
    'export default class extends f {}\nf();',
    'enum A { B = f() }',
    'let a: B\nf()',
    'type A = B\nf()',
    'type A = B\n(f())',
    'type A = B\n[f()]',
    'interface A {}\nf()',
    'function a(): { b: string } { return c } f()',
    'exports.a = f();',
    'module.exports = f(1)',
    'module.paths.push("x")',
    'if (a) f();',
    'for (;;) f();',
    'label: f();',
    'await f();',
    'import a = b.c;',
    'import { a } from "b"; a.c = 1;',
    'const a = /[/]"/; f("")',
    'const a = "not closed',
    'const a = {',
    "import('a')",
  ])('%s', (text) => {
    expect(read(text).isInert).toBe(false);
  });

  test('if it is none of the known languages', () => {
    expect(ownCodeOf('a.coffee', '').isInert).toBe(false);
    expect(ownCodeOf('a.json', '{').isInert).toBe(true);
  });
});

test('imports are read in order, with the places of code between them', () => {
  const text = `#!/usr/bin/env node
    'use strict';
    import 'a'; import b, { c as d, type e } from 'b' // import 'no'
    import type { f } from 'no'; import * as g from "c"
    export * from './d'; export { h } from './e'; import i = require('f')
    import j, * as k from 'g' with { type: 'json' };
    function between() { require('no'); }
    d.set('x'); import 'no'
    import 'h';
    import 'i';`;
  expect(namesIn(text)).toEqual(['a', 'b', 'c', './d', './e', 'f', 'g', 'h', 'i']);
  expect(read(text).imports.flatMap(({ name, isBehindCode }) => (isBehindCode ? [name] : []))).toEqual(['h']);
  expect(read(text).loadsLater).toBe(true);
});

test('calls of require are read in order, with what is read of their exports', () => {
  const text = `const a = require('a'), { b, c: d } = require("b");
    var e_1 = __importDefault(require('c')); const f = tslib_1.__importStar(require("d"));
    __exportStar(require("./e"), exports); require('f'); const g = require('g').h;
    module.exports = require('./i');
    const j = require('j')(a);
    const k = require('k');
    if (a) { require('no') }
    call(
      require('no'));
    const { l } = require('l')
    f(`;
  const { imports, isInert } = read(text, 'a.js');
  expect(imports.map(({ name, reads }) => [name, ...reads].join(' '))).toEqual([
    'a',
    'b b c',
    'c',
    'd',
    './e',
    'f',
    'g h',
    './i',
    'j',
    'k',
    'l l',
  ]);
  expect(imports.flatMap(({ name, isBehindCode }) => (isBehindCode ? [name] : []))).toEqual(['k', 'l']);
  expect(isInert).toBe(false);
});

test('a compiler leaves out imports of TypeScript alone, and not those without names', () => {
  const canBeElided = (file: string): boolean[] =>
    read("import 'a'; import { b } from 'b';", file).imports.map((one) => one.canBeElided);
  expect(canBeElided('a.ts')).toEqual([false, true]);
  expect(canBeElided('a.js')).toEqual([false, false]);
});

test('imported names that are evaluated are read from what was imported', () => {
  expect(read("import { A as B } from 'a';\nexport class C extends B {}").imports[0]?.reads).toEqual(['A']);
});

const service = "import { A, B } from 'a';\n@A()\nexport class C { b: B; make() { return new B(1); } }";

test.each<[boolean, string]>([
  [true, service.replace('(1)', '(2)')],
  [true, `${service}\nexport const d = new B(3);`],
  [false, service.replace('new B(1)', '1')],
  [false, `f();\n${service}`],
])('code stands at the same places: %s, after a save of %s', (keeps, text) => {
  expect(keepsOrder(read(service), read(text))).toBe(keeps);
});

test.each<[boolean, string]>([
  [true, "import { createRequire } from 'x';"],
  [true, "require.main.require('a')"],
  [true, 'module.parent.require("a")'],
  [true, "const M = require('module');"],
  [true, 'delete require.cache[file]'],
  [false, 'if (require.main === module) main(require.resolve("a"));\nmodule.exports = {};'],
])('a text may load files in the name of another one: %s, %s', (may, text) => {
  expect(loadsForOthers(text)).toBe(may);
});

/** Types of syntax that may call something where a file evaluates them. */
const calling =
  /^(?:Call|New|TaggedTemplate|Member|Await|Update|Import)Expression$|^Decorator$|^StaticBlock$|^(?:If|For|ForIn|ForOf|While|Try|Throw|Switch)Statement$/;

/** Returns what a module evaluates when it is loaded, as a parser sees it. */
function evaluated(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(evaluated);
  if (typeof node !== 'object' || node === null) return [];
  const { type = '', ...rest } = node as { readonly type?: string; readonly [key: string]: unknown };
  if (/Function|^ArrowFunction|^Import(?:Declaration|Attribute)|^ExportAll|^TSInterface|^TSType/.test(type)) return [];
  if (type === 'ClassBody') {
    const members = rest.body as readonly {
      readonly static?: boolean;
      readonly computed?: boolean;
      readonly value: unknown;
    }[];
    return members.flatMap((one) =>
      one.static === true ? evaluated(one.value) : one.computed === true ? ['computed'] : [],
    );
  }
  return [...(calling.test(type) ? [type] : []), ...Object.values(rest).flatMap(evaluated)];
}

test('no file of devwatch that is read as inert calls anything, as a parser sees it', () => {
  const folder = path.resolve('src');
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.m?ts$/.test(file));
  const texts = files.map((file) => [file, fs.readFileSync(path.join(folder, file), 'utf8')] as const);
  const inert = texts.filter(([file, text]) => ownCodeOf(file, text).isInert);
  expect(inert.length).toBeGreaterThan(50);
  expect(
    inert.filter(([file, text]) => evaluated(parseSync(file, text).program.body).length > 0).map(([file]) => file),
  ).toEqual([]);
});
