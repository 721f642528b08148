/** Random programs with random packages, and random edits of the program. */

import fc from 'fast-check';
import type { BatchProgram } from './compare-programs.ts';

/** Numbers that mean something else for each kind. */
interface Statement {
  readonly kind: Kind;
  /** The package that it is about. */
  readonly to: number;
  readonly n: number;
  readonly flag: boolean;
  readonly when: (typeof conditions)[number];
  readonly isGuarded: boolean;
}

interface Edit {
  readonly kind: 'insert' | 'remove' | 'swap' | 'config' | 'wanted' | 'package';
  readonly file: number;
  readonly at: number;
  readonly statement: Statement;
}

export interface Graph {
  /** The statements of `index.js` of each package, and of another file of it. */
  readonly packages: readonly { readonly index: readonly Statement[]; readonly extra: readonly Statement[] }[];
  /** The statements of the script, and of two files that it may ask for. */
  readonly program: readonly (readonly Statement[])[];
  readonly edits: readonly Edit[];
  /** How many entries are loaded before the release. */
  readonly count: number;
  /** Names of properties that the program is known to change. */
  readonly learned: readonly string[];
}

const conditions = ['', '', '', '', '', '', '', '', 'process.env.V0', 'globalThis.g0', 'wanted'] as const;

/** Kinds of which each graph has a few: with all of them, hardly a package could be loaded ahead of time. */
const kinds = [
  ...['getEnv', 'hasEnv', 'listEnv', 'setEnv', 'deleteEnv', 'getGlobal', 'setGlobal', 'addGlobal', 'deleteGlobal'],
  ...['getInherited', 'enumerate', 'inherit', 'callBuiltin', 'wrapBuiltin', 'readConfig', 'folder', 'changeFolder'],
  ...[
    'countListeners',
    'listen',
    'main',
    'parent',
    'print',
    'throw',
    'timer',
    'fix',
    'look',
    'set',
    'push',
    'put',
    'nest',
  ],
  ...['add', 'items', 'make', 'wrapMethod', 'freeze', 'replaceExports', 'forgetSelf', 'forget', 'hookLoader'],
  ...['addExtension', 'stackLimit'],
] as const;
const always = ['require', 'lazy', 'callLazy', 'own', 'look'] as const;
type Kind = (typeof kinds | typeof always)[number];

const packageCount = 5;

const statement = (some: readonly Kind[]): fc.Arbitrary<Statement> =>
  fc.record({
    kind: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Kind>('require') },
      { weight: 3, arbitrary: fc.constantFrom(...some) },
      { weight: 1, arbitrary: fc.constantFrom<Kind[]>(...always) },
    ),
    to: fc.nat(packageCount - 1),
    n: fc.nat(2),
    flag: fc.boolean(),
    when: fc.constantFrom(...conditions),
    isGuarded: fc.integer({ min: 0, max: 9 }).map((one) => one > 0),
  });

const editWith = (some: readonly Kind[]): fc.Arbitrary<Edit> =>
  fc.record({
    kind: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'remove', 'swap', 'config', 'wanted', 'package'),
    file: fc.constantFrom(0, 0, 0, 1, 2),
    at: fc.nat(8),
    statement: statement(some),
  });

const graphWith = (inPackages: readonly Kind[], inProgram: readonly Kind[]): fc.Arbitrary<Graph> =>
  fc.record({
    packages: fc.array(
      fc.record({
        index: fc.array(statement(inPackages), { maxLength: 5, size: 'max' }),
        extra: fc.array(statement(inPackages), { maxLength: 2 }),
      }),
      { minLength: packageCount, maxLength: packageCount },
    ),
    program: fc.tuple(
      fc.array(statement(inProgram), { minLength: 1, maxLength: 10, size: 'max' }),
      fc.array(statement(inProgram), { maxLength: 5 }),
      fc.array(statement(inProgram), { maxLength: 3 }),
    ),
    edits: fc.array(editWith(inProgram), { maxLength: 3, size: 'max' }),
    count: fc.constantFrom(99, 99, 99, 99, 99, 99, 0, 1, 2, 3),
    learned: fc.subarray(['globalThis.g0', 'globalThis.g1', 'Array.prototype.ext0', 'node:querystring.escape']),
  });

const some = (count: number): fc.Arbitrary<Kind[]> => fc.subarray([...kinds], { minLength: 1, maxLength: count });

export const graphs: fc.Arbitrary<Graph> = fc
  .tuple(some(4), some(4))
  .chain(([inPackages, inProgram]) => graphWith(inPackages, [...inProgram, ...inPackages]));

