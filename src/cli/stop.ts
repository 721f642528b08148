/** `devwatch stop`: stops programs in the background. */

import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../background/control-client.ts';
import type { Status } from '../background/daemon.ts';
import { acquireName } from '../background/name-lock.ts';
import { type BackgroundEntry, type BackgroundRecord, endRecord } from '../background/records.ts';
import { defaultSettings } from '../config/defaults.ts';
import { livenessOf, type ProcessIdentity } from '../process/tree/identity.ts';
import { maxTimerMs } from '../shared/clock.ts';
import { codeOf } from '../shared/errors.ts';
import { formatTime } from '../shared/format.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { forEachEntry, startTimeoutMs, terminateOrphansOf } from './background-programs.ts';
import { exitCodes, print } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** If stopping takes longer, say how long it may take. */
const slowStopNoticeMs = 1500;
/** Grace period from SIGTERM to SIGKILL for a devwatch that does not answer. */
const graceMs = 10_000;
const pollIntervalMs = 20;

/** Returns the exit code once all processes of the programs are gone. */
export const execute = ({ operands }: Invocation): Promise<number> => forEachEntry(operands, 'stop', stopProgram);

async function stopProgram({ name, record, owner: holder, alive }: BackgroundEntry): Promise<number> {
  const owner = record ?? holder;
  if (owner === undefined || !alive) {
    await terminateOrphansOf(record);
    if (record?.end === undefined) endDead(name);
    print(`${name} was not running`);
    return exitCodes.ok;
  }
  // Without a record there is no socket for a request.
  const hasAnswered = record !== undefined && (await requestStop(record));
  if (!hasAnswered) send(owner, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  let isKilled = false;
  while (livenessOf(owner) === 'alive') {
    if (Date.now() > deadline) {
      // The guardian terminates the processes that are left.
      send(owner, 'SIGKILL');
      isKilled = true;
    }
    await sleep(pollIntervalMs);
  }
  await terminateOrphansOf(record);
  if (isKilled) endDead(name);
  print(`${name} has been stopped`);
  return exitCodes.ok;
}

/** Requests a stop and waits as long as the program may take for it. Returns false if devwatch does not answer. */
async function requestStop(record: BackgroundRecord): Promise<boolean> {
  let notice: NodeJS.Timeout | undefined;
  try {
    // An older devwatch does not report how long a stop may take.
    const { killTimeout = defaultSettings.killTimeout } = (await request(record, 'status')) as Partial<Status>;
    const message = `${record.name} is still stopping · SIGKILL after ${formatTime(killTimeout)}`;
    notice = setTimeout(() => print(message), slowStopNoticeMs);
    await request(record, 'stop', { timeoutMs: Math.min(killTimeout + graceMs + startTimeoutMs, maxTimerMs) });
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(notice);
  }
}

/** Sends a signal to a process that may exit at any moment. */
function send(owner: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    if (livenessOf(owner) === 'alive') process.kill(owner.pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** Notes the end of a devwatch that is dead and could not do so itself. */
function endDead(name: string): void {
  const lock = acquireName(name, workingFolder());
  endRecord(lock, 'stopped');
  lock.release();
}
