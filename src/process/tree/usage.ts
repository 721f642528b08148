/** How much memory and CPU time a program takes, and when the memory is too much. */

import type { CancelTimer, Clock } from '../../shared/clock.ts';
import { platform } from '../platform.ts';
import { cpuTimeOf, readProc } from './proc.ts';
import type { ProcessTree } from './tree.ts';

/**
 * Resident memory of a tree's members in bytes, 0 when there are none; undefined where it cannot be
 * known (it is read from Linux's /proc). What several processes share counts once, except for
 * members of other users, which tell no more than what each has.
 */
export function treeMemory(tree: ProcessTree): number | undefined {
  if (!platform.hasProc) return undefined;
  let kilobytes = 0;
  for (const { pid } of tree.scan().members) kilobytes += residentOf(pid);
  return kilobytes * 1024;
}

/** CPU time that a tree's members, and those of their children that have ended, have used so far, in ms; undefined as for memory. */
export function treeCpuTime(tree: ProcessTree): number | undefined {
  if (!platform.hasProc) return undefined;
  return tree.scan().members.reduce((sum, { pid }) => sum + (cpuTimeOf(pid, 'with its ended children') ?? 0), 0);
}

/** In kB; 0 for a process that has just ended. */
function residentOf(pid: number): number {
  return (
    readKilobytes(`/proc/${pid}/smaps_rollup`, /^Pss:\s*(\d+) kB$/m) ??
    readKilobytes(`/proc/${pid}/status`, /^VmRSS:\s*(\d+) kB$/m) ??
    0
  );
}

function readKilobytes(file: string, line: RegExp): number | undefined {
  const text = line.exec(readProc(file) ?? '')?.[1];
  return text === undefined ? undefined : Number(text);
}

export interface MemoryWatchOptions {
  readonly clock: Clock;
  /** In bytes, which may be reached but not exceeded; undefined watches nothing. */
  readonly limit: number | undefined;
  /** Between two samples, in ms; 2000 by default. */
  readonly interval?: number;
  /** So many in a row must be above the limit, for a peak alone is no leak; 2 by default. */
  readonly samples?: number;
  /** In bytes; undefined when it cannot be known, which counts as not above. */
  readonly measure: () => number | undefined;
  /** Called once after each `begin`, with the last sample; nothing is measured after it. */
  readonly onExceeded: (bytes: number) => void;
}

export interface MemoryWatch {
  /** A run begins: the first sample is taken after one interval. */
  begin(): void;
  /** The run is over. */
  end(): void;
}

export function createMemoryWatch(options: MemoryWatchOptions): MemoryWatch {
  const { clock, limit, interval = 2000, samples = 2, measure, onExceeded } = options;
  let timer: CancelTimer | undefined;
  let above = 0;

  function end(): void {
    timer?.();
    timer = undefined;
  }

  function sample(most: number): void {
    timer = undefined;
    const bytes = measure();
    above = bytes !== undefined && bytes > most ? above + 1 : 0;
    if (bytes !== undefined && above >= samples) onExceeded(bytes);
    else timer = clock.after(interval, () => sample(most));
  }

  return {
    begin() {
      end();
      above = 0;
      if (limit !== undefined) timer = clock.after(interval, () => sample(limit));
    },
    end,
  };
}
