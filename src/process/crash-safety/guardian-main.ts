/** The program that the guardian becomes: terminates everything that a dead devwatch had started. */

import { type Orphans, terminateOrphans } from './orphans.ts';

void terminateOrphans(JSON.parse(process.argv[2] ?? '') as Orphans);
