/** `devwatch restart`: restarts programs in the background. */

import { request } from '../background/control-client.ts';
import type { BackgroundRecord } from '../background/records.ts';
import type { StartResult } from '../background/spawn-daemon.ts';
import { maxTimerMs } from '../shared/clock.ts';
import { awaitResult, forEachRunning, printResult } from './background-programs.ts';
import type { Invocation } from './subcommands.ts';

/** Returns the exit code once the new runs are up or have failed. */
export const execute = ({ operands }: Invocation): Promise<number> =>
  forEachRunning(operands, 'restart', restartProgram);

async function restartProgram(record: BackgroundRecord): Promise<number> {
  const abort = new AbortController();
  const restarting = request(record, 'restart', { timeoutMs: maxTimerMs, signal: abort.signal });
  const result = await awaitResult(record.name, restarting as Promise<StartResult>);
  abort.abort();
  return printResult(record.name, result, { pid: record.pid, isRestart: true });
}
