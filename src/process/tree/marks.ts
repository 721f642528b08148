/** The names and numbers by which devwatch recognizes its process trees. */

/** The beginning of the variable that marks the programs of one devwatch. */
export const treeVariable = 'DEVWATCH_TREE_';

const lowestLimit = 1_200_000_000;
const limitCount = 7_700_000_000;
const runDigits = 6;

const randomDigits = (below: number): number => Math.floor(Math.random() * below);

/** Makes an id that no other devwatch has. It need not be secret, and node:crypto would take 4 ms to load before the start. */
export const newTreeId = (): string => `${process.pid.toString(36)}_${Date.now().toString(36)}_${randomDigits(1e8)}`;

/** The leading digits of a limit for the programs of one devwatch: in all larger than any program, and exact as a number. */
export const newLimit = (): string => String(lowestLimit + randomDigits(limitCount));

/** The limit of a run, in bytes. */
export const limitOf = (limit: string, run: number): string =>
  limit === '' ? '' : `${limit}${String(run % 10 ** runDigits).padStart(runDigits, '0')}`;

/** Whether a soft limit in bytes is such a mark. */
export function isLimitMark(bytes = ''): boolean {
  const limit = Number(bytes.slice(0, -runDigits));
  return limit >= lowestLimit && limit < lowestLimit + limitCount;
}

/** The cgroup that holds all trees of a devwatch. */
export const treeCgroup = (id: string): string => `devwatch-${id}`;

/** Names that `treeCgroup` returns. */
export const treeCgroupName: RegExp = /^devwatch-[0-9a-z]+_[0-9a-z]+_\d+$/;
