/**
 * Orphans are processes that a devwatch leaves behind when it is killed. A record on the disk lets its
 * guardian, or the next devwatch in the same folder, find and terminate them.
 */

import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { attempt } from '../../shared/errors.ts';
import { makeTrustedFolder, readTrusted } from '../../shared/file-ownership.ts';
import { stateFolder } from '../../shared/user-folders.ts';
import type { StopSignal } from '../launch/child.ts';
import { platform } from '../platform.ts';
import { openOrphans } from '../tree/containment.ts';
import type { Keep } from '../tree/exemptions.ts';
import { bootId, identityOf, livenessOf, type ProcessIdentity } from '../tree/identity.ts';
import { terminateTree } from '../tree/terminate.ts';
import type { ContainmentRecord } from '../tree/tree.ts';

/** How to find the processes of a devwatch that is dead, and how to terminate them. */
export interface Orphans {
  readonly record: ContainmentRecord;
  readonly keep: Keep;
  readonly signal: StopSignal;
}

/** The variable that holds the orphans for the guardian, as JSON. */
export const orphansVariable = 'DEVWATCH_ORPHANS';

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
  const prefix = prefixOf(folder);
  if (prefix === undefined) return () => {};
  recordCount += 1;
  const file = `${prefix}${process.pid}-${recordCount}.json`;
  try {
    fs.writeFileSync(file, JSON.stringify({ ...orphans, ...identityOf(process.pid) }), { mode: 0o600 });
  } catch {
    return () => {}; // The disk is full or read-only: only the guardian is left.
  }
  return () => fs.rmSync(file, { force: true });
}

/** Returns the pids of the devwatches that run programs in this folder now. */
export function ownersIn(folder: string): readonly number[] {
  const prefix = prefixOf(folder);
  const records = prefix === undefined ? [] : recordsAt(prefix).flatMap((file) => readRecord(file) ?? []);
  const living = records.filter((record) => attempt(() => livenessOf(record)) === 'alive');
  return [...new Set(living.map(({ pid }) => pid))];
}

/** Terminations under way, by the prefix of the folder's records. */
const terminations = new Map<string, Promise<unknown>>();

/**
 * Terminates the orphans in a folder, before a program is started there; all programs that start in it at the same time
 * wait for all of them. `onFound` is called once if there are any.
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
  const stale: Orphans[] = [];
  for (const file of recordsAt(prefix)) {
    const record = readRecord(file);
    // Unknown counts as alive.
    if (record !== undefined && attempt(() => livenessOf(record)) !== 'dead') continue;
    fs.rmSync(file, { force: true });
    // No process outlives a boot.
    if (record?.boot === bootId() && isAnythingLeft(record)) stale.push(record);
  }
  return stale;
}

function recordsAt(prefix: string): string[] {
  const folder = path.dirname(prefix);
  return fs
    .readdirSync(folder)
    .flatMap((name) => (path.join(folder, name).startsWith(prefix) ? [path.join(folder, name)] : []));
}

function isAnythingLeft({ record, keep }: Orphans): boolean {
  return openOrphans(record, keep).some((tree) => {
    if (tree.scan().members.length > 0) return true;
    tree.release?.();
    return false;
  });
}

/** The name of a flaw is no JSON. */
const readRecord = (file: string): OrphanRecord | undefined =>
  attempt(() => JSON.parse(String(readTrusted(file, { forbidden: 0 }))) as OrphanRecord | null) ?? undefined;

/**
 * Returns the start of the paths of a folder's records; undefined when the folder is gone, or there can be no records.
 * It is made of device and inode, because a folder can have several paths, and because a hash would need node:crypto,
 * which takes 4 ms to load. Other users cannot enter the folder of the records.
 */
function prefixOf(folder: string): string | undefined {
  const home = platform.trees.guardian === 'none' ? undefined : stateFolder(process.env);
  if (home === undefined) return undefined;
  const trees = path.join(home, 'trees');
  try {
    const { dev, ino } = fs.statSync(folder);
    makeTrustedFolder(trees, 0o077);
    return path.join(trees, `${dev.toString(36)}-${ino.toString(36)}-`);
  } catch {
    return undefined;
  }
}
