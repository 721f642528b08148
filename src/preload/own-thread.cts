/**
 * A signal to oneself that ends the process as one from another process would. Node runs its exit hooks first when a
 * process sends a deadly signal to its own pid: they write coverage, and wait for a debugger. Linux delivers a signal to
 * the whole process by the id of any of its threads, too, of which Node knows nothing.
 */

const { readdirSync, readlinkSync } = require('node:fs') as typeof import('node:fs');

/**
 * Returns the id of a thread of this process, other than the main one; undefined where the system has none, or would not
 * deliver a signal.
 *
 * @param kill Node's own `process.kill`
 */
function findOwnThread(kill: typeof process.kill): number | undefined {
  try {
    // With /proc of another pid namespace its numbers may be those of strangers.
    if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
    const thread = readdirSync('/proc/self/task')
      .map(Number)
      .find((id) => id !== process.pid);
    if (thread !== undefined) Reflect.apply(kill, process, [thread, 0]);
    return thread;
  } catch {
    return undefined;
  }
}

export type { findOwnThread };

module.exports = { findOwnThread };
