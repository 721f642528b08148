/** Random programs with random packages, and random edits of both. */

import fc from 'fast-check';

/** Numbers that mean something else for each kind. */
export interface Statement {
  readonly kind: Kind;
  /** The package that it is about. */
  readonly to: number;
  readonly n: number;
  readonly flag: boolean;
  readonly when: (typeof conditions)[number];
  readonly isGuarded: boolean;
}

export interface Edit {
  readonly kind: (typeof editKinds)[number];
  readonly file: number;
  readonly at: number;
  readonly statement: Statement;
}

type PackageForm = 'commonjs' | 'module' | 'both';

export interface Graph {
  /** The statements of `index.js` of each package, and of another file of it. */
  readonly packages: readonly { readonly index: readonly Statement[]; readonly extra: readonly Statement[] }[];
  /** The statements of the script, and of two files that it may ask for. */
  readonly program: readonly (readonly Statement[])[];
  readonly edits: readonly Edit[];
  /** Whether the program consists of ES modules, and what each package is made of. */
  readonly forms: { readonly program: 'commonjs' | 'module'; readonly packages: readonly PackageForm[] };
  /** How many entries are loaded before the release. */
  readonly count: number;
  /** Names of properties that the program is known to change. */
  readonly learned: readonly string[];
}

/** `package`: of its files; `manifest`: another entry file, as an update may bring it; `removal`: of a package. */
const editKinds = ['insert', 'remove', 'swap', 'config', 'wanted', 'package', 'manifest', 'removal'] as const;

const conditions = ['', '', '', '', '', '', '', '', 'process.env.V0', 'globalThis.g0', 'wanted'] as const;

/** Kinds of which each graph has a few: with all of them, hardly a package could be loaded ahead of time. */
const kinds = [
  ...[
    'getEnv',
    'hasEnv',
    'listEnv',
    'setEnv',
    'configEnv',
    'deleteEnv',
    'getGlobal',
    'setGlobal',
    'addGlobal',
    'deleteGlobal',
  ],
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
  ...['addExtension', 'stackLimit', 'await'],
] as const;
const always = ['require', 'lazy', 'callLazy', 'own', 'look'] as const;
export type Kind = (typeof kinds | typeof always)[number];

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
    kind: fc.constantFrom(...editKinds, 'insert', 'insert', 'insert', 'remove', 'swap', 'config', 'wanted', 'package'),
    file: fc.constantFrom(0, 0, 0, 1, 2),
    at: fc.nat(8),
    statement: statement(some),
  });

const graphWith = (
  inPackages: readonly Kind[],
  inProgram: readonly Kind[],
  forms: fc.Arbitrary<Graph['forms']>,
): fc.Arbitrary<Graph> =>
  fc.record({
    forms,
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

const graphsOf = (forms: fc.Arbitrary<Graph['forms']>): fc.Arbitrary<Graph> =>
  fc
    .tuple(some(4), some(4))
    .chain(([inPackages, inProgram]) => graphWith(inPackages, [...inProgram, ...inPackages], forms));

const allOf = (form: PackageForm): PackageForm[] => Array.from({ length: packageCount }, () => form);

/** Programs of CommonJS. */
export const graphs: fc.Arbitrary<Graph> = graphsOf(fc.constant({ program: 'commonjs', packages: allOf('commonjs') }));

/** Programs with ES modules: of their own, or of packages. */
export const moduleGraphs: fc.Arbitrary<Graph> = graphsOf(
  fc.record({
    program: fc.constantFrom('module', 'module', 'commonjs'),
    packages: fc.array(fc.constantFrom('commonjs', 'commonjs', 'module', 'both'), {
      minLength: packageCount,
      maxLength: packageCount,
    }),
  }),
);

/** Returns graphs with a statement or an edit less, or with a simpler one. */
export function* smallerGraphs(graph: Graph): Generator<Graph> {
  for (const [at, form] of graph.forms.packages.entries()) {
    const packages = graph.forms.packages.with(at, 'commonjs');
    if (form !== 'commonjs') yield { ...graph, forms: { ...graph.forms, packages } };
  }
  if (graph.forms.program === 'module') yield { ...graph, forms: { ...graph.forms, program: 'commonjs' } };
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
