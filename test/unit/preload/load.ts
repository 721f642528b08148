import { createRequire } from 'node:module';
import { preloadCode } from '../../support/preload-code.ts';

const realRequire = createRequire(import.meta.url);

/**
 * Loads a file of src/preload; in dist/ it is bundled.
 *
 * @param fakes replace what the file requires, by name
 * @returns its exports
 */
export function loadPreload(name: string, fakes: Readonly<Record<string, unknown>> = {}): unknown {
  const module = { exports: {} };
  new Function('module', 'require', `'use strict';${preloadCode(name)}`)(
    module,
    (file: string) => fakes[file] ?? realRequire(file),
  );
  return module.exports;
}
