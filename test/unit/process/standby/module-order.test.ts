import fs from 'node:fs';
import { expect, test } from 'vitest';
import type { ModulePackages } from '../../../../src/preload/protocol.ts';
import { ownFilesFor } from '../../../../src/process/standby/import-lines.ts';
import { ModuleOrder } from '../../../../src/process/standby/module-order.ts';
import { ownCodeOf } from '../../../../src/process/standby/own-code.ts';
import { createProject } from '../../../support/project.ts';

const names = ['one', 'two', 'getters', 'modern', 'wrapper'];
const installed = Object.fromEntries(names.map((name) => [`node_modules/${name}/index.js`, '']));
const code = 'f();';

interface Row {
  /** The packages that the program gets before any code has run. */
  readonly first: string;
  readonly files: Readonly<Record<string, string>>;
  readonly packages?: Partial<ModulePackages>;
  readonly own?: readonly string[];
}

const esm = (text: string, files: Row['files'] = {}): Row['files'] => ({ 'main.mjs': text, ...files });
const ts = (text: string, files: Row['files'] = {}): Row['files'] => ({ 'main.ts': text, ...files });

test.each<[what: string, Row]>([
  [
    'all imports come before the code of a file',
    { first: 'one two', files: esm(`import 'one'; ${code} import 'two';`) },
  ],
  [
    'a file that declares runs no code',
    {
      first: 'one two',
      files: esm(`import 'one'; import './a.mjs'; import 'two';`, { 'a.mjs': 'export const a = 1;' }),
    },
  ],
  [
    'a file with code comes between',
    { first: 'one', files: esm(`import 'one'; import './a.mjs'; import 'two';`, { 'a.mjs': code }) },
  ],
  [
    'a file with code comes between, below another one',
    {
      first: 'one',
      files: esm(`import 'one'; import './a.mjs'; import 'two';`, {
        'a.mjs': "export * from './b.mjs';",
        'b.mjs': code,
      }),
    },
  ],
  [
    'the packages of a file come before its code',
    {
      first: 'one two',
      files: esm(`import './a.mjs';`, { 'a.mjs': `${code} export { two } from 'two'; import 'one';` }),
    },
  ],
  [
    'a file waits at the top level',
    { first: '', files: esm(`import './a.mjs'; import 'one';`, { 'a.mjs': 'export const a = await b;' }) },
  ],
  [
    'a file is imported again behind code',
    {
      first: 'one',
      files: esm(`import './a.mjs'; import './b.mjs'; import './a.mjs'; import 'two';`, {
        'a.mjs': "import 'one';",
        'b.mjs': code,
      }),
    },
  ],
  [
    'files import each other',
    {
      first: 'one',
      files: esm(`import './a.mjs'; import 'two';`, {
        'a.mjs': `import 'one'; import { f } from './main.mjs'; ${code}`,
      }),
    },
  ],
  [
    'a compiler may leave out an import, and the package is imported again behind code',
    {
      first: 'two',
      files: ts(`import { T } from 'one'; import 'two'; import './a.ts'; import './b.ts';`, {
        'a.ts': code,
        'b.ts': "import { one } from 'one';",
      }),
    },
  ],
  [
    'a compiler may leave out a file, which is imported again behind code',
    {
      first: 'two',
      files: ts(`import { T } from './b.ts'; import 'two'; import './a.ts'; import './b.ts';`, {
        'a.ts': code,
        'b.ts': "import 'one';",
      }),
    },
  ],
  [
    'a compiler may leave out a file with code',
    { first: 'one', files: ts(`import 'one'; import { a } from './a.ts'; import 'two';`, { 'a.ts': code }) },
  ],
  [
    'a compiler leaves out an import of types',
    {
      first: 'one two',
      files: ts(`import 'one'; import type { A } from './a.ts'; import { two } from 'two'; two();`, { 'a.ts': code }),
    },
  ],
  [
    'a package is imported again behind code, but has been imported before for sure',
    {
      first: 'one two',
      files: esm(`import 'one'; import 'two'; import './a.mjs'; import './b.mjs';`, {
        'a.mjs': code,
        'b.mjs': "import 'one';",
      }),
    },
  ],
  [
    'Node calls accessors of a package',
    { first: 'one getters', files: esm("import 'one'; import 'getters'; import 'two';") },
  ],
  ['an ES module of a package acts', { first: 'one', files: esm("import 'one'; import 'wrapper'; import 'two';") }],
  [
    'an ES module of a package does not know others',
    { first: 'one two', files: esm("import 'one'; import 'modern'; import 'two';") },
  ],
  [
    'the compiled code does not import a package',
    { first: 'two', files: ts("import { T } from 'one'; import 'two';"), packages: { asked: ['two'] } },
  ],
  [
    'an ES module of a package imports the same package',
    { first: 'two', files: esm("import 'one'; import 'two';"), packages: { needed: ['one'] } },
  ],
  ['modules of Node are no code', { first: 'one', files: esm("import 'node:fs'; import os from 'os'; import 'one';") }],
  [
    'data are no code',
    { first: 'one', files: esm("import a from './a.json' with { type: 'json' }; import 'one';", { 'a.json': '{}' }) },
  ],
  [
    'a package of types is left out, or is not known',
    { first: '', files: ts("import { Type } from 'types'; import 'one';") },
  ],
  ['a name cannot be resolved', { first: '', files: esm("import 'one'; import '#a';") }],
  [
    'a name is an alias of a file',
    { first: '', files: esm("import 'one'; import 'two';", { 'alias.mjs': code }), own: ['main.mjs', 'alias.mjs'] },
  ],
  [
    'a name may stand for two files',
    { first: '', files: esm("import 'one'; import './a.js';", { 'a.js': '', 'a.ts': '' }) },
  ],
  ['a name has a query', { first: '', files: esm("import 'one'; import './a.mjs?b';", { 'a.mjs': '' }) }],
  ['a file is not understood', { first: '', files: esm("import 'one'; import './a.mjs';", { 'a.mjs': '`' }) }],
  ['a name has an escape', { first: '', files: esm(`import 'one'; ${code} import './\\x61.mjs';`, { 'a.mjs': code }) }],
  ['a file requires', { first: 'one', files: ts("import 'one'; import two = require('two');") }],
  ['a script is loaded', { first: '', files: esm("import 'one'; import './a.cjs';", { 'a.cjs': '' }) }],
])('an ES module gets packages before code has run: %s', async (_, { first, files, packages = {}, own }) => {
  await using project = createProject({ ...installed, ...files });
  const entries = ['one', 'two', 'getters'].map((name) => ({
    file: project.at(`node_modules/${name}/index.js`),
    kind: 'import' as const,
  }));
  const scripts = Object.keys(files).filter((name) => /\.(?:cjs|json)$/.test(name));
  const order = new ModuleOrder({
    script: project.at(Object.keys(files)[0] ?? ''),
    facts: {
      isCommonJs: false,
      entries,
      variables: {},
      own: scripts.map((name) => ({ file: project.at(name), entriesBefore: 0 })),
    },
    ownFilesFor,
    codeOf: (file) => ownCodeOf(file, fs.readFileSync(file, 'utf8')),
    accessorsOf: (file) => (file.includes('getters') ? ['value'] : []),
    packages: {
      own: (own ?? []).map(project.at),
      asked: ['one', 'two', 'getters'],
      names: ['modern', 'wrapper'],
      acting: ['wrapper'],
      needed: [],
      ...packages,
    },
  });
  const found = entries.filter(({ file }) => order.isFirst(file)).map(({ file }) => file.split('/').at(-2));
  expect(found.join(' ')).toBe(first);
});
