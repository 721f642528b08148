/**
 * Orphans are processes that a devwatch leaves behind when it is killed. A record on the disk lets its
 * guardian, or the next devwatch in the same folder, find and terminate them.
 */

import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { ownershipFlaw } from '../../shared/ownership.ts';
import { stateFolder } from '../../shared/user-folders.ts';
import type { StopSignal } from '../launch/invocation.ts';
import { platform } from '../platform.ts';
import { openOrphans } from '../tree/containment.ts';
import { bootId, identityOf, livenessOf, type ProcessIdentity } from '../tree/identity.ts';
import { terminateTree } from '../tree/terminate.ts';
import type { ContainmentRecord } from '../tree/tree.ts';

/** How to find the processes of a devwatch that is dead, and how to terminate them. */
export interface Orphans {
  readonly record: ContainmentRecord;
  /** Globs of processes that may outlive the program. */
  readonly keep: readonly string[];
  readonly signal: StopSignal;
}

/** Orphans, and the devwatch that started them. */
type OrphanRecord = Orphans & ProcessIdentity;

/** Grace period from the stop signal to SIGKILL: short, because its user is no longer there to wait. */
const graceMs = 300;

/** Terminates everything that is left. */
export async function terminateOrphans({ record, keep, signal }: Orphans): Promise<void> {
  const ending = { signal: signal === 'message' ? 'SIGTERM' : signal, graceMs, clock: systemClock } as const;
  await Promise.all(openOrphans(record, keep).map((tree) => terminateTree(tree, ending).gone));
}

/** Numbers the records of this process: several of its programs may run in one folder. */
let recordCount = 0;

/** Records what this devwatch would leave behind in the folder; the returned function deletes the record. */
export function recordOrphans(folder: string, orphans: Orphans): () => void {
  const state = recordFolder();
  const prefix = prefixOf(folder);
  if (state === undefined || prefix === undefined) return () => {};
  recordCount += 1;
  const file = path.join(state, `${prefix}${process.pid}-${recordCount}.json`);
  try {
    const record = { ...orphans, ...identityOf(process.pid) };
    fs.writeFileSync(file, JSON.stringify(record), { mode: 0o600 });
  } catch {
    return () => {}; // The disk is full or read-only: only the guardian is left.
  }
  return () => fs.rmSync(file, { force: true });
}

/** Terminations under way, by the folder's prefix. */
const terminations = new Map<string, Promise<unknown>>();

/**
 * Terminates what killed devwatches left running in a folder, before a program is started there. All
 * programs that start in the folder at the same time wait for all of it.
 *
 * @param onFound called once if anything is left
 */
export async function terminateStaleOrphans(folder: string, onFound: () => void = () => {}): Promise<void> {
  const prefix = prefixOf(folder);
  if (prefix === undefined) return;
  const stale = takeStaleRecords(prefix);
  if (stale.length > 0) {
    onFound();
    const termination = Promise.all([terminations.get(prefix), ...stale.map(terminateOrphans)]);
    terminations.set(prefix, termination);
    void termination.then(() => {
      if (terminations.get(prefix) === termination) terminations.delete(prefix);
    });
  }
  await terminations.get(prefix);
}

/** Deletes the records of dead devwatches in the folder, and returns those that left anything alive. */
function takeStaleRecords(prefix: string): Orphans[] {
  const state = recordFolder();
  if (state === undefined) return [];
  const stale: Orphans[] = [];
  for (const name of fs.readdirSync(state)) {
    if (!name.startsWith(prefix)) continue;
    const file = path.join(state, name);
    const record = readRecord(file);
    if (record !== undefined && mayBeAlive(record)) continue;
    fs.rmSync(file, { force: true });
    // No process outlives a boot.
    if (record?.boot === bootId() && isAnythingLeft(record)) stale.push(record);
  }
  return stale;
}

function mayBeAlive(record: OrphanRecord): boolean {
  try {
    return livenessOf(record) !== 'dead';
  } catch {
    return true;
  }
}

function isAnythingLeft({ record, keep }: Orphans): boolean {
  return openOrphans(record, keep).some((tree) => {
    if (tree.scan().members.length > 0) return true;
    tree.release?.();
    return false;
  });
}

function readRecord(file: string): OrphanRecord | undefined {
  try {
    return (JSON.parse(fs.readFileSync(file, 'utf8')) as OrphanRecord | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns the start of the names of a folder's records; undefined when the folder is gone. It is made of device and
 * inode, because a folder can have several paths, and because a hash would need node:crypto, which takes 4 ms to load.
 */
function prefixOf(folder: string): string | undefined {
  try {
    const { dev, ino } = fs.statSync(folder);
    return `${dev.toString(36)}-${ino.toString(36)}-`;
  } catch {
    return undefined;
  }
}

/** Returns the folder of the records, which is closed to other users; undefined where there can be none. */
function recordFolder(): string | undefined {
  if (!platform.hasProc) return undefined;
  const home = stateFolder(process.env);
  if (home === undefined) return undefined;
  const folder = path.join(home, 'trees');
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const flaw = ownershipFlaw(fs.lstatSync(folder), { kind: 'folder', forbidden: 0o077 });
    return flaw === undefined ? folder : undefined;
  } catch {
    return undefined;
  }
}
