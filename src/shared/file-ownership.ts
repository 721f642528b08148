/** Decides whether a file or folder may be trusted: whom it belongs to, who can write it, and who could replace it. */

import type { Stats } from 'node:fs';
import fs from 'node:fs';
import path from 'node:path';
import { UsageError } from './errors.ts';
import { makeFolders } from './make-folders.ts';

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

const { O_RDONLY, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants;

/**
 * Opens a file, and passes it on with its stats: what is read from the descriptor is the file that was looked at, whatever
 * has taken its place since. A named pipe is opened, too, without waiting for its writer.
 *
 * @throws system errors, and what `use` throws
 */
export function withOpenFile<Result>(file: string | Buffer, use: (descriptor: number, stats: Stats) => Result): Result {
  const descriptor = fs.openSync(file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    return use(descriptor, fs.fstatSync(descriptor));
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Returns the content of a file, or what is wrong with it. @throws system errors */
export const readTrusted = (file: string, rule: Omit<OwnershipRule, 'kind'>): Buffer | OwnershipFlaw =>
  withOpenFile(
    file,
    (descriptor, stats) => ownershipFlaw(stats, { ...rule, kind: 'file' }) ?? fs.readFileSync(descriptor),
  );

/** A place on the way to a folder that another user owns or can write, or that is no folder. */
interface WayFlaw {
  readonly place: string;
  readonly flaw: OwnershipFlaw;
  readonly stats: Stats;
}

/** More links are a circle for Linux. */
const maxLinks = 40;

/**
 * Returns the first place on the way to a folder, the folder included, at which another user could put something else;
 * undefined if only this user and root can. Links are followed. What is missing is no flaw.
 *
 * @throws system errors
 */
export function flawOnWay(folder: string): WayFlaw | undefined {
  const user = process.geteuid?.();
  if (user === undefined) return undefined;
  let { root: place } = path.parse(folder);
  // In a user namespace without root, its files belong to the number that stands for all unknown users.
  const trusted = [user, 0, fs.lstatSync(place).uid];
  const rest = partsOf(folder);
  for (let part = rest.shift(), links = 0; part !== undefined; part = rest.shift()) {
    const next = path.join(place, part);
    const stats = fs.lstatSync(next, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const isLink = stats.isSymbolicLink();
    links += Number(isLink);
    const flaw = trusted.includes(stats.uid) ? (isLink ? linkFlaw(links) : folderFlaw(stats)) : 'owner';
    if (flaw !== undefined) return { place: next, flaw, stats };
    if (!isLink) place = next;
    else {
      const target = fs.readlinkSync(next);
      if (path.isAbsolute(target)) place = path.parse(target).root;
      rest.unshift(...partsOf(target));
    }
  }
  return undefined;
}

const partsOf = (file: string): string[] => file.split(path.sep).filter((part) => part !== '');

const linkFlaw = (links: number): OwnershipFlaw | undefined => (links > maxLinks ? 'link' : undefined);

/** In a folder with the sticky bit, such as /tmp, nobody can replace what belongs to another user. */
function folderFlaw(stats: Stats): OwnershipFlaw | undefined {
  const { mode, uid, gid } = stats;
  if (!stats.isDirectory()) return 'kind';
  // A group with the number of its user has no other members, where each user has a group.
  const isPrivateGroup = gid === uid || gid === 0;
  const writers = isPrivateGroup ? 0o002 : 0o022;
  return (mode & 0o1000) !== 0 || (mode & writers) === 0 ? undefined : 'mode';
}

/** Folders of which it is known that only this user and root can replace them: so it stays. */
const trustedFolders = new Set<string>();

/**
 * Makes a folder for files that are trusted later, and those above it that are missing (mode 0700), or checks the one that
 * is there: it belongs to this user, is closed to others, and nobody else can replace it. Returns the folder.
 *
 * @param forbidden permission bits of the folder that must not be set
 * @throws UsageError if it is not so, system errors if it cannot be made
 */
export function makeTrustedFolder(folder: string, forbidden = 0o022): string {
  // First, so that no folder is made in a place of another user.
  if (!trustedFolders.has(folder)) checkWay(folder);
  const isNew = makeFolders(folder, 0o700);
  if (trustedFolders.has(folder) && !isNew) return folder;
  // In a folder such as /tmp, another user may have made one of those that were missing.
  if (isNew) checkWay(folder);
  const stats = fs.statSync(folder);
  const flaw = ownershipFlaw(stats, { kind: 'folder', forbidden });
  if (flaw !== undefined) throw new UsageError(describeFlaw(folder, flaw, stats));
  trustedFolders.add(folder);
  return folder;
}

function checkWay(folder: string): void {
  const found = flawOnWay(folder);
  if (found !== undefined) throw new UsageError(describeFlaw(found.place, found.flaw, found.stats));
}

/** Describes what is wrong with a folder, and what to do. */
export function describeFlaw(folder: string, flaw: OwnershipFlaw, { uid, mode }: Stats): string {
  if (flaw === 'owner') return `${folder}: belongs to another user (uid ${uid})`;
  if (flaw === 'mode') {
    const bits = (mode & 0o777).toString(8);
    return `${folder}: is open to other users (mode ${bits}) · chmod ${(mode & 0o022) === 0 ? '700' : 'go-w'} ${folder}`;
  }
  return `${folder}: is not a folder`;
}
