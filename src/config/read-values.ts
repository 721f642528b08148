/** Reads texts, lists and maps; all kinds of options are made of them. */

import { didYouMean } from '../shared/did-you-mean.ts';
import { UsageError } from '../shared/errors.ts';

/** An error in a value; the message follows the option's name: `takes a duration, …`. */
export class ValueError extends UsageError {
  override readonly name: string = 'ValueError';
  /** In lists and maps: the keys and indexes that lead to the wrong element. */
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }
}

export function readText(raw: unknown): string {
  if (raw === '') throw new ValueError('takes a text, not ""');
  return readAnyText(raw);
}

export function readAnyText(raw: unknown): string {
  if (typeof raw !== 'string') throw new ValueError(`takes a text, not ${show(raw)}`);
  // exec() ends arguments, file names and variables at a NUL.
  if (raw.includes('\0')) throw new ValueError('must not contain a NUL character');
  return raw;
}

export function readList<T>(raw: unknown, read: (element: unknown) => T): readonly T[] {
  if (typeof raw === 'string') return Object.freeze([read(raw)]);
  if (!Array.isArray(raw)) throw new ValueError(`takes a text or a list of texts, not ${show(raw)}`);
  return Object.freeze(raw.map((element, index) => inElement(index, () => read(element))));
}

export function readMap<T>(raw: unknown, read: (value: unknown, key: string) => T): Readonly<Record<string, T>> {
  if (!isObject(raw)) throw new ValueError(`takes an object of names and texts, not ${show(raw)}`);
  return Object.freeze(
    Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, inElement(key, () => read(value, key))])),
  );
}

export const isObject = (raw: unknown): raw is Readonly<Record<string, unknown>> =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw);

export function inElement<T>(element: string | number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof ValueError ? new ValueError(error.message, [element, ...error.path]) : error;
  }
}

export function readChoice(raw: unknown, choices: readonly string[]): string {
  if (typeof raw === 'string' && choices.includes(raw)) return raw;
  const hint = typeof raw === 'string' ? didYouMean(raw, choices) : '';
  throw new ValueError(`takes one of ${choices.join(', ')}, not ${show(raw)}${hint}`);
}

/** Formats a value for a message, cut to a readable length. */
export function show(value: unknown): string {
  // JSON has no Infinity, which 1e400 becomes.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
