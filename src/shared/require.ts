import { createRequire } from 'node:module';

/**
 * Loads a package at its first use, synchronously. The build replaces it by the `require` of CommonJS, for which Node
 * need not load `node:module`.
 */
export const require: NodeJS.Require = createRequire(import.meta.url);
