import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linkedPackages, packageOf } from '../../../src/watch/linked-packages.ts';
import { createProject, type Project } from '../../support/project.ts';

const manifest = (fields: object): string => JSON.stringify(fields);

function link(project: Project, from: string, to: string): void {
  fs.mkdirSync(project.at(`${from}/..`), { recursive: true });
  fs.symlinkSync(project.at(to), project.at(from));
}

/** A workspace: npm links every package into the node_modules at the top. */
function workspace(packages: Readonly<Record<string, object>>): Project {
  const project = createProject({ 'package.json': manifest({ workspaces: ['packages/*'] }) });
  for (const [name, fields] of Object.entries(packages)) {
    project.write(`packages/${name}/package.json`, manifest({ name: `@org/${name}`, ...fields }));
    link(project, `node_modules/@org/${name}`, `packages/${name}`);
  }
  return project;
}

const foldersFor = (folder: string): string[] => [...linkedPackages(folder).values()].flat();

describe('the folders of linked packages are', () => {
  test('the folders of direct and indirect dependencies, and no others', async () => {
    await using project = workspace({
      web: { dependencies: { '@org/api': '*' } },
      api: { devDependencies: { '@org/db': '*' }, main: 'index.js' },
      db: { main: './src/index.js' },
      docs: {},
    });
    expect(foldersFor(project.at('packages/web'))).toEqual([project.at('packages/api'), project.at('packages/db')]);
    expect(linkedPackages(project.at('packages/web')).size).toBe(2);
  });

  test('each once where packages depend on each other in a circle', async () => {
    await using project = workspace({
      web: { dependencies: { '@org/api': '*' } },
      api: { dependencies: { '@org/web': '*', '@org/api': '*' } },
    });
    expect(foldersFor(project.at('packages/web'))).toEqual([project.at('packages/api')]);
  });

  test.each([
    ['`dist`, where only built files are loaded', { main: './dist/index.js' }, ['dist']],
    [
      '`dist`, where conditions select built files',
      { exports: { '.': { import: './dist/a.mjs', require: './dist/a.cjs' } } },
      ['dist'],
    ],
    ['several folders of built files', { main: 'dist/a.js', exports: { './x': './build/x.js' } }, ['dist', 'build']],
    [
      'sources and `dist`, where both are loaded',
      { exports: { development: './src/a.ts', default: './dist/a.js' } },
      ['', 'dist'],
    ],
    ['the whole package, where sources are loaded', { exports: './lib/a.js' }, ['']],
    ['the whole package, where it names no entry', {}, ['']],
  ])('%s', async (_, fields, folders) => {
    await using project = workspace({ web: { dependencies: { '@org/api': '*' } }, api: fields });
    expect(foldersFor(project.at('packages/web'))).toEqual(
      folders.map((folder) => project.at(`packages/api/${folder}`).replace(/\/$/, '')),
    );
  });

  test('none for installed packages, including links into a store', async () => {
    await using project = createProject({
      'package.json': manifest({ dependencies: { installed: '*', stored: '*', missing: '*' } }),
      'node_modules/installed/package.json': '{}',
      'node_modules/.store/stored/node_modules/stored/package.json': '{}',
    });
    link(project, 'node_modules/stored', 'node_modules/.store/stored/node_modules/stored');
    expect(foldersFor(project.path)).toEqual([]);
  });

  test('none where package.json is missing or not JSON', async () => {
    await using project = createProject({ 'broken/package.json': '{' });
    expect(foldersFor(project.path)).toEqual([]);
    expect(foldersFor(project.at('broken'))).toEqual([]);
  });

  test.each([
    ['its own node_modules', 'packages/web/node_modules/lib', 'outside/lib', true],
    ['a scope of its own node_modules', 'packages/web/node_modules/@other/lib', 'outside/lib', true],
    ['a node_modules further up, and leads out of that folder', 'node_modules/lib', '../LIB', true],
    ['the node_modules of a package on which it depends', 'packages/api/node_modules/lib', 'outside/lib', true],
    ['a node_modules further up, as a member of the workspace', 'node_modules/lib', 'packages/lib', false],
    ['the store of a package manager', 'packages/web/node_modules/lib', 'node_modules/.store/lib', false],
  ])('one that package.json does not name, and is linked into %s: %3$s', async (_, from, to, isLinked) => {
    await using outside = createProject({ 'index.js': '' });
    await using project = workspace({ web: { dependencies: { '@org/api': '*' } }, api: {} });
    const target = to === '../LIB' ? outside.path : project.at(to);
    fs.mkdirSync(target, { recursive: true });
    fs.mkdirSync(project.at(`${from}/..`), { recursive: true });
    fs.symlinkSync(target, project.at(from));
    const others = isLinked ? [target] : [];
    expect(foldersFor(project.at('packages/web')).sort()).toEqual([project.at('packages/api'), ...others].sort());
  });

  test('not the installed ones where node_modules is itself a link', async () => {
    await using project = createProject({
      'package.json': manifest({ dependencies: { installed: '*' } }),
      'deps/installed/package.json': '{}',
    });
    link(project, 'node_modules', 'deps');
    expect(foldersFor(project.path)).toEqual([]);
  });
});

describe('a script belongs to', () => {
  test.each([
    ['the nearest package that has a name', 'packages/api/src/server.js', 'packages/api'],
    ['the nearest package that has dependencies', 'packages/web/server.js', 'packages/web'],
    ['not to one that only says how its files are to be read', 'packages/api/dist/server.js', 'packages/api'],
    ['the package of the folder, if it is itself installed', 'node_modules/next/bin/next.js', ''],
    ['the package of the folder, if there is no script', undefined, ''],
  ])('%s', async (_, script, expected) => {
    await using project = createProject({
      'package.json': manifest({ name: 'root' }),
      'packages/api/package.json': manifest({ name: 'api' }),
      'packages/api/dist/package.json': manifest({ type: 'commonjs' }),
      'packages/web/package.json': manifest({ dependencies: {} }),
      'node_modules/next/package.json': manifest({ name: 'next' }),
    });
    const place = packageOf(script && project.at(script), project.path);
    expect(place).toBe(project.at(expected).replace(/\/$/, ''));
  });
});
