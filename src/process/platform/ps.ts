/** Processes as `ps` of macOS and other Unix systems lists them. */

import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import type { Member } from '../tree/tree.ts';

/** A live process. */
export interface PsLine extends Member {
  readonly parent: number;
  readonly group: number;
  /** Unknown to `ps` of macOS: 0. */
  readonly session: number;
  /** Its words, and its variables where `ps` shows them, with blanks between. */
  readonly text: string;
  /** The same, with each between two NUL characters, as in `Candidate`. */
  readonly environment: string;
}

/**
 * The columns of a list. Each has an option of its own: in `-o pid=,ppid=`, POSIX takes all that follows the `=` for the
 * header, as FreeBSD does.
 */
const columns: readonly string[] = ['pid', 'ppid', 'pgid', 'stat', 'lstart', 'command'].flatMap((column) => [
  '-o',
  `${column}=`,
]);

/** By its full path: on PATH, a package of the project could come first. */
const ps = '/bin/ps';
/** Start times as text must not depend on the language, nor jump with daylight saving time. */
const env = { LC_ALL: 'C', TZ: 'UTC' };
/** Some processes have large environments. */
const maxBuffer = 256 * 1024 * 1024;

/** When commands of this file have ended, in ms: each sends this process a SIGCHLD. */
const ends: number[] = [];
/** Time in which a signal arrives. If two arrive as one, the other end must not count for ever. */
const maxSignalDelayMs = 100;

/** Whether a SIGCHLD that has just arrived is that of `ps`; to be asked once for each. */
export function isOwnChildSignal(): boolean {
  const now = performance.now();
  while (now - (ends[0] ?? now) > maxSignalDelayMs) ends.shift();
  return ends.shift() !== undefined;
}

/** Returns the output of `ps`; empty if it cannot be run, or finds none of the processes that are asked for. */
export function runPs(...args: readonly string[]): string {
  const { stdout } = spawnSync(ps, args, { encoding: 'latin1', env, maxBuffer, stdio: ['ignore', 'pipe', 'ignore'] });
  ends.push(performance.now());
  return stdout ?? '';
}

/** Lists the processes, as `PsTree` needs them. */
export interface PsReader {
  /** Returns the processes that live now; without this one, if the list is not to be trusted. */
  list(): readonly PsLine[];
  /** The same, later. */
  listLater(onListed: (lines: readonly PsLine[]) => void): void;
  /** Returns the command lines of processes, without their variables. */
  commandLines(pids: readonly number[]): ReadonlyMap<number, string>;
}

/**
 * Returns a reader that runs `ps`.
 *
 * @param options those that list all processes with their variables and cut nothing off
 */
export function createPsReader(options: '-AEww' | '-Aeww'): PsReader {
  const listing = [options, ...columns];
  return {
    list: () => parsePs(runPs(...listing)),
    listLater(onListed) {
      const child = execFile(ps, listing, { encoding: 'latin1', env, maxBuffer }, (_, stdout) => {
        ends.push(performance.now());
        onListed(parsePs(stdout));
      });
      child.unref();
    },
    commandLines: (pids) => new Map(pairsIn(runPs('-ww', '-o', 'pid=', '-o', 'command=', '-p', pids.join(',')))),
  };
}

/** Parses the list: pid, parent, group, state, start time (five words), and the words and variables. Zombies are dead. */
export function parsePs(output: string): PsLine[] {
  const lines: PsLine[] = [];
  for (const line of output.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line);
    const [, pid, parent, group, state = '', startTime = '', text = ''] = match ?? [];
    if (match === null || state.startsWith('Z')) continue;
    lines.push({
      ...{ pid: Number(pid), parent: Number(parent), group: Number(group), session: 0, startTime },
      ...{ command: nameOf(text), text },
      // Most processes are of no interest: the text is taken apart when it is asked for.
      get environment() {
        return `\0${text.replaceAll(' ', '\0')}\0`;
      },
    });
  }
  return lines;
}

/** Returns the name of a program from its command line, which begins with its path on macOS: paths may have blanks there. */
function nameOf(text: string): string {
  const [, application] = /^\/[^\0]*?\.app\/Contents\/MacOS\/([^/]+?)(?= -| \/|$| [A-Za-z_]+=)/.exec(text) ?? [];
  return application ?? path.basename(/^-?(\S*)/.exec(text)?.[1] ?? '').replace(/:$/, '');
}

/** Returns a number and the rest of each line that begins with one. */
export const pairsIn = (output: string): [number, string][] =>
  output.split('\n').flatMap((line): [number, string][] => {
    const [, number, rest = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return number === undefined ? [] : [[Number(number), rest]];
  });

/** Returns the time in ms that a column `time` shows: `12:34.56` on macOS, `1-02:03:04` elsewhere. */
export function parseTime(text: string): number {
  const [, days = '0', rest = ''] = /^(?:(\d+)-)?(.*)$/.exec(text.trim()) ?? [];
  const seconds = rest.split(':').reduce((sum, part) => 60 * sum + Number(part), 0);
  return Math.round((Number(days) * 86_400 + seconds) * 1000);
}
