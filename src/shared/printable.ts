/** Makes text harmless for a terminal. All lines of devwatch, and all its JSON, go through this file; output of programs does not. */

/**
 * Characters that a terminal obeys instead of showing them: controls (C0, DEL and C1), separators of lines and paragraphs,
 * and the marks that change the direction of writing. Halves of surrogate pairs cannot be written as UTF-8.
 * A function, because such an expression takes 0.4 ms to make, and the launch of a program has no need of it.
 */
const commands = (): RegExp => /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const hexEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * Returns a text as one line that a terminal only shows: names of files and processes may contain anything. Characters
 * that would command it are shown as escapes: `a\nb`, `\u001b[2J`, `\u202e`.
 */
export const printable = (text: string): string =>
  text.replace(commands(), (character) => shortEscapes[character] ?? hexEscape(character));

/** Returns a value as JSON that a terminal only shows; it means the same as that of JSON.stringify. */
export const printableJson = (value: unknown, indent?: number): string =>
  // JSON.stringify itself has escaped C0: a line feed that is left stands between two values.
  JSON.stringify(value, undefined, indent).replace(commands(), (character) =>
    character === '\n' ? character : hexEscape(character),
  );
