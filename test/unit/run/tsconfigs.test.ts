import { expect, test } from 'vitest';
import { realHost } from '../../../src/process/launch/host.ts';
import { importTargets, tsconfigFiles } from '../../../src/run/tsconfigs.ts';
import { createProject } from '../../support/project.ts';

const options = (compilerOptions: object, more: object = {}): string => JSON.stringify({ compilerOptions, ...more });

/** Returns the folders and the examples for `/app/api/tsconfig.json`, relative to `/app`. */
function targetsOf(files: Readonly<Record<string, string>>): string[] {
  const targets = importTargets('/app/api/tsconfig.json', { read: (file) => files[file] });
  return targets.map(({ folder, example }) => `${folder} ${example}`.replaceAll('/app/', ''));
}

test.each<[what: string, files: Readonly<Record<string, string>>, expected: readonly string[]]>([
  [
    'relative to the file that has the paths',
    {
      '/app/api/tsconfig.json': options({ paths: { a: ['../libs/a/src/index.ts'], 'b/*': ['./b/*', '../libs/b/*'] } }),
    },
    ['libs/a/src libs/a/src/index.ts', 'api/b api/b/x.ts', 'libs/b libs/b/x.ts'],
  ],
  [
    'relative to baseUrl, wherever that is set',
    {
      '/app/api/tsconfig.json': options({ paths: { a: ['libs/a'] } }, { extends: '../base.json' }),
      '/app/base.json': options({ baseUrl: '.', paths: { b: ['libs/b'] } }),
    },
    ['libs/a libs/a/index.ts'],
  ],
  [
    'relative to the base that has them, for all of the bases',
    {
      '/app/api/tsconfig.json': options({}, { extends: ['./one', '../two.json'] }),
      '/app/api/one.json': options({ paths: { a: ['one/*'] } }),
      '/app/two.json': options({ paths: { a: ['two/*/src'], home: [`$${'{configDir}'}/lib/*`] } }),
    },
    ['two two/x/src.ts', 'api/lib api/lib/x.ts'],
  ],
  [
    'with comments and commas too many',
    { '/app/api/tsconfig.json': '{ // a\n "compilerOptions": { "paths": { "a": ["../a,]/*", ], }, /* b */ }, }' },
    ['a,] a,]/x.ts'],
  ],
  [
    'of references, which name a folder or a file',
    {
      '/app/api/tsconfig.json': options({}, { references: [{ path: '../libs' }, { path: '../c/tsconfig.lib.json' }] }),
    },
    ['libs libs/index.ts', 'c c/index.ts'],
  ],
  ['of a file that is broken', { '/app/api/tsconfig.json': '{"compilerOptions": {"paths": {"a": [' }, []],
  ['of files that extend each other', { '/app/api/tsconfig.json': options({}, { extends: './tsconfig.json' }) }, []],
])('the folders to which imports lead are found %s', (_, files, expected) => {
  expect(targetsOf(files)).toEqual(expected);
});

test('the tsconfig of a script counts with all that it extends, and with the places where what is missing may appear', async () => {
  await using project = createProject({
    'api/src/server.ts': '',
    'api/src/server.js': '',
    'api/tsconfig.json': '{ "extends": ["../base.json", "@scope/there", "late", "./own"] }',
    'base.json': '{ "extends": "./deeper" }',
    'node_modules/@scope/there/tsconfig.json': '{}',
  });
  const found = tsconfigFiles(project.at('api/src/server.ts'), realHost).map((file) =>
    file.slice(project.path.length + 1),
  );
  expect(found.sort()).toEqual([
    'api/own',
    'api/own.json',
    'api/own/tsconfig.json',
    'api/tsconfig.json',
    'base.json',
    'deeper',
    'deeper.json',
    'deeper/tsconfig.json',
    'node_modules/@scope/there/tsconfig.json',
    'node_modules/late',
    'node_modules/late.json',
    'node_modules/late/tsconfig.json',
  ]);
  expect(tsconfigFiles(project.at('api/src/server.js'), realHost)).toEqual([]);
});
