/** `devwatch resume`: ends the pause of programs in the background. */

import { request } from '../background/control-client.ts';
import type { ResumeResult } from '../background/daemon.ts';
import { formatCount } from '../terminal/format.ts';
import { forEachEntry, notRunning } from './background-programs.ts';
import { exitCodes, print } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** Returns the exit code once the pauses are over; the restarts that follow are not awaited. */
export const execute = ({ operands }: Invocation): Promise<number> =>
  forEachEntry(operands, 'resume', async ({ name, record, alive }) => {
    if (record === undefined || !alive) {
      print(notRunning(name, alive));
      return exitCodes.failed;
    }
    const { waiting } = (await request(record, 'resume')) as ResumeResult;
    print(`${name} ${describe(waiting)}`);
    return exitCodes.ok;
  });

function describe(changes: number | undefined): string {
  if (changes === undefined) return 'was not paused';
  return changes === 0
    ? 'is no longer paused · nothing to restart for'
    : `is no longer paused · restarts for ${formatCount(changes, 'change')}`;
}
