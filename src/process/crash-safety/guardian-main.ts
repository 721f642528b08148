/** The program that the guardian becomes: terminates everything that a dead devwatch had started. */

import { type Orphans, orphansVariable, terminateOrphans } from './orphans.ts';

void terminateOrphans(JSON.parse(process.env[orphansVariable] ?? '') as Orphans);
