import fs from 'node:fs';
import { createRequire } from 'node:module';
import { stop, transformSync } from 'esbuild';

const realRequire = createRequire(import.meta.url);

/**
 * Loads a file of src/preload; in dist/ it is bundled.
 *
 * @param fakes replace what the file requires, by name
 * @returns its exports
 */
export function loadPreload(name: string, fakes: Readonly<Record<string, unknown>> = {}): unknown {
  const source = fs.readFileSync(`src/preload/${name}`, 'utf8');
  const { code } = transformSync(source, { loader: 'ts', format: 'cjs' });
  // Its service would outlive the tests.
  void stop();
  const module = { exports: {} };
  new Function('module', 'require', `'use strict';${code}`)(module, (file: string) => fakes[file] ?? realRequire(file));
  return module.exports;
}
