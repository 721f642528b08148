/** Sums up which packages a program loads itself, and why. */

export interface LeftPackage {
  readonly package: string;
  /** A predicate, such as `prints`. */
  readonly why: string;
}

/** Names that are shown of a list; the others are counted. */
const maxNames = 5;

/** Returns the first names of a list, and the number of the others: `a, b and 3 more`. */
export function shortList(names: readonly string[], max: number = maxNames): string {
  const more = names.length - max;
  return more > 0 ? `${names.slice(0, max).join(', ')} and ${more} more` : names.join(', ');
}

/** Returns a line for each reason, that of most packages first: `a, b: prints`. */
export function linesByReason(packages: readonly LeftPackage[]): string[] {
  const byReason = new Map<string, Set<string>>();
  for (const { package: name, why } of packages) byReason.set(why, (byReason.get(why) ?? new Set()).add(name));
  return [...byReason]
    .sort(([, one], [, other]) => other.size - one.size)
    .map(([why, names]) => `${shortList([...names])}: ${why}`);
}