const prelude = (self: string): string => `
const self = ${JSON.stringify(self)}, log = exports.log = [], path = require('node:path');
exports.list = []; exports.map = new Map(); exports.nested = { deep: {} };
let items = [];
exports.add = (one) => { items.push(one); };
exports.items = () => items.join();
exports.Thing = class { constructor() { this.items = items.join(); } };
const seen = (m) => m && [Object.keys(m).join(), Object.hasOwn(m, 'extra') && m.extra, (m.list || []).join(), Object.keys((m.nested || {}).deep || {}).join(), [...(m.map || []).keys()].join()].join('|');
const nameOf = (module) => module && path.basename(module.filename || '');
let p0, p1, p2, p3, p4;
`;

/** Returns the code of a statement. In a program, only some of them name the package that they are about. */
function codeOf({ kind, to, n, flag, when, isGuarded }: Statement, inProgram: boolean, at: string): string {
  const ask = `require('p${to}${n === 2 ? '/extra.js' : ''}')`;
  const it = inProgram ? `p${to}` : ask;
  const code: Readonly<Record<Kind, string>> = {
    require: `log.push(seen(p${to} = ${ask}));`,
    own: `log.push(seen(require('./o${n % 2}.js')));`,
    lazy: `exports.lazy${at} = () => ${flag ? `seen(${ask})` : `${ask}.items()`};`,
    callLazy: `for (const key of Object.keys(${it})) if (key.startsWith('lazy')) log.push(${it}[key]());`,
    getEnv: `log.push(process.env.V${n});`,
    hasEnv: `log.push('V${n}' in process.env);`,
    listEnv: `log.push(Object.keys(process.env).filter((key) => key.startsWith('V')).join());`,
    setEnv: `process.env.V${n} = ${flag ? 'self' : "'x'"};`,
    deleteEnv: `delete process.env.V${n};`,
    getGlobal: `log.push(typeof g${n}, globalThis.g${n});`,
    setGlobal: `globalThis.g${n} = ${flag ? 'self' : "'x'"};`,
    addGlobal: `globalThis.g${n} = (globalThis.g${n} || '') + self;`,
    deleteGlobal: `delete globalThis.g${n};`,
    getInherited: `log.push([].ext${n} && [].ext${n}());`,
    enumerate: `for (const key in []) log.push(key);`,
    inherit: `Object.defineProperty(Array.prototype, 'ext${n}', { value: () => self, enumerable: ${flag}, configurable: true, writable: true });`,
    callBuiltin: `log.push(${flag ? 'Math.cbrt(8)' : "require('node:querystring').escape('a')"});`,
    wrapBuiltin: flag
      ? `{ const old = Math.cbrt; Math.cbrt = (x) => self + old(x); }`
      : `{ const q = require('node:querystring'), old = q.escape; q.escape = (x) => self + old(x); }`,
    readConfig: `{ const file = ${flag ? "path.join(process.cwd(), 'config.txt')" : "path.join(__dirname, __dirname.includes('node_modules') ? '../..' : '.', 'config.txt')"}; log.push(require('node:fs').existsSync(file) && require('node:fs').readFileSync(file, 'utf8')); }`,
    folder: `log.push(path.basename(process.cwd()) === 'sub');`,
    changeFolder: `process.chdir('sub');`,
    countListeners: `log.push(process.listenerCount('ev${n}'));`,
    listen: `process.on('ev${n}', () => {});`,
    main: `log.push(nameOf(require.main), nameOf(process.mainModule));`,
    parent: `log.push(nameOf(module.parent));`,
    print: `console.log('printed by ' + self);`,
    throw: `throw new Error('thrown by ' + self);`,
    timer: `setTimeout(() => log.push('later'), 1);`,
    fix: `Object.defineProperty(globalThis, 'fixed' + __dirname, { value: self }); log.push(globalThis['fixed' + __dirname]);`,
    look: `log.push(seen(${it}));`,
    set: `${it}.extra = self;`,
    push: `${it}.list.push(self);`,
    put: `${it}.map.set(self, 1);`,
    nest: `${it}.nested.deep[self] = 1;`,
    add: `${it}.add(self);`,
    items: `log.push(${it}.items());`,
    make: `log.push(new (${it}.Thing)().items);`,
    wrapMethod: `{ const it = ${it}, old = it.items; it.items = () => self + old(); }`,
    freeze: `Object.freeze(${flag ? it : `${it}.list`});`,
    replaceExports: `module.exports = Object.assign(() => self, exports);`,
    forgetSelf: `delete require.cache[__filename];`,
    forget: `delete require.cache[require.resolve('p${to}')];`,
    hookLoader: flag
      ? `{ const M = require('node:module'), old = M._load; M._load = function (name, ...rest) { return name === 'p${to}' ? { hooked: self } : old.call(this, name, ...rest); }; }`
      : `{ const M = require('node:module'), old = M._resolveFilename; M._resolveFilename = function (name, ...rest) { return old.call(this, name === 'p${to}' ? 'p${n}' : name, ...rest); }; }`,
    addExtension: `require.extensions['.x${n}'] = () => {};`,
    stackLimit: `Error.stackTraceLimit = ${11 + n};`,
  };
  const whole = when === '' ? code[kind] : `if (${conditionIn(when, inProgram)}) { ${code[kind]} }`;
  return isGuarded && kind !== 'throw' ? `try { ${whole} } catch (e) { log.push(e.message.split('\\n')[0]); }` : whole;
}

