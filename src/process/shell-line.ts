/** Texts that a shell would run: their words, and the commands that they consist of. Pure. */

import { codeOf } from '../shared/errors.ts';
import { explainSpawnError } from './spawn-errors.ts';

/** Matches a blank, a line feed that joins two lines, a text in quotes, or a single character. */
const tokens = /([ \t\n])|\\\n|'([^']*)'|"((?:\\.|[^"\\])*)"|\\?(.)/gs;

/** Whether a shell of POSIX reads a line; by default it does. */
interface Quoting {
  readonly isPosix?: boolean;
}

const unescaped = (quoted: string | undefined): string | undefined => quoted?.replace(/\\(?:\n|([$`"\\]))/g, '$1');

/** Matches the same where a backslash is a character like any other: in the paths of Windows. */
const tokensOfWindows = /([ \t\n])|'([^']*)'|"([^"]*)"|(.)/gs;

const tokensOf = ({ isPosix = true }: Quoting): RegExp => (isPosix ? tokens : tokensOfWindows);

/**
 * Splits a text into words by the rules of sh for quotes and backslashes. Variables, patterns, comments and
 * operators have no meaning; a backslash at the end is kept, and on Windows each one.
 *
 * @throws Error if a quote is not closed
 */
export function splitWords(text: string, system: Quoting = {}): string[] {
  const { isPosix = true } = system;
  const words: string[] = [];
  /** Undefined between two words; empty for empty quotes. */
  let word: string | undefined;
  for (const [token, blank, single, double, character] of text.matchAll(tokensOf(system))) {
    if (token === "'" || token === '"') throw new Error(`a ${token} is not closed in ${JSON.stringify(text)}`);
    const part = single ?? (isPosix ? unescaped(double) : double) ?? character;
    if (part !== undefined) word = (word ?? '') + part;
    if (blank !== undefined && word !== undefined) words.push(word);
    if (blank !== undefined) word = undefined;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** A command with the variables that stand before it: `NODE_ENV=test node server.js`. */
export interface SimpleCommand {
  readonly variables: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}

/** Characters that a shell gives a meaning, unless they are quoted; the second list also inside double quotes. */
const special = /[|&;<>()$`*?[\]{}#!~^%\n]/;
const specialInQuotes = /[$`%]/;

/**
 * Returns the command of a line for which no shell is needed: one that has neither operators nor variables, patterns
 * or comments. Undefined for all other lines.
 */
export function simpleCommandOf(line: string, system: Quoting = {}): SimpleCommand | undefined {
  const { isPosix = true } = system;
  for (const [token, blank, single, double, character = ''] of line.trim().matchAll(tokensOf(system))) {
    const isQuoted = isPosix && (single !== undefined || token.startsWith('\\'));
    if (isQuoted || blank === ' ' || blank === '\t') continue;
    // To cmd.exe it is a character like any other.
    if (single !== undefined) return undefined;
    if (double !== undefined ? specialInQuotes.test(double) : special.test(character) || /['"\n]/.test(token)) {
      return undefined;
    }
  }
  return withVariables(splitWords(line, system));
}

/** Returns the commands of any line, in their order, with the words as they are written. */
export function commandsIn(line: string, system: Quoting = {}): SimpleCommand[] {
  const parts: string[] = [''];
  for (const [token, , , , character] of line.matchAll(tokensOf(system))) {
    if (token === '\n' || (character !== undefined && /[|&;()]/.test(token))) parts.push('');
    else parts.push((parts.pop() ?? '') + token);
  }
  return parts.flatMap((part) => {
    // A quote that is not closed is a part of the word.
    const words = /^[^'"]*$/.test(part) ? part.split(/\s+/).filter(Boolean) : wordsOf(part, system);
    const command = withVariables(words.filter((word) => !keywords.has(word)));
    return command === undefined ? [] : [command];
  });
}

const keywords: ReadonlySet<string> = new Set(
  'if then elif else fi for do done while until case esac ! { }'.split(' '),
);

function wordsOf(text: string, system: Quoting): string[] {
  try {
    return splitWords(text, system);
  } catch {
    return text.split(/\s+/).filter(Boolean);
  }
}

/** Separates the variables before a command from its words; undefined if nothing follows them. */
function withVariables(all: readonly string[]): SimpleCommand | undefined {
  const first = all.findIndex((word) => !assignment.test(word));
  if (first < 0) return undefined;
  return { variables: variablesIn(all.slice(0, first)), words: all.slice(first) };
}

const assignment = /^([A-Za-z_]\w*)=(.*)$/s;

/** Returns whether a word sets a variable: `NODE_ENV=test`. */
export const isAssignment = (word: string): boolean => assignment.test(word);

/** Returns the variables that words set. */
export function variablesIn(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.flatMap((word) => {
      const [, name, value = ''] = assignment.exec(word) ?? [];
      return name === undefined ? [] : [[name, value]];
    }),
  );
}

/** Returns why the shell could not be started. */
export const shellFailure = (error: unknown): string =>
  codeOf(error) === 'ENOENT' ? '/bin/sh is missing' : explainSpawnError(error, '/bin/sh');
