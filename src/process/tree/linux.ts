/**
 * The tree on Linux without a cgroup: the root's descendants by parent, the groups and sessions
 * that members lead, and every process with one of the run's two marks, whatever its parent is now.
 * A cgroup's tree looks in this way for what has left the cgroup.
 *
 * The marks: an environment variable, and a soft RLIMIT_RSS. The limit has had no effect since
 * Linux 2.4.30 (setrlimit(2)), is inherited through fork, exec and setsid, survives `env -i` and a
 * program that overwrites its environment, and can be read for every user's processes.
 */

import type { Survivor } from '../../shared/events.ts';
import type { Exemptions } from './exemptions.ts';
import { Lineage } from './lineage.ts';
import {
  ascentSince,
  type Candidate,
  commandLine,
  isDead,
  isProcess,
  lastPid,
  listPids,
  type ProcessStat,
  readCandidate,
  readProc,
  readStat,
  shortageCount,
} from './proc.ts';
import { type Delivery, type Member, type ProcessTree, type Scan, sendSignal } from './tree.ts';
import { UnrelatedProcesses } from './unrelated-processes.ts';

/** Processes born during a scan are looked up in at most this many rounds; if there are still more, the scan proves nothing. */
const maxChaseRounds = 64;

/** If more pids than this have been given out since the last scan, it takes longer to try them than to list all. */
const maxNewborns = 50;

const unrelated = new UnrelatedProcesses(ascentSince);

export interface MarkedTreeOptions {
  /** The started process, not reaped yet; undefined to find the processes that another devwatch started. */
  readonly root: number | undefined;
  /** `NAME=value` and a NUL, or `NAME=` for those of all runs. */
  readonly variable: string;
  /** The limit in bytes, or its leading digits; empty when none was set. */
  readonly limit: string;
  readonly exemptions: Exemptions;
  /** Whether a process has been put among those that outlive their trees. */
  readonly isKept?: (pid: number) => boolean;
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

type Members = ReadonlyMap<number, Candidate>;

export class MarkedTree extends LinuxTree {
  readonly #options: MarkedTreeOptions;
  /** Older processes cannot belong to the tree: by their start time, and by their pid where that allows it. */
  readonly #notBefore: number;
  readonly #isAscendingSinceRoot: (now: number) => boolean;
  readonly #limitLine: RegExp | undefined;
  readonly #lineage: Lineage;
  /** The pids of the members that `scanOutside` has been told of, or has found. */
  readonly #watched = new Set<number>();
  /** Whether pids have only ascended since some time before the last scan. It counts forks, and so it lasts for many scans. */
  #isAscending: (now: number) => boolean;
  /** The last pid at the last scan, if that has proven its result. */
  #seenTo: number | undefined;

  constructor(options: MarkedTreeOptions) {
    super();
    this.#options = options;
    const { root, limit } = options;
    // Not reaped yet: even a root that has already exited has its entry in /proc.
    const place = root === undefined ? undefined : readStat(root);
    this.#notBefore = Number(place?.startTime ?? 0);
    this.#isAscendingSinceRoot = root === undefined ? () => false : ascentSince(root);
    this.#isAscending = this.#isAscendingSinceRoot;
    if (place !== undefined) unrelated.addRoot(this.#notBefore);
    this.#limitLine = limit === '' ? undefined : new RegExp(`^Max resident set +${limit}\\d* `, 'm');
    this.#lineage = new Lineage(readStat, place);
  }

  scan(onFound?: (member: Member) => void): Scan {
    return this.#scan((now) => this.#listAll(now), onFound);
  }

  /**
   * Finds the members that are not among these, which were found in another way. Repeated often: after the first time it
   * looks only at processes that are new, and at members.
   */
  scanOutside(inside: readonly Candidate[], onFound?: (member: Member) => void): Scan {
    for (const member of inside) this.#lineage.add(member);
    const list = (now: number): readonly number[] => this.#listNew(now) ?? this.#listAll(now);
    const scan = this.#scan(list, onFound, new Map(inside.map((member) => [member.pid, member])));
    for (const { pid } of [...inside, ...scan.members]) this.#watched.add(pid);
    return scan;
  }

  #scan(
    list: (now: number) => readonly number[],
    onFound?: (member: Member) => void,
    inside: Members = new Map(),
  ): Scan {
    const members = new Map<number, Candidate>();
    const found = (member: Candidate): void => {
      members.set(member.pid, member);
      onFound?.(member);
    };
    const shortages = shortageCount();
    let seenTo = lastPid();
    const pids = list(seenTo);
    this.#lineage.revise();
    const decide = (some: readonly number[]): void => {
      this.#decide(this.#candidates(some, inside), new Map([...inside, ...members]), found);
    };
    decide(pids);
    // Processes born since then have higher pids: look at those until there are no more.
    for (let round = 0; round < maxChaseRounds; round += 1) {
      const now = lastPid();
      if (shortageCount() !== shortages) break; // A member may not have been seen.
      if (now === seenTo) {
        this.#seenTo = seenTo;
        return { members: [...members.values()], proven: true };
      }
      if (now < seenTo) break; // Pids have wrapped around: only another full scan can tell.
      decide(pidsBetween(seenTo, now).filter((pid) => !members.has(pid)));
      seenTo = now;
    }
    this.#seenTo = undefined;
    return { members: [...members.values()], proven: false };
  }

