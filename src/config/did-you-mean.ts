import { require } from '../shared/require.ts';

/** Returns the candidate that is closest to `name`; undefined if none is close. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const { distance } = require('fastest-levenshtein') as typeof import('fastest-levenshtein');
  let best: string | undefined;
  // A name of which every letter is wrong is close to nothing.
  let bestDistance = Math.min(Math.max(2, Math.floor(Math.min(name.length, 40) / 3)) + 1, name.length);
  for (const candidate of candidates) {
    // Compare lengths first: a name from a broken file may have a megabyte.
    if (Math.abs(name.length - candidate.length) >= bestDistance) continue;
    const [typed, meant] = [name.toLowerCase(), candidate.toLowerCase()];
    // Two swapped letters are two edits, but the likeliest mistake.
    const edits = distance(typed, meant) - (sorted(typed) === sorted(meant) ? 0.5 : 0);
    if (edits < bestDistance) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best;
}

/** Returns ` · did you mean …?` for a message, or nothing if no candidate is close. */
export function didYouMean(name: string, candidates: readonly string[], format: Format = quoted): string {
  const guess = nearest(name, candidates);
  return guess === undefined ? '' : ` · did you mean ${format(guess)}?`;
}

type Format = (name: string) => string;
const quoted: Format = (name) => `"${name}"`;
export const plain: Format = (name) => name;

const sorted = (text: string): string => [...text].sort().join('');
