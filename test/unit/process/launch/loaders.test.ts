import { describe, expect, test } from 'vitest';
import {
  adviseLoader,
  isLoader,
  type LoaderRequest,
  planLoader,
  splitOptions,
} from '../../../../src/process/launch/loaders.ts';
import { createHost } from '../../../support/host.ts';

const packages = {
  tsx: { 'node_modules/tsx/package.json': '{"exports":{".":"./loader.mjs"}}' },
  tsNode: {
    'node_modules/ts-node/package.json': '{"exports":{"./register":"./register/index.js","./esm":"./esm.mjs"}}',
    'node_modules/typescript/package.json': '{}',
  },
  swc: {
    'node_modules/@swc-node/register/package.json':
      '{"exports":{".":{"node":"./index.js"},"./esm-register":{"import":"./esm/esm-register.mjs"}}}',
    'node_modules/@swc/core/package.json': '{}',
  },
  esbuild: {
    'node_modules/esbuild-register/package.json': '{"exports":{".":"./register.js"}}',
    'node_modules/esbuild/package.json': '{}',
  },
};

const metadata = '{ "compilerOptions": { "emitDecoratorMetadata": true } }';
const isModule = { 'package.json': '{"type":"module"}' };

type Files = Readonly<Record<string, string>>;

const installed = {
  tsx: ['--import', 'file:///app/node_modules/tsx/loader.mjs'],
  tsNode: ['--require', '/app/node_modules/ts-node/register/index.js'],
  swc: ['--require', '/app/node_modules/@swc-node/register/index.js'],
  esbuild: ['--require', '/app/node_modules/esbuild-register/register.js'],
  tsNodeEsm: [
    '--import',
    'data:text/javascript,import{register}from"node:module";register("file:///app/node_modules/ts-node/esm.mjs")',
  ],
  swcEsm: ['--import', 'file:///app/node_modules/@swc-node/register/esm/esm-register.mjs'],
};

function plan(files: Files, request: Partial<LoaderRequest> = {}, stripsTypes = false) {
  const { script = '/app/src/main.ts' } = request;
  const full = { word: script.slice('/app/'.length), folder: '/app', nodeArgs: [], env: {}, ...request, script };
  return planLoader(full, createHost(files, { stripsTypes }));
}

describe('without a loader of the user, a script gets', () => {
  test.each<[what: string, files: Files, flags: readonly string[]]>([
    ['tsx first', { ...packages.tsx, ...packages.tsNode, ...packages.swc, ...packages.esbuild }, installed.tsx],
    ['ts-node before swc-node', { ...packages.swc, ...packages.tsNode, ...packages.esbuild }, installed.tsNode],
    ['swc-node before esbuild-register', { ...packages.swc, ...packages.esbuild }, installed.swc],
    ['esbuild-register', packages.esbuild, installed.esbuild],
    ['no package whose peer is missing', { 'node_modules/ts-node/package.json': '{}', ...packages.swc }, installed.swc],
    [
      'for decorator metadata, the first that emits it',
      { ...packages.tsx, ...packages.swc, 'tsconfig.json': metadata },
      installed.swc,
    ],
    [
      'for decorator metadata of a tsconfig that is extended',
      {
        ...packages.tsx,
        ...packages.tsNode,
        'tsconfig.json': '// shared\n{ "extends": ["./base.json", "@acme/tsconfig"], /* no more */ }',
        'base.json': '{ "compilerOptions": { "emitDecoratorMetadata": false } }',
        'node_modules/@acme/tsconfig/tsconfig.json': metadata,
      },
      installed.tsNode,
    ],
    [
      'tsx where the own tsconfig switches the metadata off',
      {
        ...packages.tsx,
        ...packages.tsNode,
        'tsconfig.json': '{ "extends": "./base", "compilerOptions": { "emitDecoratorMetadata": false } }',
        'base.json': metadata,
      },
      installed.tsx,
    ],
    [
      'tsx where the metadata is in a comment',
      {
        ...packages.tsx,
        ...packages.swc,
        'tsconfig.json': '{ "compilerOptions": { /* "emitDecoratorMetadata": true */ } }',
      },
      installed.tsx,
    ],
    ['hooks of ts-node in a package of modules', { ...packages.tsNode, ...isModule }, installed.tsNodeEsm],
    [
      'the module of swc-node in a package of modules, which esbuild-register cannot load',
      { ...packages.esbuild, ...packages.swc, ...isModule },
      installed.swcEsm,
    ],
    [
      'the loader nearest to it',
      {
        ...packages.tsNode,
        'src/node_modules/tsx/package.json': '{"main":"./main.mjs"}',
        'src/node_modules/tsx/main.mjs': '',
      },
      ['--import', 'file:///app/src/node_modules/tsx/main.mjs'],
    ],
  ])('%s', (_, files, flags) => {
    expect(plan(files).nodeArgs).toEqual(flags);
  });

  test('no flag where Node itself strips types', () => {
    expect(plan({}, {}, true)).toEqual({ nodeArgs: [], variables: {} });
  });
});

