/** The names and numbers by which devwatch recognizes its process trees. */

import { pidNamespace } from './proc.ts';

/** The beginning of the variable that marks the programs of one devwatch. */
export const treeVariable = 'DEVWATCH_TREE_';

const lowestLimit = 1_200_000_000;
const limitCount = 7_700_000_000;
const runDigits = 6;

const randomDigits = (below: number): number => Math.floor(Math.random() * below);

/**
 * Makes an id that no other devwatch has: its pid and pid namespace, the time and digits. It need not be secret, and
 * node:crypto would take 4 ms to load before the start.
 */
export const newTreeId = (): string =>
  [...[process.pid, Number(pidNamespace()), Date.now()].map((part) => part.toString(36)), randomDigits(1e8)].join('_');

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

const treeCgroupName = /^devwatch-([0-9a-z]+)_([0-9a-z]+)_[0-9a-z]+_\d+$/;

/** Whether `treeCgroup` can have returned this name. */
export const isTreeCgroup = (name: string): boolean => treeCgroupName.test(name);

/** Returns the pid of the devwatch that made the cgroup; undefined if it is in another pid namespace. */
export function ownerOf(name: string): number | undefined {
  const [, pid, namespace] = treeCgroupName.exec(name) ?? [];
  const isOurs = namespace === Number(pidNamespace()).toString(36);
  return isOurs && pid !== undefined ? Number.parseInt(pid, 36) : undefined;
}
