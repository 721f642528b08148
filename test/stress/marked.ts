/** Processes found by a variable of their environment. */

import fs from 'node:fs';
import { isAlive } from '../support/facts.ts';

/** Returns the live processes that were started with `STRESS_MARK=mark`. */
export function markedProcesses(mark: string): number[] {
  return fs
    .readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isAlive(pid) && environOf(pid).includes(`STRESS_MARK=${mark}`));
}

function environOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}
