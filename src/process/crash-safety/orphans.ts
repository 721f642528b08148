/**
 * What a devwatch that died may have left behind, written down so that its guardian, or the next
 * devwatch in the same folder, can end it.
 */

import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { stateFolder } from '../../shared/user-folders.ts';
import type { StopSignal } from '../launch/child.ts';
import { openLeftovers } from '../tree/containment.ts';
import { bootId, pidNamespace } from '../tree/identity.ts';
import { readStat } from '../tree/proc.ts';
import { endTree } from '../tree/terminate.ts';
import type { ContainmentRecord, ProcessTree } from '../tree/tree.ts';

export interface Leftovers {
  readonly record: ContainmentRecord;
  /** Globs of what is left alone. */
  readonly keep: readonly string[];
  readonly signal: StopSignal;
}

/** Leftovers, and whose they are. A process number alone says nothing: it is given away again, and a boot begins anew. */
interface Note extends Leftovers {
  readonly pid: number;
  readonly startTime: string;
  readonly boot: string;
  /** In another pid namespace (a container that shares the folder) its number means somebody else, or nobody. */
  readonly namespace: string;
}

/** From the polite signal to SIGKILL, in ms: whoever wrote the settings is no longer there to wait. */
const grace = 300;

/** Ends all that is left. */
export async function endLeftovers({ record, keep, signal }: Leftovers): Promise<void> {
  await Promise.all(openLeftovers(record, keep).map((tree) => end(tree, signal)));
}

function end(tree: ProcessTree, signal: StopSignal): Promise<void> {
  return new Promise((resolve) => {
    let killSoon = (): void => {};
    const ending = endTree({
      tree,
      signal: signal === 'message' ? 'SIGTERM' : signal,
      clock: systemClock,
      onGone: () => {
        killSoon();
        resolve();
      },
    });
    killSoon = systemClock.after(grace, () => ending.push('killing'));
    ending.push('terminating');
  });
}

/** Several programs of one devwatch may leave something in one folder. */
let notes = 0;

/** Notes down what this devwatch would leave in the folder; the returned function strikes it out. */
export function noteLeftovers(folder: string, leftovers: Leftovers): () => void {
  const stat = readStat(process.pid);
  const state = recordFolder();
  const prefix = prefixOf(folder);
  if (stat === undefined || state === undefined || prefix === undefined) return () => {};
  const note: Note = {
    ...leftovers,
    pid: process.pid,
    startTime: stat.startTime,
    boot: bootId(),
    namespace: pidNamespace(),
  };
  notes += 1;
  const file = path.join(state, `${prefix}${process.pid}-${notes}.json`);
  try {
    fs.writeFileSync(file, JSON.stringify(note), { mode: 0o600 });
  } catch {
    return () => {}; // A full or read-only disk: the guardian alone must do.
  }
  return () => fs.rmSync(file, { force: true });
}

/** By the folder's prefix, while they go on. */
const endings = new Map<string, Promise<unknown>>();

/**
 * Ends what killed devwatches have left alive in a folder, before anything is started there. Of several
 * programs that begin there each waits for all of it.
 *
 * @param onFound called if there is anything, for the first who asks
 */
export async function endStaleLeftovers(folder: string, onFound: () => void = () => {}): Promise<void> {
  const prefix = prefixOf(folder);
  if (prefix === undefined) return;
  const stale = takeStaleLeftovers(prefix);
  if (stale.length > 0) {
    onFound();
    const ending = Promise.all([endings.get(prefix), ...stale.map(endLeftovers)]);
    endings.set(prefix, ending);
    void ending.then(() => {
      if (endings.get(prefix) === ending) endings.delete(prefix);
    });
  }
  await endings.get(prefix);
}

/** What earlier ones that are dead now left alive in the folder. Their notes are struck out. */
function takeStaleLeftovers(prefix: string): Leftovers[] {
  const state = recordFolder();
  if (state === undefined) return [];
  const stale: Leftovers[] = [];
  for (const name of fs.readdirSync(state)) {
    if (!name.startsWith(prefix)) continue;
    const file = path.join(state, name);
    const note = readNote(file);
    if (note?.boot === bootId() && note.namespace !== pidNamespace()) continue;
    if (note !== undefined && readStat(note.pid)?.startTime === note.startTime && note.boot === bootId()) continue;
    fs.rmSync(file, { force: true });
    if (note?.boot === bootId() && isAnythingLeft(note)) stale.push(note);
  }
  return stale;
}

function isAnythingLeft({ record, keep }: Leftovers): boolean {
  return openLeftovers(record, keep).some((tree) => {
    if (tree.look().members.length > 0) return true;
    tree.release?.();
    return false;
  });
}

function readNote(file: string): Note | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Note;
  } catch {
    return undefined;
  }
}

/**
 * By device and inode: a folder has many names, and a hash would need node:crypto, which takes 4 ms to load.
 * Undefined when it has gone.
 */
function prefixOf(folder: string): string | undefined {
  try {
    const { dev, ino } = fs.statSync(folder);
    return `${dev.toString(36)}-${ino.toString(36)}-`;
  } catch {
    return undefined;
  }
}

/** Where devwatch keeps what it has to know later; undefined for a user without a home. */

/** devwatch's own folder for such notes, closed to others; undefined where there can be none. */
function recordFolder(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const home = stateFolder(process.env);
  if (home === undefined) return undefined;
  const folder = path.join(home, 'trees');
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stats = fs.lstatSync(folder);
    return stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0 ? folder : undefined;
  } catch {
    return undefined;
  }
}
