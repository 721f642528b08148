/**
 * Processes that may outlive the program that started them, because the user wants so: a browser, a
 * daemon that several projects share. A matching name exempts the process's whole session, unless
 * that is the program's own session; `DEVWATCH_KEEP=1` in its environment exempts a process anywhere.
 */

import { require } from '../../shared/require.ts';
import { type Candidate, commandLine } from './proc.ts';

/** Takes all processes that may belong to a tree, and returns a test for those that are exempt. */
export type Exemptions = (candidates: readonly Candidate[]) => (candidate: Candidate) => boolean;

/**
 * @param patterns globs for names and whole command lines, in which `*` also matches `/`
 * @param ownSessions sessions of devwatch and of the program, which no name exempts
 */
export function createExemptions(
  patterns: readonly string[],
  ownSessions: readonly (number | undefined)[],
): Exemptions {
  let matches: ((text: string) => boolean) | undefined;
  return (candidates) => {
    const sessions = new Set<number>();
    for (const { pid, session, command } of candidates) {
      if (ownSessions.includes(session) || sessions.has(session) || patterns.length === 0) continue;
      // Loaded only now: picomatch takes 7 ms to load, and most programs start no other session.
      matches ??= (require('picomatch') as typeof import('picomatch'))([...patterns], { dot: true, bash: true });
      if (matches(command) || matches(commandLine(pid) ?? '')) sessions.add(session);
    }
    return ({ session, environment }) => sessions.has(session) || environment.includes('\0DEVWATCH_KEEP=1\0');
  };
}
