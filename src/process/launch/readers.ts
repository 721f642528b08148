/** Finds out whether devwatch's own output still has a reader. Linux only. */

import fs from 'node:fs';
import { attempt, codeOf } from '../../shared/errors.ts';
import { listPids, readProc, readStat } from '../tree/proc.ts';

const accessMode = fs.constants.O_WRONLY | fs.constants.O_RDWR;

/** Returns the stream of devwatch that nothing reads any more; undefined if both are read, or if that is unknown. */
export function findUnreadStream(): 'stdout' | 'stderr' | undefined {
  return isUnread(1) ? 'stdout' : isUnread(2) ? 'stderr' : undefined;
}

/** Whether a descriptor leads to a pipe or a socket whose other end is closed. */
export function isUnread(descriptor: number): boolean {
  const stat = attempt(() => fs.fstatSync(descriptor));
  if (stat?.isSocket() === true) return isClosedSocket(descriptor);
  const link = stat?.isFIFO() === true ? attempt(() => fs.readlinkSync(`/proc/self/fd/${descriptor}`)) : undefined;
  return link !== undefined && !listPids().some((pid) => mayRead(pid, link));
}

/** Writing nothing fails once the other end is closed. */
function isClosedSocket(descriptor: number): boolean {
  try {
    fs.writeSync(descriptor, new Uint8Array());
    return false;
  } catch (error) {
    return codeOf(error) === 'EPIPE';
  }
}

/** Whether a process has a pipe open to read, or may have: processes of other users cannot be seen, such as `| sudo tee`. */
function mayRead(pid: number, link: string): boolean {
  const folder = `/proc/${pid}`;
  const descriptors = attempt(() => fs.readdirSync(`${folder}/fd`));
  if (descriptors === undefined) return readStat(pid)?.session === readStat(process.pid)?.session;
  return descriptors.some((descriptor) => {
    if (attempt(() => fs.readlinkSync(`${folder}/fd/${descriptor}`)) !== link) return false;
    const flags = /^flags:\s*(\d+)/m.exec(readProc(`${folder}/fdinfo/${descriptor}`) ?? '')?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & accessMode) !== fs.constants.O_WRONLY;
  });
}
