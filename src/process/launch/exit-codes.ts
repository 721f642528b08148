/** Exit codes with which a shell, or another command that becomes the program, reports that it could not. */

import fs from 'node:fs';
import { attempt } from '../../shared/errors.ts';
import type { Fault, Outcome } from '../../shared/events.ts';
import { listPids, readProc } from '../tree/proc.ts';
import type { Command } from './command.ts';

/** The kernel stamps files with the time of its last tick, up to 10 ms ago. */
const timestampSlackMs = 10;

/**
 * Returns why a run ended with 126 (the command cannot be executed) or 127 (it does not exist); undefined for other codes.
 * A file that is being written cannot be executed either, for as long as that takes.
 *
 * @param startedAt epoch ms of the run's start
 * @param hasBegun code of the program has run
 */
export function faultOfCode(
  { code }: Pick<Outcome, 'code'>,
  { file, isNode }: Pick<Command, 'file' | 'isNode'>,
  startedAt: number,
  hasBegun = false,
): Fault | undefined {
  if (code !== 126 && code !== 127) return undefined;
  if (code === 126 && isBeingWritten(file, startedAt)) return 'shortage';
  // Node itself could not run: while it is updated, a library of it may be missing for a moment.
  return isNode && !hasBegun ? undefined : 'defect';
}

/** Whether a file has been written since a time (epoch ms), or a process of this user has it open to write. */
function isBeingWritten(file: string, since: number): boolean {
  const stats = attempt(() => fs.statSync(file));
  if (stats === undefined) return false;
  return stats.ctimeMs >= since - timestampSlackMs || listPids().some((pid) => writes(pid, stats));
}

function writes(pid: number, { dev, ino }: fs.Stats): boolean {
  // Fails if the process has exited, or belongs to another user.
  const descriptors = attempt(() => fs.readdirSync(`/proc/${pid}/fd`)) ?? [];
  return descriptors.some((descriptor) => {
    const open = attempt(() => fs.statSync(`/proc/${pid}/fd/${descriptor}`));
    if (open?.ino !== ino || open.dev !== dev) return false;
    const flags = /^flags:\s*(\d+)$/m.exec(readProc(`/proc/${pid}/fdinfo/${descriptor}`) ?? '')?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0;
  });
}
