/** Launches a process tree as devwatch does, without anything else of devwatch. */

import { Launcher } from '../../src/process/launch/launcher.ts';
import type { RunningProgram } from '../../src/process/launch/program-interface.ts';
import { terminalModes } from '../../src/process/launch/tty.ts';
import type { Keep } from '../../src/process/tree/exemptions.ts';
import type { Containment } from '../../src/process/tree/tree.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { createDeferred } from '../../src/shared/deferred.ts';
import type { Survivor } from '../../src/shared/events.ts';
import { createCommand } from './command.ts';

/** Every process of a tree ends with it, unless it says DEVWATCH_KEEP=1. */
export const keepNothing: Keep = { globs: [], program: [] };

export interface LaunchRequest {
  readonly containment: Containment;
  readonly file: string;
  readonly args: readonly string[];
  readonly isNode?: boolean;
  readonly folder?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Launched {
  readonly program: RunningProgram;
  /** Resolves when the whole tree is gone, except for the survivors. */
  readonly gone: Promise<readonly Survivor[]>;
}

export function launchTree(request: LaunchRequest): Launched {
  const { containment, file, args, isNode = false, folder = process.cwd(), env = process.env } = request;
  const command = createCommand({ file, args, isNode });
  const launcher = new Launcher({ containment, clock: systemClock, modes: terminalModes });
  const gone = createDeferred<readonly Survivor[]>();
  const program = launcher.launch(
    {
      command,
      folder,
      env,
      variables: {},
      signal: 'SIGTERM',
      stdin: 'ignore',
      relay: false,
      reportLoads: false,
      prewarm: false,
      standby: false,
      hold: false,
      isPinged: false,
      sendsReady: false,
      capturesOutput: false,
      drain: 0,
    },
    {
      onEvent: (event) => {
        if (event.type === 'gone') gone.resolve(event.survivors);
      },
      onReadsInput: () => '',
    },
  );
  return { program, gone: gone.promise };
}
