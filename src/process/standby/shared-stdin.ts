/**
 * A pipe as stdin, which a program shares with its standbys. Whether reads of it block is the same for all of them: Node makes
 * it non-blocking when a program reads it as a stream, and libuv makes descriptors 0 to 2 of each new process blocking.
 */

import fs from 'node:fs';
import { Socket } from 'node:net';
import { readProc } from '../tree/proc.ts';

/** Node's handle of a pipe. */
interface PipeHandle {
  /** Returns 0, or the error's negative number. */
  setBlocking(isBlocking: boolean): number;
}

/** Opened at the first need, and never closed: that would close stdin. It reads nothing. */
let handle: PipeHandle | undefined;

/** Whether stdin is a pipe, or a socket, and reads of it do not block now. False without /proc, where that is unknown. */
function isNonBlocking(): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(readProc('/proc/self/fdinfo/0') ?? '')?.[1] ?? '0';
  if ((Number.parseInt(flags, 8) & fs.constants.O_NONBLOCK) === 0) return false;
  try {
    const stats = fs.fstatSync(0);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false;
  }
}

/**
 * Starts a process that inherits stdin beside the program that reads it. Afterwards reads block, or do not, as before: the
 * program would hang in one. Returns undefined, and starts nothing, where that cannot be ensured.
 */
export function startBesideReader<Started>(start: () => Started): Started | undefined {
  if (!isNonBlocking()) return start();
  handle ??= openStdin();
  if (handle === undefined) return undefined;
  try {
    return start();
  } finally {
    handle.setBlocking(false);
  }
}

/** A process that was started like that becomes the program: reads block, as for any program at its start. */
export function makeStdinBlocking(): void {
  if (isNonBlocking()) {
    handle ??= openStdin();
    handle?.setBlocking(true);
  }
}

function openStdin(): PipeHandle | undefined {
  try {
    const socket = new Socket({ fd: 0, readable: false, writable: false });
    const { _handle } = socket as unknown as { _handle: unknown };
    return isPipeHandle(_handle) ? _handle : undefined;
  } catch {
    return undefined;
  }
}

const isPipeHandle = (value: unknown): value is PipeHandle =>
  typeof (value as Partial<PipeHandle> | null)?.setBlocking === 'function';
