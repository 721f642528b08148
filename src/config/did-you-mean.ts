import { require } from '../shared/require.ts';

/** The candidate that `name` was probably meant to be, or undefined when none is close. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const { distance } = require('fastest-levenshtein') as typeof import('fastest-levenshtein');
  let best: string | undefined;
  // A name of which every letter is wrong was meant to be anything.
  let bestDistance = Math.min(Math.max(2, Math.floor(Math.min(name.length, 40) / 3)) + 1, name.length);
  for (const candidate of candidates) {
    // The lengths alone tell them apart; a name from a broken file may be a megabyte long.
    if (Math.abs(name.length - candidate.length) >= bestDistance) continue;
    const [typed, meant] = [name.toLowerCase(), candidate.toLowerCase()];
    // Two swapped letters are two edits, but one slip: the likeliest of them.
    const edits = distance(typed, meant) - (sorted(typed) === sorted(meant) ? 0.5 : 0);
    if (edits < bestDistance) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best;
}

const sorted = (text: string): string => [...text].sort().join('');
