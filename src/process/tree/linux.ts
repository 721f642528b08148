/**
 * The tree on Linux without a cgroup: the root's descendants by parent, the groups and sessions
 * that members lead, and every process with one of the run's two marks, whatever its parent is now.
 *
 * The marks: an environment variable, and a soft RLIMIT_RSS. The limit has had no effect since
 * Linux 2.4.30 (setrlimit(2)), is inherited through fork, exec and setsid, survives `env -i` and a
 * program that overwrites its environment, and can be read for every user's processes.
 */

import type { Survivor } from '../../shared/events.ts';
import type { Exemptions } from './exemptions.ts';
import {
  type Candidate,
  commandLine,
  isDead,
  isProcess,
  lastPid,
  listerSince,
  listPids,
  readCandidate,
  readProc,
  readStat,
} from './proc.ts';
import { type Delivery, type Member, type ProcessTree, type Scan, sendSignal } from './tree.ts';

/** Processes born during a scan are looked up in at most this many rounds; if there are still more, the scan proves nothing. */
const maxChaseRounds = 64;

export interface MarkedTreeOptions {
  /** The started process, not reaped yet; undefined to find the processes that another devwatch started. */
  readonly root: number | undefined;
  /** `NAME=value` and a NUL, or `NAME=` for those of all runs. */
  readonly variable: string;
  /** The limit in bytes, or its leading digits; empty when none was set. */
  readonly limit: string;
  readonly exemptions: Exemptions;
}

/** A tree whose members are found below /proc. */
export abstract class LinuxTree implements ProcessTree {
  abstract scan(onFound?: (member: Member) => void): Scan;

  signal(member: Member, signal: NodeJS.Signals): Delivery {
    const stat = readStat(member.pid);
    if (stat === undefined || stat.startTime !== member.startTime || isDead(stat)) return 'gone';
    return sendSignal(member.pid, signal);
  }

  describe(member: Member, denied: boolean): Survivor {
    const stuck = readStat(member.pid)?.state === 'D';
    const reason = denied ? 'belongs to another user' : stuck ? 'is stuck in a system call' : 'does not end on SIGKILL';
    return { pid: member.pid, command: commandLine(member.pid) ?? member.command, reason };
  }
}

export class MarkedTree extends LinuxTree {
  readonly #options: MarkedTreeOptions;
  /** Older processes cannot belong to the tree: by their start time, and by their pid where that allows it. */
  readonly #notBefore: number;
  readonly #listPids: () => number[];
  readonly #limitLine: RegExp | undefined;
  /** Start times of the members found so far, by pid: the groups and sessions that they led stay part of the tree. */
  readonly #seen = new Map<number, string>();

  constructor(options: MarkedTreeOptions) {
    super();
    this.#options = options;
    const { root, limit } = options;
    // Not reaped yet: even a root that has already exited has its entry in /proc.
    const start = root === undefined ? '0' : (readStat(root)?.startTime ?? '0');
    this.#notBefore = Number(start);
    this.#listPids = root === undefined ? listPids : listerSince(root);
    this.#limitLine = limit === '' ? undefined : new RegExp(`^Max resident set +${limit}\\d* `, 'm');
    if (root !== undefined) this.#seen.set(root, start);
  }

  scan(onFound?: (member: Member) => void): Scan {
    const members = new Map<number, Member>();
    const found = (member: Member): void => {
      members.set(member.pid, member);
      this.#seen.set(member.pid, member.startTime);
      onFound?.(member);
    };
    let seenTo = lastPid();
    this.#decide(this.#listPids(), members, found);
    // Processes born since then have higher pids: look at those until there are no more.
    for (let round = 0; round < maxChaseRounds; round += 1) {
      const now = lastPid();
      if (now === seenTo) return { members: [...members.values()], proven: true };
      if (now < seenTo) break; // Pids have wrapped around: only another full scan can tell.
      const newborns: number[] = [];
      for (let pid = seenTo + 1; pid <= now; pid += 1) if (!members.has(pid) && isProcess(pid)) newborns.push(pid);
      this.#decide(newborns, members, found);
      seenTo = now;
    }
    return { members: [...members.values()], proven: false };
  }

  /** Finds the members among these: by a mark, then by a relation to a member, until there are no more. */
  #decide(pids: readonly number[], members: ReadonlyMap<number, Member>, found: (member: Member) => void): void {
    const candidates = pids.flatMap((pid) => this.#candidate(pid) ?? []);
    const isExempt = this.#options.exemptions(candidates);
    const others = candidates.filter((candidate) => !isExempt(candidate));
    for (const candidate of others) if (this.#isMarked(candidate)) found(candidate);
    for (let known = -1; known < members.size; ) {
      known = members.size;
      for (const stat of others) if (!members.has(stat.pid) && this.#isRelated(stat, members)) found(stat);
    }
  }

  #candidate(pid: number): Candidate | undefined {
    if (pid === process.pid) return undefined;
    const candidate = readCandidate(pid, this.#notBefore);
    if (candidate === undefined) return undefined;
    // A reused pid no longer stands for a member, nor for the group or session that the member led.
    const start = this.#seen.get(pid);
    if (start !== undefined && start !== candidate.startTime) this.#seen.delete(pid);
    return candidate;
  }

  #isRelated(stat: Candidate, members: ReadonlyMap<number, Member>): boolean {
    return members.has(stat.parent) || this.#seen.has(stat.group) || this.#seen.has(stat.session);
  }

  #isMarked({ pid, startTime, environment }: Candidate): boolean {
    if (this.#seen.get(pid) === startTime || environment.includes(`\0${this.#options.variable}`)) return true;
    return this.#limitLine?.test(readProc(`/proc/${pid}/limits`) ?? '') === true;
  }
}
