/**
 * The tree on Linux in its own cgroup (v2): complete whatever its members do, unless they ask
 * another daemon (systemd-run, docker) to start a process for them.
 *
 * cgroup.kill (Linux 5.14) ends all members in one step, including those that are being born;
 * `populated` in cgroup.events becomes 0 when the last is dead (zombies do not count).
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import type { Exemptions } from './exemptions.ts';
import { LinuxTree } from './linux.ts';
import { type Candidate, type ProcessStat, readCandidate, readProc, readStat } from './proc.ts';
import type { Member, Scan } from './tree.ts';

/** The tree in an existing cgroup. */
export class CgroupTree extends LinuxTree {
  readonly #folder: string;
  readonly #exemptions: Exemptions;
  readonly #root: ProcessStat | undefined;

  /** @param root belongs to the tree even before it has joined the cgroup */
  constructor(folder: string, exemptions: Exemptions, root?: number) {
    super();
    this.#folder = folder;
    this.#exemptions = exemptions;
    this.#root = root === undefined ? undefined : readStat(root);
  }

  scan(onFound?: (member: Member) => void): Scan {
    const lists = cgroupsBelow(this.#folder).map((folder) => readProc(path.join(folder, 'cgroup.procs')) ?? '');
    const pids = lists.flatMap((list) => list.split('\n').filter(Boolean).map(Number));
    const candidates = pids.flatMap((pid) => readCandidate(pid, 0) ?? []);
    const root = this.#rootOutside(candidates);
    if (root !== undefined) candidates.push(root);
    const isExempt = this.#exemptions(candidates);
    const members: Member[] = [];
    for (const candidate of candidates) {
      if (isExempt(candidate)) {
        this.#moveOut(candidate.pid);
      } else {
        members.push(candidate);
        onFound?.(candidate);
      }
    }
    return { members, proven: root === undefined && this.#isEmpty() };
  }

  /** False if the file cannot be read, for want of a descriptor. */
  #isEmpty(): boolean {
    const events = readProc(path.join(this.#folder, 'cgroup.events'));
    return events === undefined ? !fs.existsSync(this.#folder) : /^populated 0$/m.test(events);
  }

  killAll(): void {
    write(path.join(this.#folder, 'cgroup.kill'), '1');
  }

  release(): void {
    removeCgroups(this.#folder);
  }

  /** Returns the root, as long as it lives and has not joined the cgroup. */
  #rootOutside(inside: readonly Candidate[]): Candidate | undefined {
    if (this.#root === undefined || inside.some(({ pid }) => pid === this.#root?.pid)) return undefined;
    const now = readCandidate(this.#root.pid, 0);
    return now?.startTime === this.#root.startTime ? now : undefined;
  }

  /** Moves an exempt process to devwatch's own cgroup, so that cgroup.kill does not reach it. */
  #moveOut(pid: number): void {
    write(path.join(path.dirname(path.dirname(this.#folder)), 'cgroup.procs'), String(pid));
  }
}

/** Returns the cgroup and those that its members made inside, parents first. */
function cgroupsBelow(folder: string): string[] {
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

/** ESRCH, ENOENT: the process has just died; only the next scan matters. */
const write = (file: string, text: string): void => attempt(() => fs.writeFileSync(file, text));
