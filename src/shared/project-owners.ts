/** Decides who may name commands in a project: in its settings, and in `node_modules`. */

import type { Stats } from 'node:fs';
import fs from 'node:fs';
import path from 'node:path';
import { attempt } from './errors.ts';
import { ownershipFlaw } from './file-ownership.ts';

/** Returns the owner of a folder, who decides what is in it; none if everybody can create files there, as in /tmp. */
export function ownersOfFolder(folder: string): number[] {
  const { uid, mode } = fs.statSync(folder);
  return (mode & 0o002) === 0 ? [uid] : [];
}

/**
 * Returns the users who decide what is in the folder of a project: its owner and that of package.json, which may be another
 * one in a container. Where a group can create files, a member of it could have planted package.json as well.
 */
export function ownersOfProject(folder: string): number[] {
  const { uid, mode } = fs.statSync(folder);
  if ((mode & 0o022) !== 0) return ownersOfFolder(folder);
  const manifest = fs.statSync(path.join(folder, 'package.json'), { throwIfNoEntry: false });
  return manifest?.isFile() === true ? [uid, manifest.uid] : [uid];
}

/** Whether an owner is neither this user, nor root, nor one of these users. */
export function isForeign(uid: number, owners: readonly number[]): boolean {
  const user = process.geteuid?.();
  return user !== undefined && ![user, 0, ...owners].includes(uid);
}

/**
 * Returns `owner` if a file or folder belongs neither to this user, nor to root, nor to one of these users, `mode` if every
 * user can write it, and undefined otherwise.
 */
export function foreignFlaw(file: string, stats: Stats, owners: readonly number[]): 'owner' | 'mode' | undefined {
  const kind = stats.isDirectory() ? 'folder' : 'file';
  const flaw = ownershipFlaw(stats, { kind, forbidden: 0o002, mayBeRoots: true, owners });
  if (flaw !== 'owner' && flaw !== 'mode') return undefined;
  if (flaw === 'mode' && !isReachable(path.dirname(file))) return undefined;
  return hasNoModes(file) ? undefined : flaw;
}

/** Whether every user can reach the files of a folder. */
function isReachable(folder: string): boolean {
  const parent = path.dirname(folder);
  return (fs.statSync(folder).mode & 0o001) !== 0 && (parent === folder || isReachable(parent));
}

/** File systems on which every file has mode 777: 9p (WSL's /mnt), FUSE, vboxsf, VMware and Parallels folders, SMB, CIFS. */
const modelessFileSystems: ReadonlySet<number> = new Set([
  0x01021997, 0x65735546, 0x786f4256, 0xbacbacbc, 0x7c7c6673, 0x517b, 0xff534d42, 0xfe534d42,
]);

const hasNoModes = (file: string): boolean => modelessFileSystems.has(fs.statfsSync(file).type >>> 0);

/**
 * Whether those who decide what is in a project have put a folder of packages there, such as a `node_modules` above it, and
 * nobody else can write it: in /tmp everybody can make one. False if there is no such folder.
 */
export function isOfProject(folder: string, project: string): boolean {
  const found = attempt(() => {
    const owners = ownersOfProject(project);
    const link = fs.lstatSync(folder);
    if (link.isSymbolicLink() && isForeign(link.uid, owners)) return 'owner';
    return foreignFlaw(folder, fs.statSync(folder), owners) ?? 'none';
  });
  // Where everybody can replace the program itself (a container with umask 000), this would protect nothing.
  return found === 'none' || (found === 'mode' && canEverybodyReplace(project));
}

/** Whether everybody can replace the files in a folder. With the sticky bit, as in /tmp, nobody can replace those of others. */
export const canEverybodyReplace = (folder: string): boolean => (fs.statSync(folder).mode & 0o1002) === 0o002;
