/** Numbers and names as people read them. Pure. */

import path from 'node:path';
import type { Change, Outcome, Verdict } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';

/** A time in ms: `18 ms`, `1.2 s`, `3 min 5 s`. */
export function formatTime(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0).replace(/\.0$/, '')} s`;
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `1 file`, `2 files`. */
export const formatCount = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** `exit 1`, `SIGSEGV`, or what kept the program from starting. */
export function formatOutcome({ code, signal }: Outcome): string {
  return signal ?? `exit ${code}`;
}

/** A path relative to the folder, or as it is when it lies outside. */
export function formatPath(file: string, folder: string): string {
  const relative = path.relative(folder, file);
  return relative === '' || relative.startsWith('..') ? file : relative;
}

/** The first changed file and how many more there are: `src/a.js +2`. */
export function formatChanges(changes: readonly Change[], folder: string): string {
  const [first] = changes;
  if (first === undefined) return '';
  const more = changes.length > 1 ? ` +${changes.length - 1}` : '';
  return `${formatPath(first.path, folder)}${first.kind === 'unlink' ? ' (deleted)' : ''}${more}`;
}

/** A moment (epoch ms) in local time: `14:05:09` today, `2026-11-22 14:05:09` otherwise. */
export function formatClock(time: number, now: number = Date.now()): string {
  const iso = (moment: number): string =>
    new Date(moment - new Date(moment).getTimezoneOffset() * 60_000).toISOString();
  const [day, clock] = iso(time).split('T');
  const seconds = clock?.slice(0, 8) ?? '';
  return day === iso(now).slice(0, 10) ? seconds : `${day} ${seconds}`;
}

/** Why a path does or does not count. */
export function formatVerdict(verdict: Verdict | { readonly watched: false; readonly reason: 'unchanged' }): string {
  if (verdict.watched) return `watch ${verdict.pattern}`;
  switch (verdict.reason) {
    case 'ignored':
      return `ignore ${verdict.pattern}`;
    case 'excluded':
      return `watch ${verdict.pattern}`;
    case 'ignored-by-default':
      return `${verdict.pattern} is ignored by default`;
    case 'gitignored':
      return `git ignores ${verdict.pattern}`;
    case 'extension':
      return 'its extension does not count';
    case 'outside':
      return 'no pattern matches it';
    case 'unchanged':
      return 'its content is unchanged';
    default:
      return unreachable(verdict);
  }
}
