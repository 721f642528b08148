import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createProject, type Project } from '../../../support/project.ts';

const packaged = path.resolve('dist/preload');
const previous = process.env.XDG_CACHE_HOME;
let project: Project;

beforeEach(() => {
  project = createProject();
  process.env.XDG_CACHE_HOME = project.path;
  vi.resetModules();
});

afterEach(async () => {
  process.env.XDG_CACHE_HOME = previous;
  Reflect.deleteProperty(process.versions, 'pnp');
  await project[Symbol.asyncDispose]();
});

const load = () => import('../../../../src/process/launch/preload-files.ts');

test('the packaged preload serves until it has been copied', async () => {
  const { copyPreload, findPreload } = await load();
  expect(findPreload()).toBe(packaged);
  copyPreload();
  const copy = findPreload() ?? '';
  expect(copy.startsWith(project.path)).toBe(true);
  for (const name of fs.readdirSync(packaged).filter((file) => /\.[cm]js$/.test(file))) {
    expect(fs.readFileSync(path.join(copy, name), 'utf8')).toBe(fs.readFileSync(path.join(packaged, name), 'utf8'));
  }
});

test('a later devwatch finds the copy, and one that lost it makes it again', async () => {
  const { copyPreload, findPreload } = await load();
  copyPreload();
  const copy = findPreload() ?? '';
  vi.resetModules();
  expect((await load()).findPreload()).toBe(copy);
  fs.rmSync(path.join(copy, 'preload.cjs'));
  copyPreload();
  expect(fs.readdirSync(copy)).toContain('preload.cjs');
});

// Node can read Yarn's zip files only when it has loaded Yarn's own preload, which comes later.
test("with Plug'n'Play the copy is made at once", async () => {
  Object.defineProperty(process.versions, 'pnp', { value: '3', configurable: true });
  const { findPreload } = await load();
  expect(findPreload()?.startsWith(project.path)).toBe(true);
});

test('a new copy removes those of builds from long ago', async () => {
  const { copyPreload, findPreload } = await load();
  project.write('devwatch/own/preload-old/preload.cjs', '');
  project.write('devwatch/own/preload-new/preload.cjs', '');
  fs.utimesSync(project.at('devwatch/own/preload-old'), 1, 1);
  for (const folder of ['devwatch', 'devwatch/own']) fs.chmodSync(project.at(folder), 0o700);
  copyPreload();
  const copies = [path.basename(findPreload() ?? ''), 'preload-new'].sort();
  expect(fs.readdirSync(project.at('devwatch/own')).sort()).toEqual(copies);
});
