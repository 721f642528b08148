import fs from 'node:fs';
import path from 'node:path';
import { stop, transformSync } from 'esbuild';

const folder = path.join(import.meta.dirname, '../../src/preload');

/** Returns the CommonJS code of a file of src/preload; in dist/ it is bundled. */
export function preloadCode(name: string): string {
  const { code } = transformSync(fs.readFileSync(path.join(folder, name), 'utf8'), { loader: 'ts', format: 'cjs' });
  // Its service would outlive the tests.
  void stop();
  return code;
}
