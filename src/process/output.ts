/** What a program prints, where devwatch has to hear it. */

import type { ChildProcess } from 'node:child_process';

/** Passes all of it on to devwatch's own stdout and stderr, as fast as those take it. */
export function passOn({ stdout, stderr }: ChildProcess, hear: (chunk: Buffer) => void): void {
  for (const [from, to] of [
    [stdout, process.stdout],
    [stderr, process.stderr],
  ] as const) {
    from?.on('data', hear);
    from?.pipe(to, { end: false });
  }
}
