/** Facilities of the machine without which devwatch cannot do its work. */

import fs from 'node:fs';
import { UsageError } from '../shared/errors.ts';
import { platform } from './platform.ts';
import { readProc } from './tree/proc.ts';

/** With fewer descriptors devwatch could not start a program. */
export const minOpenFiles = 32;

/** Returns how many files this process may open at once; Infinity where that is unknown. */
export function openFileLimit(): number {
  const limit = platform.hasProc
    ? /^Max open files +(\d+) /m.exec(readProc('/proc/self/limits') ?? '')?.[1]
    : undefined;
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}

/** Checks what every program needs. @throws UsageError */
export function requireFacilities(limit: number = openFileLimit()): void {
  if (platform.hasProc && !fs.existsSync('/proc/self/stat')) {
    throw new UsageError(
      '/proc is not mounted, so devwatch cannot find the processes of a program · mount -t proc proc /proc',
    );
  }
  if (limit < minOpenFiles) {
    throw new UsageError(
      `only ${limit} files may be open at once, and devwatch needs ${minOpenFiles} · ulimit -n 1024`,
    );
  }
}
