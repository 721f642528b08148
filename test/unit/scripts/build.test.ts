/** devwatch has to run while `npm ci` removes its packages: the bundles contain them. */

import fs from 'node:fs';
import { builtinModules } from 'node:module';
import { describe, expect, test } from 'vitest';

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
