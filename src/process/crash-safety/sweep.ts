/** What the guardian becomes: ends all that a dead devwatch had started. Its argument is a `Leftovers` as JSON. */

import { endLeftovers, type Leftovers } from './orphans.ts';

await endLeftovers(JSON.parse(process.argv[2] ?? '') as Leftovers);
