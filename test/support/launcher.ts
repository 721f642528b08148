/** A launcher of programs without processes. */

import type { LaunchOptions } from '../../src/process/launch/child.ts';
import type { ProgramListener, RunningProgram } from '../../src/process/launch/program-interface.ts';
import { unstartedProgram } from '../../src/process/launch/unstarted-program.ts';
import type { ProgramLauncher } from '../../src/run/program.ts';

/** Returns a program that runs until it is stopped, and is gone at once then. */
export const idleProgram = (options: LaunchOptions, listener: ProgramListener): RunningProgram =>
  unstartedProgram(new Promise(() => {}), options, listener);

export const idleLauncher: ProgramLauncher = {
  launch: idleProgram,
  openHooks: () => ({ run() {}, written: () => 0, async close() {} }),
  discardStandbys() {},
  releasePorts() {},
  async close() {},
};
