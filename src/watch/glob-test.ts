/** Turns a glob into a test of paths, which takes a limited time whatever the glob and the path are. */

import picomatch from 'picomatch';
import { TimeBudget } from '../shared/time-budget.ts';

/** Ways to match that are tried in a few milliseconds at most. */
const maxUnlimitedTries = 1e6;
/** Length of a text that a group which repeats cannot match in too many ways. */
const maxRepeatedLength = 16;

/**
 * Returns a test of relative POSIX paths. Throws a TypeError when picomatch cannot parse the glob.
 *
 * @param onGiveUp called once when the glob takes too long: from then on nothing matches
 */
export function globTest(glob: string, onGiveUp: () => void): (text: string) => boolean {
  const regexp = picomatch.makeRe(glob, { dot: true, posix: true });
  const tries = worstCaseOf(glob);
  const budget = new TimeBudget(onGiveUp);
  return (text) => {
    if (tries(text) <= maxUnlimitedTries) return regexp.test(text);
    return budget.run(() => regexp.test(text)) === true;
  };
}

/** Returns an estimate of how many ways to match the glob are tried in a text that does not match. */
function worstCaseOf(glob: string): (text: string) => number {
  const runs = glob.match(/\*+(?!\()|!\(/g) ?? [];
  const globstars = runs.filter((run) => run === '**').length;
  const stars = runs.length - globstars;
  // A group that repeats may contain another repetition.
  if (/[*+]\(/.test(glob)) return ({ length }) => (length <= maxRepeatedLength ? 0 : Number.POSITIVE_INFINITY);
  // Any two stars and a globstar before them, as in `**/*.test.*`, are few enough for all paths.
  if (stars + globstars < 3) return () => 0;
  return (text) => choices(text.length, stars) * choices(text.split('/').length, globstars);
}

/** The ways to choose the ends of some wildcards among a number of places: n^k / k!. */
function choices(places: number, wildcards: number): number {
  let ways = 1;
  for (let index = 1; index <= wildcards; index += 1) ways *= places / index;
  return ways;
}
