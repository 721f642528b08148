/** The folders of background programs: they belong to this user and are closed to others. */

import fs from 'node:fs';
import path from 'node:path';
import { platform } from '../process/platform.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw } from '../shared/ownership.ts';
import { stateFolder } from '../shared/user-folders.ts';

/** Throws a UsageError on Windows, where programs cannot run in the background. */
export function requirePosix(): void {
  if (platform.isPosix) return;
  throw new UsageError('devwatch cannot run programs in the background on Windows yet · run it in a terminal');
}

/** Returns the folder that holds one folder per name; makes it if it is missing. */
export function backgroundFolder(): string {
  requirePosix();
  const devwatch = stateFolder(process.env);
  if (devwatch === undefined) throw new UsageError('this user has no home folder · set HOME or XDG_STATE_HOME');
  try {
    fs.mkdirSync(devwatch, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`${devwatch}: cannot be made (${codeOf(error)}) · set XDG_STATE_HOME`);
  }
  // Users who can write here could replace the folder below; reading gains them nothing.
  checkPrivate(devwatch, 0o022);
  const folder = path.join(devwatch, 'background');
  makePrivate(folder);
  return folder;
}

/** Returns the folder of one name; makes it if it is missing. */
export function programFolder(name: string): string {
  const folder = path.join(backgroundFolder(), name);
  makePrivate(folder);
  return folder;
}

/**
 * Makes a folder (mode 0700) if it is missing.
 *
 * @throws UsageError as checkPrivate does
 */
export function makePrivate(folder: string): void {
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new UsageError(`${folder}: cannot be made (${codeOf(error)})`);
  }
  checkPrivate(folder);
}

/**
 * Checks that the path is a folder, not a link to one, that belongs to this user and is closed to others.
 *
 * @param forbidden permission bits that must not be set; default: all bits of group and others
 * @throws UsageError if it is not
 */
export function checkPrivate(folder: string, forbidden = 0o077): void {
  const stats = fs.lstatSync(folder, { throwIfNoEntry: false });
  const flaw = stats === undefined ? 'kind' : ownershipFlaw(stats, { kind: 'folder', forbidden });
  if (stats === undefined || flaw === 'kind' || flaw === 'link') throw new UsageError(`${folder}: is not a folder`);
  if (flaw === 'owner') throw new UsageError(`${folder}: belongs to another user (uid ${stats.uid})`);
  if (flaw === undefined) return;
  const mode = (stats.mode & 0o777).toString(8);
  throw new UsageError(`${folder}: is open to other users (mode ${mode}) · chmod 700 ${folder}`);
}
