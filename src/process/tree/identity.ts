/** Tells one process from all others: a pid is reused, starts again after a boot, and differs between pid namespaces. */

import { UsageError } from '../../shared/errors.ts';
import { platform } from '../platform.ts';
import { pidNamespace } from './proc.ts';

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
  return platform.processes.startTimeOf(process.pid) === process.startTime ? 'alive' : 'dead';
}

/** Returns the process that has this pid now; undefined if there is none, or a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = platform.processes.startTimeOf(pid);
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
  knownBoot ??= platform.processes.bootId();
  return knownBoot;
}
