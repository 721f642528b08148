/** Decides whether a file or folder belongs to this user and is closed to others. Everything devwatch trusts is checked here. */

import type { Stats } from 'node:fs';

export interface OwnershipRule {
  readonly kind: 'file' | 'folder';
  /** Permission bits that must not be set, such as 0o022: not writable by group and others. */
  readonly forbidden: number;
  /** Files of root are trusted as well. Default: false. */
  readonly mayBeRoots?: boolean;
  /** Further users whose files are trusted. */
  readonly owners?: readonly number[];
}

/** The first rule that is broken: it is a symbolic link, of another kind, of another user, or open to others. */
export type OwnershipFlaw = 'link' | 'kind' | 'owner' | 'mode';

/**
 * Returns what is wrong with the owner, the mode or the kind of a file; undefined if nothing is. Windows has neither
 * owners nor modes: there only links and other kinds are found.
 *
 * @param stats from `lstat`, or from `fstat` of a file that was opened with O_NOFOLLOW, if links are to be refused
 */
export function ownershipFlaw(
  stats: Stats,
  { kind, forbidden, mayBeRoots, owners = [] }: OwnershipRule,
): OwnershipFlaw | undefined {
  if (stats.isSymbolicLink()) return 'link';
  if (!(kind === 'folder' ? stats.isDirectory() : stats.isFile())) return 'kind';
  const user = process.geteuid?.();
  if (user === undefined) return undefined;
  const isTrusted = stats.uid === user || (mayBeRoots === true && stats.uid === 0) || owners.includes(stats.uid);
  if (!isTrusted) return 'owner';
  return (stats.mode & forbidden) === 0 ? undefined : 'mode';
}