  /** Returns the pids of all processes that may belong to the tree. */
  #listAll(now: number): readonly number[] {
    const { root = 0 } = this.#options;
    const isAscending = this.#isAscendingSinceRoot(now);
    this.#isAscending = isAscending ? this.#isAscendingSinceRoot : ascentSince(now);
    return listRelated(now).filter((pid) => pid >= root || !isAscending);
  }

  /** Returns the pids of the members so far, and of what was born since the last scan; undefined where that is uncertain. */
  #listNew(now: number): readonly number[] | undefined {
    const from = this.#seenTo;
    if (from === undefined || now < from || !this.#isAscending(now)) return undefined;
    const areFew = now - from <= maxNewborns;
    const newborns = areFew ? pidsBetween(from, now) : listRelated(now).filter((pid) => pid > from);
    return [...new Set([...this.#watched, ...newborns])];
  }

  /** Finds the members among these: by a mark, then by a relation to a member, until there are no more. */
  #decide(candidates: readonly Candidate[], members: Members, found: (member: Candidate) => void): void {
    const belonging = new Map<number, Candidate>();
    const add = (candidate: Candidate): void => {
      belonging.set(candidate.pid, candidate);
      this.#lineage.add(candidate);
    };
    for (const candidate of candidates) if (this.#isMarked(candidate)) add(candidate);
    for (let known = -1; known < belonging.size; ) {
      known = belonging.size;
      for (const candidate of candidates) {
        if (belonging.has(candidate.pid)) continue;
        const parent = belonging.get(candidate.parent) ?? members.get(candidate.parent);
        if (isOlder(parent, candidate) || this.#lineage.includes(candidate)) add(candidate);
      }
    }
    const { exemptions, isKept } = this.#options;
    const exempt = exemptions.among([...belonging.values()]);
    for (const member of belonging.values()) {
      if (!exempt.has(member.pid) && isKept?.(member.pid) !== true) found(member);
    }
  }

  #candidates(pids: readonly number[], inside: Members): readonly Candidate[] {
    const others = pids.filter((pid) => pid !== process.pid && !inside.has(pid));
    const onOther = (stat: ProcessStat): void => unrelated.note(stat);
    return others.flatMap((pid) => readCandidate(pid, this.#notBefore, onOther) ?? []);
  }

  #isMarked(candidate: Candidate): boolean {
    const { pid, environment } = candidate;
    if (this.#lineage.isKnown(candidate) || environment.includes(`\0${this.#options.variable}`)) return true;
    return this.#limitLine?.test(readProc(`/proc/${pid}/limits`) ?? '') === true;
  }
}

/** Returns the pids of all processes, without those that are known to belong to no tree. */
function listRelated(now: number): readonly number[] {
  unrelated.revise(now);
  return listPids().filter((pid) => !unrelated.includes(pid));
}

/** Returns the pids of the processes that were born after one and up to another one. Between their pids are those of threads. */
function pidsBetween(from: number, to: number): readonly number[] {
  const pids = Array.from({ length: to - from }, (_, index) => from + 1 + index);
  return pids.filter(isProcess);
}

/** Whether this can be the parent of a process, and not one that has got the parent's pid since. */
const isOlder = (parent: Candidate | undefined, { startTime }: Candidate): boolean =>
  parent !== undefined && Number(parent.startTime) <= Number(startTime);
