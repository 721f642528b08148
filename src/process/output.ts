/** What a program prints, where devwatch has to hear it. */

import type { ChildProcess } from 'node:child_process';

/** Where it goes; neither may throw nor wait. */
export interface Output {
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
}

/** Passes all of it on: to `output`, or else to devwatch's own stdout and stderr, as fast as those take it. */
export function passOn(child: ChildProcess, hear: (chunk: Buffer) => void, output: Output | undefined): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const from = child[name];
    from?.on('data', hear);
    if (output === undefined) from?.pipe(process[name], { end: false });
    else from?.on('data', (chunk: Buffer) => output[name](chunk));
  }
}
