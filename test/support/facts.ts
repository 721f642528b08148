/** Facts that only the kernel knows, and nobody announces. */

import fs from 'node:fs';

/** Looks again and again, giving everything else its turn, until it holds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

/** The fields of `/proc/PID/stat` from the state on, or none when there is no such process. */
function statOf(pid: number): string[] {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** One letter: R, S, T (stopped), Z (zombie), …; undefined when there is no such process. */
export const stateOf = (pid: number): string | undefined => statOf(pid)[0];

/** Alive and no zombie. */
export const isAlive = (pid: number): boolean => !['Z', 'X', undefined].includes(stateOf(pid));

export const parentOf = (pid: number): number => Number(statOf(pid)[1]);

/** Milliseconds since its start. */
export function ageOf(pid: number): number {
  const uptime = Number(fs.readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  return uptime - Number(statOf(pid)[19]) * 10;
}

/** The live children of a process and their command lines, words apart by a blank. */
export function childrenOf(pid: number): { pid: number; command: string }[] {
  const children = fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => {
    try {
      return { pid: child, command: fs.readFileSync(`/proc/${child}/cmdline`, 'latin1').replaceAll('\0', ' ') };
    } catch {
      return []; // It has just ended.
    }
  });
}
