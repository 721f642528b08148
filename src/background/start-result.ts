/**
 * Readiness notification of a daemon, as s6's notification-fd: `devwatch start` leaves it a descriptor, on which the
 * daemon writes one line of JSON when the result of the first start is known, and which it then closes. If the
 * descriptor is closed without a line, the daemon failed before that.
 */

import fs from 'node:fs';
import net from 'node:net';
import { platform } from '../process/platform.ts';
import { readProc } from '../process/tree/proc.ts';
import type { StartOutcome } from '../run/readiness.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';

/** Result of a start. `tail`: the last lines of the program's output, if it failed or ended before it was up. */
export type StartResult = StartOutcome & { readonly tail?: readonly string[] };

/** Descriptor of the daemon that is connected to `devwatch start`. Node closes it in every child process. */
const notificationDescriptor = 3;
/** Time for `devwatch start` to read the result: it may be stopped, and macOS buffers no more than 8 KB. */
const sendTimeoutMs = 1000;

/** Sends the result to `devwatch start`, and closes the descriptor. Never rejects. */
export async function sendStartResult(result: StartResult): Promise<void> {
  const socket = new net.Socket({ fd: notificationDescriptor, readable: false });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // The user may have left with Ctrl-C.
  socket.on('error', () => {});
  socket.end(`${JSON.stringify(result)}\n`, () => socket.destroy());
  await withDeadline(systemClock, sendTimeoutMs, closed);
}

/** Parses the line that a daemon has sent; undefined if it is empty or damaged. */
export function parseStartResult(line: string): StartResult | undefined {
  try {
    return JSON.parse(line) as StartResult;
  } catch {
    return undefined;
  }
}

/** O_CLOEXEC on all of Node's Linux platforms. */
const closeOnExecFlag = 0o2000000;

/**
 * Closes descriptors that the caller of `devwatch start` leaked into it: a pipe that the daemon kept open would never
 * end for its reader. Node itself marks the first 16 descriptors, and those that follow without a gap, as
 * close-on-exec when it starts, and opens its own with that flag; all others are inherited. Only Linux lists them.
 */
export function closeLeakedDescriptors(): void {
  if (!platform.hasProc) return;
  for (const descriptor of fs.readdirSync('/proc/self/fd').map(Number)) {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readProc(`/proc/self/fdinfo/${descriptor}`) ?? '')?.[1];
    if (descriptor <= notificationDescriptor || flags === undefined) continue;
    if ((Number.parseInt(flags, 8) & closeOnExecFlag) === 0) fs.closeSync(descriptor);
  }
}
