import { createRequire } from 'node:module';

/** Loads a package at its first use. The build replaces it by CommonJS's, for which Node need not load `node:module`. */
export const require: NodeJS.Require = createRequire(import.meta.url);
