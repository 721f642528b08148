import { require } from './require.ts';

/**
 * Returns the candidate of which `name` can be a slip of the keys: a letter or two wrong, missing, doubled or swapped,
 * by the length of the name; undefined if there is none.
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const { distance } = require('fastest-levenshtein') as typeof import('fastest-levenshtein');
  const typed = name.toLowerCase();
  const letters = withoutDashes(typed).length;
  let best: string | undefined;
  let bestEdits = Math.min(maxEdits(letters) + 1, letters);
  for (const candidate of candidates) {
    // Compare lengths first: a name from a broken file may have a megabyte.
    if (Math.abs(name.length - candidate.length) > bestEdits) continue;
    const meant = candidate.toLowerCase();
    // Two swapped letters are two edits, but the likeliest slip.
    const edits = distance(typed, meant) - (typed !== meant && sorted(typed) === sorted(meant) ? 1 : 0);
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** A slip changes few letters: `--port` is not a way to write `--poll`. */
const maxEdits = (letters: number): number => Math.max(1, Math.min(Math.floor(letters / 3), 4));

const withoutDashes = (text: string): string => text.replaceAll('-', '');

/** Returns ` · did you mean …?` for a message, or nothing if no candidate is close. */
export function didYouMean(name: string, candidates: readonly string[], format: Format = quoted): string {
  const guess = nearest(name, candidates);
  return guess === undefined ? '' : ` · did you mean ${format(guess)}?`;
}

type Format = (name: string) => string;
const quoted: Format = (name) => `"${name}"`;
export const plain: Format = (name) => name;

const sorted = (text: string): string => [...text].sort().join('');
