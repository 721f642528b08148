/** Tells one process from all others: a pid is reused, starts again after a boot, and differs between pid namespaces. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { attempt, codeOf, UsageError } from '../../shared/errors.ts';
import { platform } from '../platform.ts';
import { isDead, parseStat, readProc } from './proc.ts';

/** Identifies one process, and no later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Linux: clock ticks from boot to its start. macOS: seconds since the epoch. As text. */
  readonly startTime: string;
  /** Differs after every boot; empty where it is unknown. */
  readonly boot: string;
  /** Inode of its pid namespace; empty where there are none. In another namespace the pid means another process. */
  readonly namespace: string;
}

/** `foreign`: unknown, because the pid belongs to another pid namespace. */
export type Liveness = 'alive' | 'dead' | 'foreign';

/**
 * Returns whether a process lives. A zombie is dead.
 *
 * @throws Error if liveness cannot be determined (no free descriptor, for example); assuming "dead" would be worse
 */
export function livenessOf(process: ProcessIdentity): Liveness {
  if (process.boot !== bootId()) return 'dead';
  if (process.namespace !== pidNamespace()) return 'foreign';
  return startTimeOf(process.pid) === process.startTime ? 'alive' : 'dead';
}

/** Returns the process that has this pid now; undefined if there is none, or a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, boot: bootId(), namespace: pidNamespace() };
}

/** Returns the identity of this process. */
export function ownIdentity(): ProcessIdentity {
  const identity = identityOf(process.pid);
  if (identity === undefined) throw new UsageError('devwatch cannot find its own process · is /proc mounted?');
  return identity;
}

export const isSameProcess = (one: ProcessIdentity, other: ProcessIdentity): boolean =>
  (['pid', 'startTime', 'boot', 'namespace'] as const).every((key) => one[key] === other[key]);

let knownBoot: string | undefined;

/** Returns an id that differs after every boot; empty where it is unknown. */
export function bootId(): string {
  knownBoot ??= (
    platform.name === 'darwin'
      ? execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'latin1' })
      : (readProc('/proc/sys/kernel/random/boot_id') ?? '')
  ).trim();
  return knownBoot;
}

let knownNamespace: string | undefined;

/** Returns the inode of the pid namespace of this process; empty where there are none. */
export function pidNamespace(): string {
  knownNamespace ??= attempt(() => fs.readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')) ?? '';
  return knownNamespace;
}

/** Undefined if there is no such process, or only a zombie. Throws if that cannot be determined. */
function startTimeOf(pid: number): string | undefined {
  if (!platform.hasProc) return startTimeByPs(pid);
  try {
    const stat = parseStat(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return stat === undefined || isDead(stat) ? undefined : stat.startTime;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

function startTimeByPs(pid: number): string | undefined {
  try {
    const line = execFileSync('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    const [state = '', ...started] = line.split(/\s+/);
    return state.startsWith('Z') ? undefined : String(Date.parse(`${started.join(' ')} UTC`) / 1000);
  } catch (error) {
    // ps exits with 1 if there is no such process.
    if (error instanceof Error && 'status' in error && error.status === 1) return undefined;
    throw error;
  }
}
