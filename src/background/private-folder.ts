/** The folders of background programs and their sockets: they belong to this user and are closed to others. */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { platform } from '../process/platform.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { describeFlaw, flawOnWay, makeTrustedFolder, ownershipFlaw } from '../shared/file-ownership.ts';
import { stateFolder } from '../shared/user-folders.ts';

/** Longest path of a socket in bytes (size of `sun_path`, less the final NUL). Node 20 truncates longer ones silently. */
export const maxSocketPathBytes: number = platform.sockets.maxPathBytes;

/** Returns the folder that holds one folder per name; makes it if it is missing. @throws UsageError, on Windows always */
export function backgroundFolder(): string {
  if (!platform.isPosix) {
    throw new UsageError('devwatch cannot run programs in the background on Windows yet · run it in a terminal');
  }
  const devwatch = stateFolder(process.env);
  if (devwatch === undefined) throw new UsageError('this user has no home folder · set HOME or XDG_STATE_HOME');
  try {
    makeTrustedFolder(devwatch);
  } catch (error) {
    const reason = error instanceof UsageError ? error.message : `${devwatch}: cannot be made (${codeOf(error)})`;
    throw elsewhere(reason);
  }
  // Users who can write here could replace the folder below; reading gains them nothing.
  checkPrivate(devwatch, 0o022);
  return makePrivate(path.join(devwatch, 'background'));
}

const elsewhere = (problem: string): UsageError =>
  new UsageError(`${problem} · ${problem.includes(' · ') ? 'or ' : ''}set XDG_STATE_HOME to a folder of yours`);

/** Returns the folder of one name; makes it if it is missing. */
export const programFolder = (name: string): string => makePrivate(path.join(backgroundFolder(), name));

/**
 * Returns the path of the control socket of a name, in a folder that exists and is closed to others: below
 * $XDG_RUNTIME_DIR if that belongs to the user, else in the folder of the name, or in /tmp/devwatch-<uid> where those
 * paths are too long for a socket.
 *
 * @throws UsageError if the folder in /tmp cannot be trusted
 */
export function socketPath(name: string): string {
  const folder = programFolder(name);
  // Several state folders may share one runtime folder.
  const hash = createHash('sha256').update(folder).digest('hex');
  const runtime = runtimeFolder();
  const inRuntime = runtime === undefined ? [] : [path.join(runtime, `${name}-${hash.slice(0, 8)}.sock`)];
  const candidates = [...inRuntime, path.join(folder, 'control.sock')];
  const fitting = candidates.find((file) => Buffer.byteLength(file) <= maxSocketPathBytes);
  if (fitting !== undefined) return fitting;
  try {
    return path.join(makePrivate(`/tmp/devwatch-${process.geteuid?.()}`), `${hash.slice(0, 24)}.sock`);
  } catch (error) {
    throw new UsageError(
      `no place for a socket: ${folder} is too long (${maxSocketPathBytes} bytes at most), and ${messageOf(error)}`,
    );
  }
}

/** Often unusable (containers, su, cron); undefined then. */
function runtimeFolder(): string | undefined {
  const { XDG_RUNTIME_DIR: base = '' } = process.env;
  try {
    if (!path.isAbsolute(base) || flawOnWay(base) !== undefined) return undefined;
    checkPrivate(base);
    const folder = makePrivate(path.join(base, 'devwatch'));
    fs.accessSync(folder, fs.constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

/** Makes a folder (mode 0700) if it is missing, and returns its path. @throws UsageError as checkPrivate does */
export function makePrivate(folder: string): string {
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new UsageError(`${folder}: cannot be made (${codeOf(error)})`);
  }
  checkPrivate(folder);
  return folder;
}

/**
 * Checks that the path is a folder, not a link to one, that belongs to this user and is closed to others.
 *
 * @param forbidden permission bits that must not be set; default: all bits of group and others
 * @throws UsageError if it is not
 */
export function checkPrivate(folder: string, forbidden = 0o077): void {
  const stats = fs.lstatSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) throw new UsageError(`${folder}: is not a folder`);
  const flaw = ownershipFlaw(stats, { kind: 'folder', forbidden });
  if (flaw !== undefined) throw new UsageError(describeFlaw(folder, flaw, stats));
}
