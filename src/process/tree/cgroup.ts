/**
 * The tree on Linux in its own cgroup (v2): complete whatever its members do, unless they ask
 * another daemon (systemd-run, docker) to start a process for them.
 *
 * cgroup.kill (Linux 5.14) ends all members in one step, including those that are being born;
 * `populated` in cgroup.events becomes 0 when the last is dead (zombies do not count).
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt, codeOf } from '../../shared/errors.ts';
import type { Exemptions } from './exemptions.ts';
import { LinuxTree, type MarkedTree } from './linux.ts';
import { ownerOf } from './marks.ts';
import { type Candidate, type ProcessStat, readCandidate, readProc, readStat } from './proc.ts';
import type { Member, Scan } from './tree.ts';

/** An exempt process may have had children since it was listed; in this many rounds it and all of them are moved. */
const maxMoveRounds = 16;

/** The name of the cgroup, beside those of the trees, that exempt processes are moved to. It is inherited by their children. */
const keptName = 'devwatch-kept';

export interface CgroupTreeOptions {
  /** The cgroup of a run, or that of all runs of a devwatch. */
  readonly folder: string;
  /** The cgroup to which exempt processes are moved: `keptCgroup()`. */
  readonly kept: string;
  readonly exemptions: Exemptions;
  /** Finds by their marks the processes that have left the cgroup. */
  readonly outside: MarkedTree;
  /** The started process. It belongs to the tree even before it has joined the cgroup. */
  readonly root?: number;
}

/** The tree in an existing cgroup. */
export class CgroupTree extends LinuxTree {
  readonly #options: CgroupTreeOptions;
  readonly #root: ProcessStat | undefined;
  /** The pids in the cgroup at the last scan. */
  #inside: ReadonlySet<number> = new Set();
  /** There are exempt processes that could not be moved out. */
  #holdsExempt = false;

  constructor(options: CgroupTreeOptions) {
    super();
    this.#options = options;
    this.#root = options.root === undefined ? undefined : readStat(options.root);
  }

  scan(onFound?: (member: Member) => void): Scan {
    const { outside } = this.#options;
    const members = this.#members(onFound);
    const isEmpty = members.length === 0 && (this.#holdsExempt || isUnpopulated(this.#options.folder));
    // A termination looks at all processes at its beginning, while the members end: a long look at the end would delay the next run.
    if (!isEmpty && onFound === undefined) return { members, proven: false };
    const others = outside.scanOutside(members, onFound);
    return { members: [...members, ...others.members], proven: isEmpty && others.proven };
  }

  prepare(): void {
    this.#options.outside.scanOutside(this.#members());
  }

  /** Returns the members in the cgroup, and the root, after the exempt processes have been moved out. */
  #members(onFound?: (member: Member) => void): readonly Candidate[] {
    const { folder, kept, exemptions } = this.#options;
    const told = new Set<number>();
    for (let round = 0; ; round += 1) {
      const inside = processesIn(folder);
      const root = this.#rootOutside(inside);
      const candidates = root === undefined ? inside : [...inside, root];
      const exempt = exemptions.among(candidates, pidsIn(kept));
      const members = candidates.filter(({ pid }) => !exempt.has(pid));
      for (const member of members) if (!told.has(member.pid)) onFound?.(member);
      for (const { pid } of members) told.add(pid);
      const unmoved = inside.filter(({ pid }) => exempt.has(pid));
      if (unmoved.length === 0 || round === maxMoveRounds) {
        this.#inside = new Set(inside.map(({ pid }) => pid));
        this.#holdsExempt = unmoved.length > 0;
        return members;
      }
      for (const { pid } of unmoved) this.#moveOut(pid);
    }
  }

