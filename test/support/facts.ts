/** Facts about processes, as the kernel has them in /proc. */

import fs from 'node:fs';

export { until } from './deadline.ts';

/** Returns the fields of `/proc/PID/stat` from the state on, or none when there is no such process. */
function statOf(pid: number): string[] {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** Returns the state as one letter, R, S, T (stopped), Z (zombie), …; undefined when there is no such process. */
export const stateOf = (pid: number): string | undefined => statOf(pid)[0];

/** Reports whether a process exists and is no zombie. */
export const isAlive = (pid: number): boolean => !['Z', 'X', undefined].includes(stateOf(pid));

export const parentOf = (pid: number): number => Number(statOf(pid)[1]);

/** Returns the command line of a process, words separated by blanks; empty when there is no such process. */
export function commandOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Lists the live children of a process with their command lines, words separated by blanks. */
export function childrenOf(pid: number): { pid: number; command: string }[] {
  const children = fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.map((child) => ({ pid: child, command: commandOf(child) }));
}
