import fs from 'node:fs';
import { expect, test } from 'vitest';
import type { LoadFacts } from '../../../../src/preload/protocol.ts';
import { ownFileFor } from '../../../../src/process/standby/import-lines.ts';
import { ownCodeOf } from '../../../../src/process/standby/own-code.ts';
import { OwnOrder } from '../../../../src/process/standby/own-order.ts';
import { createProject } from '../../../support/project.ts';

const packages = Object.fromEntries(['one', 'two'].map((name) => [`node_modules/${name}/index.js`, '']));
const imports = "import { one } from 'one';\nimport { own } from './own';\nimport { two } from 'two';\n";

/** Files that a run has loaded, in order, with the ones that asked for them. */
type Loads = readonly (readonly [file: string, parent?: string])[];
const direct: Loads = [['main.ts'], ['one', 'main.ts'], ['own.ts', 'main.ts'], ['two', 'main.ts']];
const withoutOwn: Loads = [['main.ts'], ['one', 'main.ts'], ['two', 'main.ts']];

test.each<[isClear: boolean, what: string, files: Readonly<Record<string, string>>, loads: Loads]>([
  [true, 'a file that declares', { 'main.ts': `${imports}one(two, own);`, 'own.ts': 'export const own = 1;' }, direct],
  [false, 'a file that calls something', { 'main.ts': imports, 'own.ts': 'f();' }, direct],
  [false, 'a call', { 'main.ts': `import { one } from 'one';\none();\nimport 'two';` }, withoutOwn],
  [false, 'a call between two others', { 'main.ts': `f();\nimport 'one';\none();\nimport 'two';` }, withoutOwn],
  [false, 'code that loads them', { 'main.ts': `f(require('one'), g(), require('two'));` }, withoutOwn],
  [true, 'a call ahead of them', { 'main.ts': `f();\nimport 'one';\nimport 'two';` }, withoutOwn],
  [true, 'an import of types that are left out', { 'main.ts': imports, 'own.ts': 'export type own = 1;' }, withoutOwn],
  [false, 'an import that is left out, of a file with code', { 'main.ts': imports, 'own.ts': 'f();' }, withoutOwn],
  [
    false,
    'imports that may be left out, before the code that loads the packages',
    { 'main.ts': `${imports}one();\nrequire('two');`, 'own.ts': '' },
    direct,
  ],
  [
    false,
    'the code of a file, which loads the second one by a function of another file',
    {
      'main.ts': "import { one } from 'one';\nimport { load } from './own';\none(load);",
      'own.ts': 'export const load = (f) => f();',
    },
    direct,
  ],
  [
    false,
    'the end of a file',
    { 'main.ts': "import './own';\nimport 'two';", 'own.ts': "import { one } from 'one';\none();" },
    [['main.ts'], ['own.ts', 'main.ts'], ['one', 'own.ts'], ['two', 'main.ts']],
  ],
  [
    false,
    'the end of a file that loads by its code',
    { 'main.ts': "import './own';\nimport 'two';", 'own.ts': "f(require('one')).g();" },
    [['main.ts'], ['own.ts', 'main.ts'], ['one', 'own.ts'], ['two', 'main.ts']],
  ],
  [
    true,
    'the end of a file that only imports',
    { 'main.ts': "import './own';\nimport 'two';", 'own.ts': "import 'one';\nexport class Own { one = one(); }" },
    [['main.ts'], ['own.ts', 'main.ts'], ['one', 'own.ts'], ['two', 'main.ts']],
  ],
])('between two packages no code of the program has run: %s, behind %s', async (isClear, _, files, loads) => {
  await using project = createProject({ ...packages, ...files });
  const at = (name: string): string => project.at(name in files ? name : `node_modules/${name}/index.js`);
  const entries: LoadFacts['entries'][number][] = [];
  const own: LoadFacts['own'][number][] = [];
  for (const [name, parent] of loads) {
    const asking = parent === undefined ? undefined : at(parent);
    if (name in files) own.push({ file: at(name), parent: asking, entriesBefore: entries.length });
    else entries.push({ file: at(name), parent: asking, kind: 'require' });
  }
  const places = new Map(entries.map(({ file }, index) => [file, index]));
  const order = new OwnOrder({
    facts: { isCommonJs: true, entries, variables: {}, own },
    ownFileFor,
    loadsForOthers: false,
    codeOf: (file) => ownCodeOf(file, fs.readFileSync(file, 'utf8')),
    entryOf: (file) => places.get(file),
    accessorsOf: () => [],
  });
  expect(order.isClear(0, 1)).toBe(isClear);
});
