/** Formats numbers and names for people. Pure. */

import path from 'node:path';
import type { Change, ChangeVerdict, ServerAddress, SourceLocation, Verdict } from '../shared/events.ts';

/** Formats a count: `1 file`, `2 files`. */
export const formatCount = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Returns the path relative to the folder (`../shared/index.js`), or the path itself if that is shorter. */
export function formatPath(file: string, folder: string): string {
  const relative = path.relative(folder, file);
  return relative === '' || relative.length > file.length ? file : relative;
}

/** Formats a place in a file: `src/db.js:12:5`. */
export const formatLocation = ({ file, line, column }: SourceLocation, folder: string): string =>
  [formatPath(file, folder), line, column].filter((part) => part !== undefined).join(':');

/** Formats the first changed file and the number of others: `src/a.js +2`. */
export function formatChanges(changes: readonly Change[], folder: string): string {
  const [first] = changes;
  if (first === undefined) return '';
  const more = changes.length > 1 ? ` +${changes.length - 1}` : '';
  return `${formatPath(first.path, folder)}${first.kind === 'unlink' ? ' (deleted)' : ''}${more}`;
}

/** Formats the address of a server: its URL, or its port; empty if neither is known. */
export const formatAddress = ({ url, port }: ServerAddress): string =>
  url ?? (port === undefined ? '' : `port ${port}`);

/** In a terminal with less room for a text, lines are not folded. */
const minColumns = 20;

/** Folds a text that stands behind `indent` characters, if the stream is a terminal. */
export function foldFor(
  { isTTY, columns = 0 }: { readonly isTTY?: boolean; readonly columns?: number | undefined },
  text: string,
  indent: number,
): string[] {
  const room = columns - indent;
  return isTTY === true && room >= minColumns ? fold(text, room) : [text];
}

/** Cuts a text into rows of at most `columns`: at separators, or else at other blanks. A longer word is not cut. */
function fold(text: string, columns: number): string[] {
  const rows: string[] = [];
  let rest = text;
  for (let room = lengthIn(columns, rest); room < rest.length; room = lengthIn(columns, rest)) {
    const separator = rest.lastIndexOf(' · ', room);
    const blank = separator > room / 2 ? separator : rest.lastIndexOf(' ', room);
    const end = blank > 0 ? blank : rest.indexOf(' ', room);
    if (end < 0) break;
    rows.push(rest.slice(0, end));
    rest = rest.slice(end + 1);
  }
  return [...rows, rest];
}

interface Widths {
  /** Characters that take no column of their own, and those that terminals show two columns wide. */
  readonly none: RegExp;
  readonly two: RegExp;
}

let widths: Widths | undefined;
/** Made at the first use: that takes 1 ms. */
const widthsOf = (): Widths => {
  widths ??= {
    none: /\p{Mark}/u,
    two: /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u,
  };
  return widths;
};

/** Returns the length of the part at the begin of a text that fits into so many columns. */
function lengthIn(columns: number, text: string): number {
  let length = 0;
  let width = 0;
  const { none, two } = widthsOf();
  for (const character of text) {
    width += none.test(character) ? 0 : two.test(character) ? 2 : 1;
    if (width > columns) return length;
    length += character.length;
  }
  return length;
}

/** Formats epoch ms in local time: `14:05:09` today, `2026-11-22 14:05:09` on another day. */
export function formatClock(time: number, now: number = Date.now()): string {
  const iso = (moment: number): string =>
    new Date(moment - new Date(moment).getTimezoneOffset() * 60_000).toISOString();
  const [day, clock] = iso(time).split('T');
  const seconds = clock?.slice(0, 8) ?? '';
  return day === iso(now).slice(0, 10) ? seconds : `${day} ${seconds}`;
}

/** Formats the pattern by which a file counts; those that devwatch has added are absolute paths. */
export const formatRule = (pattern: string, folder: string): string =>
  `watch ${path.isAbsolute(pattern) ? formatPath(pattern, folder) : pattern}`;

/** Says why a path does or does not count. */
export function formatVerdict(verdict: Verdict | ChangeVerdict, folder: string): string {
  if (verdict.watched) return formatRule(verdict.pattern, folder);
  switch (verdict.reason) {
    case 'ignored':
      return `ignore ${verdict.pattern}`;
    case 'excluded':
      return `watch ${verdict.pattern}`;
    case 'ignored-by-default':
      return `${verdict.pattern} is ignored by default`;
    case 'pseudo-file-system':
      return `${verdict.pattern} has no files on a disk`;
    case 'other-checkout':
      return `${verdict.pattern} is another checkout of git`;
    case 'gitignored':
      return `git ignores ${verdict.pattern}`;
    case 'extension':
      return 'its extension is not watched';
    case 'outside':
      return 'no pattern matches it';
    case 'unchanged':
      return 'its content is unchanged';
    case 'event':
      return `"events" has no ${verdict.event}`;
  }
}

const maxCommandLength = 80;

/** Returns the beginning of a command line: code behind `-e` may have many lines. */
export function formatCommand(command: string): string {
  const [line = ''] = command.trim().split(/\s*[\r\n]/, 1);
  const text = line.length <= maxCommandLength ? line : line.slice(0, maxCommandLength).trimEnd();
  return text === command.trim() ? text : `${text} …`;
}
