/** `devwatch restart`: restarts programs in the background, and starts those again that have ended. */

import { request } from '../background/control-client.ts';
import type { BackgroundRecord } from '../background/records.ts';
import type { StartResult } from '../background/spawn-daemon.ts';
import { maxTimerMs } from '../shared/clock.ts';
import { actOnEach, awaitResult, notRunning, printResult, selectEntries } from './background-programs.ts';
import { launchAll, launchOf } from './launch.ts';
import { exitCodes, print } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** Returns the exit code once the new runs are up or have failed. */
export async function execute({ operands }: Invocation): Promise<number> {
  const entries = selectEntries(operands, 'restart', true);
  if (entries.length === 0) print('nothing runs in the background');
  const launches = entries.flatMap(({ alive, record }) => (alive ? [] : (record ?? []))).map(launchOf);
  const others = entries.filter(({ alive, record }) => alive || record === undefined);
  const codes = await Promise.all([
    launchAll(launches),
    actOnEach(others, async ({ name, record, alive }) => {
      if (record !== undefined) return restartProgram(record);
      print(notRunning(name, alive));
      return exitCodes.failed;
    }),
  ]);
  return Math.max(...codes);
}

async function restartProgram(record: BackgroundRecord): Promise<number> {
  const abort = new AbortController();
  const restarting = request(record, 'restart', { timeoutMs: maxTimerMs, signal: abort.signal });
  const result = await awaitResult(record.name, restarting as Promise<StartResult>);
  abort.abort();
  return printResult(record.name, result, { isRestart: true });
}