  killAll(members: readonly Member[]): readonly Member[] {
    if (this.#holdsExempt) return members;
    attempt(() => fs.writeFileSync(path.join(this.#options.folder, 'cgroup.kill'), '1'));
    return members.filter(({ pid }) => !this.#inside.has(pid));
  }

  release(): void {
    const { folder, kept } = this.#options;
    // In another thread: the kernel may wait for other changes of cgroups, and a run may be due.
    fs.rmdir(folder, (error) => {
      if (error !== null) removeCgroups(folder);
    });
    // It stays as long as there are processes in it.
    fs.rmdir(kept, () => {});
  }

  /** Returns the root, as long as it lives and is not in the cgroup: it has not joined it yet, or has left it. */
  #rootOutside(inside: readonly Candidate[]): Candidate | undefined {
    if (this.#root === undefined || inside.some(({ pid }) => pid === this.#root?.pid)) return undefined;
    const now = readCandidate(this.#root.pid, 0);
    return now?.startTime === this.#root.startTime ? now : undefined;
  }

  /** Moves an exempt process out, so that neither cgroup.kill reaches it, nor the end of devwatch. */
  #moveOut(pid: number): void {
    const { kept } = this.#options;
    const move = (folder: string): boolean => {
      try {
        fs.writeFileSync(path.join(folder, 'cgroup.procs'), String(pid));
        return true;
      } catch (error) {
        return codeOf(error) === 'ESRCH'; // It has just ended.
      }
    };
    // Another devwatch may have removed the empty cgroup in between.
    if (move(kept) || (makeCgroup(kept) && move(kept))) return;
    move(path.dirname(kept));
  }
}

/** Reads the live processes in a cgroup and in those inside it. */
function processesIn(folder: string): readonly Candidate[] {
  // Mostly so after the root's end: one file instead of several.
  if (isUnpopulated(folder)) return [];
  const pids = cgroupsBelow(folder).flatMap((below) => [...pidsIn(below)]);
  return pids.flatMap((pid) => readCandidate(pid, 0) ?? []);
}

/** Returns the pids in a cgroup, without those inside it; none if it does not exist. */
const pidsIn = (folder: string): ReadonlySet<number> =>
  new Set((readProc(path.join(folder, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number));

/** Whether no process lives in a cgroup and in those inside it; false if that cannot be read, for want of a descriptor. */
function isUnpopulated(folder: string): boolean {
  const events = readProc(path.join(folder, 'cgroup.events'));
  return events === undefined ? !fs.existsSync(folder) : /^populated 0$/m.test(events);
}

/** Returns the cgroup for processes that outlive the trees of a devwatch, given the one that holds those trees. */
export const keptCgroup = (all: string): string => path.join(path.dirname(all), keptName);

/** Whether a process has been moved to such a cgroup, or was born there. */
export const isInKeptCgroup = (pid: number): boolean =>
  readProc(`/proc/${pid}/cgroup`)
    ?.split('\n')
    .some((line) => line.startsWith('0::') && line.split('/').includes(keptName)) === true;

/** Returns the cgroup and those that its members made inside, parents first. */
function cgroupsBelow(folder: string): string[] {
  // Reading the folder takes ten times as long.
  if (/^nr_descendants 0$/m.test(readProc(path.join(folder, 'cgroup.stat')) ?? '')) return [folder];
  // It may have been removed in between.
  const entries = attempt(() => fs.readdirSync(folder, { withFileTypes: true })) ?? [];
  const inside = entries.filter((entry) => entry.isDirectory());
  return [folder, ...inside.flatMap((entry) => cgroupsBelow(path.join(folder, entry.name)))];
}

/** Returns the cgroup in which devwatch may make others: its own, if that is writable; else undefined. */
export function findCgroup(): string | undefined {
  const own = /^0::(\/.*)$/m.exec(readProc('/proc/self/cgroup') ?? '')?.[1];
  // Fields of mountinfo: the mounted part of the hierarchy is the fourth, the mount point the fifth.
  const mount = /^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(readProc('/proc/self/mountinfo') ?? '');
  if (own === undefined || mount?.[1] === undefined || mount[2] === undefined) return undefined;
  const folder = path.join(mount[2], path.relative(mount[1], own));
  return attempt(() => {
    fs.accessSync(path.join(folder, 'cgroup.procs'), fs.constants.W_OK);
    return folder;
  });
}

/** Makes a cgroup; returns false if that is not allowed, or if the cgroup could not be killed as a whole. */
export function makeCgroup(folder: string): boolean {
  try {
    fs.mkdirSync(folder);
  } catch {
    return false;
  }
  // Below a threaded cgroup a new one is `domain invalid`: no process can join it.
  const type = readProc(path.join(folder, 'cgroup.type'))?.trim();
  if (type === 'domain' && fs.existsSync(path.join(folder, 'cgroup.kill'))) return true;
  removeCgroups(folder);
  return false;
}

/** Removes a cgroup with those inside it. */
export function removeCgroups(top: string): void {
  for (const folder of cgroupsBelow(top).reverse()) {
    // If a process is still in it, or it is gone already: an empty cgroup left behind costs nothing.
    attempt(() => fs.rmdirSync(folder));
  }
}

/**
 * Removes the empty cgroups that devwatches have left in this one: with their guardian they were killed, and the next
 * devwatch in their folder looked for their records in another home. Takes no time of the start.
 */
export function removeAbandonedCgroups(own: string): void {
  fs.readdir(own, (_, names: readonly string[] = []) => {
    for (const name of names) {
      const owner = ownerOf(name);
      if (owner !== undefined && readStat(owner) === undefined) removeCgroups(path.join(own, name));
    }
  });
}
