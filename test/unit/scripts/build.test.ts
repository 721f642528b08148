/** devwatch has to run while `npm ci` removes its packages: the bundles contain them. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProject } from '../../support/project.ts';

const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));

/** Names of modules that a text requires or imports, outside of its comments. */
const loadedBy = (text: string): string[] => {
  const places = text
    .replace(/^ *\/?\*.*$/gm, '')
    .matchAll(/(?:\brequire\(|\bimport\(|^import |^import .* from |^export .* from )["']([^"'\n]+)["']/gm);
  return [...places].map(([, name = '']) => name.replace(/^node:/, ''));
};

describe.each(['main.cjs', 'cli.cjs', 'index.js', 'guardian.cjs'])('dist/%s', (file) => {
  test('loads only modules of Node', () => {
    const names = loadedBy(fs.readFileSync(`dist/${file}`, 'utf8'));
    expect(names).toContain('fs');
    // `#`: another part of main.cjs.
    expect(names.filter((name) => !builtinModules.includes(name) && !name.startsWith('#'))).toEqual([]);
  });
});

test.each(['main.cjs', 'cli.cjs'])('dist/%s is ASCII, because devwatch reads it byte by byte', (file) => {
  expect(fs.readFileSync(`dist/${file}`, 'utf8')).toMatch(/^[\n -~]+$/);
});

test('a launch loads one part of dist/main.cjs before it starts the program', async () => {
  await using project = createProject({
    'server.js': '',
    'hook.cjs': `const vm = require('node:vm');
    const { ChildProcess } = require('node:child_process');
    let count = 0;
    vm.Script = class extends vm.Script { constructor(...words) { super(...words); count += 1; } };
    ChildProcess.prototype.spawn = () => { console.log('parts: ' + count); process.exit(); };`,
  });
  const words = ['--require', project.at('hook.cjs'), path.resolve('dist/cli.cjs'), 'server.js'];
  const launch = () => spawnSync(process.execPath, words, { cwd: project.path, encoding: 'utf8' });
  // The first one may make copies of the preload.
  launch();
  const { stdout, stderr } = launch();
  expect([stdout, stderr]).toEqual(['parts: 1\n', '']);
});

test('an installation brings no other package', () => {
  expect(manifest.dependencies).toBeUndefined();
});

test('the licences of all packages that the sources load are part of the package', () => {
  const sources = fs.readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const names = sources.flatMap((name) => [
    ...fs.readFileSync(`src/${name}`, 'utf8').matchAll(/(?:from |(?<![.\w])require\()'([a-z][\w-]*)'/g),
  ]);
  const packages = [...new Set(names.map(([, name = '']) => name))].filter((name) => name in manifest.devDependencies);
  expect(packages).toContain('picomatch');
  const licenses = fs.readFileSync('dist/THIRD-PARTY-LICENSES.txt', 'utf8');
  for (const name of packages) expect(licenses).toMatch(new RegExp(`^${name} \\d[\\d.]+ \\(MIT\\)$`, 'm'));
});
