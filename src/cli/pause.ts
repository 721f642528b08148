/** `devwatch pause`: programs in the background collect saves, until `devwatch resume`. */

import { request } from '../background/control-client.ts';
import type { PauseResult } from '../background/daemon.ts';
import { forEachEntry, notRunning } from './background-programs.ts';
import { exitCodes, print } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** Returns the exit code once the programs are paused. */
export const execute = ({ operands }: Invocation): Promise<number> =>
  forEachEntry(operands, 'pause', async ({ name, record, alive }) => {
    if (record === undefined || !alive) {
      print(notRunning(name, alive));
      return exitCodes.failed;
    }
    const { isPaused } = (await request(record, 'pause')) as PauseResult;
    print(`${name} ${isPaused ? `is paused · devwatch resume ${name}` : 'watches no file: there is nothing to pause'}`);
    return exitCodes.ok;
  });