test.each<[what: string, flags: readonly string[], options?: string, files?: Files]>([
  ['a required package', ['-r', 'ts-node/register']],
  ['a required file of a package', ['--require=/other/node_modules/@swc-node/register/index.js']],
  ['an imported package', ['--import', 'tsx']],
  ['a package with hooks', ['--loader', 'ts-node/esm']],
  ['any hooks of the project', ['--experimental-loader=./hooks.mjs']],
  [
    'a module that registers it',
    ['--import', './register.mjs'],
    '',
    { 'register.mjs': "register('ts-node/esm', './');" },
  ],
  ['a module without its extension', ['-r', './setup'], '', { 'setup.js': 'require("esbuild-register");' }],
  ['a data URL that registers it', ['--import', 'data:text/javascript,import "@oxc-node/core/register"']],
  [
    'a package of the project that loads it',
    ['-r', '@acme/dev/ts'],
    '',
    { 'node_modules/@acme/dev/package.json': '{}', 'node_modules/@acme/dev/ts.js': "require('tsx/cjs')" },
  ],
  ['NODE_OPTIONS', [], '--max-old-space-size=500 --import=tsx'],
  ['a quoted word of NODE_OPTIONS', [], '--require "/my projects/node_modules/tsx/dist/loader.cjs"'],
  ['a flag for Node to strip types', ['--experimental-strip-types']],
  ['a flag for Node to transform types, with underscores', ['--experimental_transform_types']],
  ['a flag for Node not to strip types', [], '--no-strip-types'],
])('a loader that is named by %s is the only one', (_, nodeArgs, options = '', files = {}) => {
  const all = { ...packages.tsx, ...files };
  expect(plan(all, { nodeArgs, env: { NODE_OPTIONS: options } })).toEqual({ nodeArgs: [], variables: {} });
});

test.each<[what: string, flags: readonly string[], files?: Files]>([
  ['instrumentation', ['--loader', '@opentelemetry/instrumentation/hook.mjs']],
  [
    "Yarn's Plug'n'Play",
    ['--require', '/app/.pnp.cjs', '--experimental-loader', 'file:///app/.pnp.loader.mjs'],
    { '.pnp.cjs': "require('tsx')", '.pnp.loader.mjs': '' },
  ],
  ['a package without a compiler', ['-r', 'dotenv/config']],
  ['the list of extensions in a module', ['-r', './setup.js'], { 'setup.js': "const all = ['ts', 'tsx'];" }],
  ['a helper of loaders', ['-r', 'tsconfig-paths/register']],
])('%s is no loader', (_, nodeArgs, files = {}) => {
  expect(plan({ ...packages.tsx, ...files }, { nodeArgs }).nodeArgs).toEqual(installed.tsx);
});

describe('tsconfig.json', () => {
  test('of the script is named to a loader that looks for another one', () => {
    const files = { ...packages.tsNode, 'api/tsconfig.json': metadata, 'tsconfig.json': '{}' };
    const script = '/app/api/main.ts';
    const own = { TS_NODE_PROJECT: '/app/api/tsconfig.json' };
    expect(plan(files, { script }).variables).toEqual(own);
    expect(plan(files, { script, folder: '/app/api' }).variables).toEqual({});
    expect(plan(files, { script, env: { TS_NODE_PROJECT: 'x.json' } }).variables).toEqual({});
    expect(
      plan({ ...files, ...packages.tsx, 'x.json': '{}' }, { script, env: { TS_NODE_PROJECT: 'x.json' } }).nodeArgs,
    ).toEqual(installed.tsx);
  });

  test('with decorator metadata is a reason to advise a loader that emits it, and never tsx', () => {
    const note =
      'tsconfig.json asks for decorator metadata, which tsx does not emit, and ts-node or @swc-node/register do · npm install --save-dev @swc-node/register @swc/core';
    expect(plan({ ...packages.tsx, 'tsconfig.json': metadata })).toMatchObject({ nodeArgs: installed.tsx, note });
    expect(() => plan({ 'tsconfig.json': metadata })).toThrow(
      'src/main.ts: running TypeScript needs ts-node or @swc-node/register in the project, for the decorator metadata that tsconfig.json asks for · npm install --save-dev @swc-node/register @swc/core',
    );
  });
});

test('a script that neither the project nor Node can load is an error that names tsx', () => {
  const message = 'running TypeScript needs tsx in the project · npm install --save-dev tsx';
  expect(() => plan({})).toThrow(`src/main.ts: ${message}`);
  expect(() => plan({}, { script: '/app/view.tsx' }, true)).toThrow(`view.tsx: ${message}`);
});

test.each<[what: string, files: Files, advice: string]>([
  ['none', {}, 'Node itself cannot run this TypeScript: it needs tsx in the project · npm install --save-dev tsx'],
  [
    'none, with decorator metadata',
    { 'tsconfig.json': metadata },
    'Node itself cannot run this TypeScript: it needs ts-node or @swc-node/register in the project, for the decorator metadata that tsconfig.json asks for · npm install --save-dev @swc-node/register @swc/core',
  ],
  [
    'one',
    { ...packages.tsNode },
    'Node itself cannot run this TypeScript, ts-node of the project can · devwatch src/main.ts runs it by that',
  ],
])('TypeScript that Node rejects leads to advice if the project has no loader, or one: %s', (_, files, advice) => {
  expect(adviseLoader({ script: '/app/src/main.ts', folder: '/app', env: {} }, createHost(files))).toBe(advice);
});

test('a standby may run registrations of a loader before its release', () => {
  expect(isLoader(installed.tsNodeEsm[1] ?? '')).toBe(true);
  expect(isLoader('data:text/javascript,startServer()')).toBe(false);
});

test('NODE_OPTIONS is split as Node does', () => {
  const options = ' --a=1  --require "./my \\"x\\".cjs" -b';
  expect(splitOptions(options).map(({ word }) => word)).toEqual(['--a=1', '--require', './my "x".cjs', '-b']);
  expect(
    splitOptions(options)
      .map(({ text }) => text)
      .join(' '),
  ).toBe(options.trim().replace('  ', ' '));
});