const conditionIn = (when: string, inProgram: boolean): string => {
  if (when !== 'wanted') return when;
  return inProgram ? `require('./wanted.js')` : `process.env.V1`;
};

/** A package that removes modules from the cache in the midst of a cycle would be loaded for ever. */
const isLast = ({ kind }: Statement): boolean => kind === 'forgetSelf' || kind === 'forget';

function textOf(self: string, statements: readonly Statement[], inProgram: boolean): string {
  const ordered = inProgram
    ? statements
    : [...statements].sort((one, other) => Number(isLast(one)) - Number(isLast(other)));
  return `${prelude(self)}${ordered.map((one, index) => codeOf(one, inProgram, String(index))).join('\n')}\n`;
}

const ownNames = ['main', 'o0', 'o1'];

/** Returns the files of the program before its edits. */
export function filesOf({ packages, program }: Graph): Record<string, string> {
  const files: Record<string, string> = { 'sub/x': '', 'wanted.js': 'module.exports = false;' };
  for (const [index, name] of ownNames.entries()) files[`${name}.js`] = textOf(name, program[index] ?? [], true);
  for (const [index, one] of packages.entries()) {
    files[`node_modules/p${index}/index.js`] = textOf(`p${index}`, one.index, false);
    files[`node_modules/p${index}/extra.js`] = textOf(`e${index}`, one.extra, false);
  }
  return files;
}

/** Returns the files that the edits change, with their new text. */
export function editsOf({ program, packages, edits }: Graph): Record<string, string> {
  const files: Record<string, string> = {};
  const lists = ownNames.map((_, index) => [...(program[index] ?? [])]);
  for (const { kind, file, at, statement } of edits) {
    const list = lists[file] ?? [];
    if (kind === 'insert') list.splice(at, 0, statement);
    else if (kind === 'remove') list.splice(at, 1);
    else if (kind === 'swap' && at + 1 < list.length) list.splice(at, 2, ...list.slice(at, at + 2).reverse());
    else if (kind === 'config') files['config.txt'] = `config ${at}`;
    else if (kind === 'wanted') files['wanted.js'] = 'module.exports = true;';
    else if (kind === 'package') {
      const name = `p${statement.to}`;
      const statements = [...(packages[statement.to]?.index ?? []), statement];
      files[`node_modules/${name}/index.js`] = textOf(name, statements, false);
    }
  }
  for (const [index, list] of lists.entries())
    files[`${ownNames[index]}.js`] = textOf(ownNames[index] ?? '', list, true);
  return files;
}

export const programOf = (graph: Graph): BatchProgram => ({
  ...{ files: filesOf(graph), edits: editsOf(graph) },
  ...{ count: graph.count, learned: graph.learned },
});

/** Returns graphs with a statement or an edit less, or with a simpler one. */
export function* smallerGraphs(graph: Graph): Generator<Graph> {
  for (const edits of smallerLists(graph.edits, simplerEdits)) yield { ...graph, edits };
  for (const learned of smallerLists(graph.learned, () => [])) yield { ...graph, learned };
  for (const [at, list] of graph.program.entries()) {
    for (const one of smallerLists(list, simplerStatements)) yield { ...graph, program: graph.program.with(at, one) };
  }
  for (const [at, { index, extra }] of graph.packages.entries()) {
    const withPackage = (one: Graph['packages'][number]): Graph => ({
      ...graph,
      packages: graph.packages.with(at, one),
    });
    for (const one of smallerLists(index, simplerStatements)) yield withPackage({ index: one, extra });
    for (const one of smallerLists(extra, simplerStatements)) yield withPackage({ index, extra: one });
  }
}

function* smallerLists<Item>(
  list: readonly Item[],
  simpler: (item: Item) => readonly Item[],
): Generator<readonly Item[]> {
  if (list.length > 2) {
    yield list.slice(list.length / 2);
    yield list.slice(0, list.length / 2);
  }
  for (const at of list.keys()) yield list.toSpliced(at, 1);
  for (const [at, item] of list.entries()) for (const one of simpler(item)) yield list.with(at, one);
}

const simplerStatements = (one: Statement): Statement[] => [
  ...(one.when === '' ? [] : [{ ...one, when: '' as const }]),
  ...(one.isGuarded && one.kind !== 'throw' ? [{ ...one, isGuarded: false }] : []),
  ...(one.n === 0 ? [] : [{ ...one, n: 0 }]),
];

const simplerEdits = (one: Edit): Edit[] =>
  simplerStatements(one.statement).map((statement) => ({ ...one, statement }));
