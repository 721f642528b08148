/** Makes the programs of one devwatch recognisable, in the best way that this machine offers. */

import { platform } from '../platform.ts';
import type { Keep } from './exemptions.ts';
import type { Containment, ContainmentRecord, ProcessTree } from './tree.ts';

/**
 * Returns the containment for the programs of this devwatch: by a cgroup, where that is possible and allowed.
 *
 * @param keep the processes that may outlive the program; see exemptions.ts
 */
export const createContainment = (
  keep: Keep,
  mayUseCgroup: boolean = process.env.DEVWATCH_CGROUP !== '0',
): Containment => platform.trees.contain(keep, mayUseCgroup);

/** Opens everything that another devwatch, dead by now, contained. */
export const openOrphans = (record: ContainmentRecord, keep: Keep): ProcessTree[] =>
  platform.trees.openOrphans(record, keep);
