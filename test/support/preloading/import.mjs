/** `node --import file:///…/import.mjs?park.cjs script`: loads one of the other files here where devwatch waits in park.mjs. */

import { createRequire } from 'node:module';

createRequire(import.meta.url)(`./${new URL(import.meta.url).search.slice(1)}`);
