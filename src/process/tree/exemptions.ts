/**
 * What a program started on purpose to outlive it: a browser, a daemon that several projects
 * share. By name only a session is kept that such a process is in and that is not the program's
 * own; `DEVWATCH_KEEP=1` in a process's environment keeps that process wherever it is.
 */

import { require } from '../../shared/require.ts';
import { type Candidate, commandLine } from './proc.ts';

/** Given the processes that may belong to a tree: which of them are to be left alone. */
export type Keep = (candidates: readonly Candidate[]) => (candidate: Candidate) => boolean;

/**
 * @param patterns globs for names and whole command lines, in which `*` also matches `/`
 * @param home the sessions of devwatch and of the program: what has not left them is not kept by its name
 */
export function createKeep(patterns: readonly string[], home: readonly number[]): Keep {
  return (candidates) => {
    const sessions = new Set<number>();
    for (const { pid, session, command } of candidates) {
      if (home.includes(session) || sessions.has(session) || patterns.length === 0) continue;
      const matches = matcherOf(patterns);
      if (matches(command) || matches(commandLine(pid) ?? '')) sessions.add(session);
    }
    return ({ session, environment }) => sessions.has(session) || environment.includes('\0DEVWATCH_KEEP=1\0');
  };
}

type Matcher = (text: string) => boolean;

const matchers = new WeakMap<readonly string[], Matcher>();

/** Most programs start nothing in a session of its own: what takes 7 ms at first is made for the others alone, and once. */
function matcherOf(patterns: readonly string[]): Matcher {
  const known = matchers.get(patterns);
  if (known !== undefined) return known;
  const picomatch = require('picomatch') as typeof import('picomatch');
  const matches = picomatch([...patterns], { dot: true, bash: true });
  matchers.set(patterns, matches);
  return matches;
}
