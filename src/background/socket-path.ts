/** Chooses the path of a control socket. */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { platform } from '../process/platform.ts';
import { messageOf, UsageError } from '../shared/errors.ts';
import { checkName } from './names.ts';
import { checkPrivate, makePrivate, programFolder } from './private-folder.ts';

/** Longest path of a socket in bytes (size of `sun_path`, less the final NUL). Node 20 truncates longer ones silently. */
export const maxSocketPathBytes: number = platform.name === 'linux' ? 107 : 103;

/**
 * Returns the path of the control socket of a name, in a folder that exists and is closed to others: below
 * $XDG_RUNTIME_DIR if that belongs to the user, else in the folder of the name, or in /tmp/devwatch-<uid> where those
 * paths are too long for a socket.
 *
 * @throws UsageError if the folder in /tmp cannot be trusted
 */
export function socketPath(name: string): string {
  checkName(name);
  const folder = programFolder(name);
  // Several state folders may share one runtime folder.
  const hash = createHash('sha256').update(folder).digest('hex');
  const runtime = runtimeFolder();
  const candidates = [
    ...(runtime === undefined ? [] : [path.join(runtime, `${name}-${hash.slice(0, 8)}.sock`)]),
    path.join(folder, 'control.sock'),
  ];
  const fitting = candidates.find((file) => Buffer.byteLength(file) <= maxSocketPathBytes);
  if (fitting !== undefined) return fitting;
  const short = path.join('/tmp', `devwatch-${process.geteuid?.()}`);
  try {
    makePrivate(short);
  } catch (error) {
    throw new UsageError(
      `no place for a socket: ${folder} is too long (${maxSocketPathBytes} bytes at most), and ${messageOf(error)}`,
    );
  }
  return path.join(short, `${hash.slice(0, 24)}.sock`);
}

/** Often unusable (containers, su, cron); undefined then. */
function runtimeFolder(): string | undefined {
  const { XDG_RUNTIME_DIR: base = '' } = process.env;
  try {
    if (!path.isAbsolute(base)) return undefined;
    checkPrivate(base);
    const folder = path.join(base, 'devwatch');
    makePrivate(folder);
    fs.accessSync(folder, fs.constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}
