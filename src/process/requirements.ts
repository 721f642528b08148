/** Facilities of the machine without which devwatch cannot do its work. */

import { UsageError } from '../shared/errors.ts';
import { platform } from './platform.ts';

/** With fewer descriptors devwatch could not start a program. */
export const minOpenFiles = 32;

/** Returns how many files this process may open at once; Infinity where that is unknown. */
export const openFileLimit = (): number => platform.processes.openFileLimit();

/** Checks what every program needs. @throws UsageError */
export function requireFacilities(limit: number = openFileLimit()): void {
  const obstacle = platform.processes.obstacle();
  if (obstacle !== undefined) throw new UsageError(obstacle);
  if (limit < minOpenFiles) {
    throw new UsageError(
      `only ${limit} files may be open at once, and devwatch needs ${minOpenFiles} · ulimit -n 1024`,
    );
  }
}
