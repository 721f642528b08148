/**
 * The tree on Linux: the root's descendants by parent, the groups and sessions that members lead,
 * and whatever carries the run's marker in its environment, wherever it was reparented to.
 */

import { codeOf } from '../errors.ts';
import type { Survivor } from '../events.ts';
import { commandLine, isDead, isProcess, lastPid, listPids, type ProcessStat, readProc, readStat } from './proc.ts';
import type { Look, Member, OpenTree, ProcessTree, Root } from './tree.ts';

/** Newborns are chased for at most this many rounds: a machine that forks faster than we look is not proven quiet. */
const chaseRounds = 64;

export const openTree: OpenTree = (root) => new LinuxTree(root);

class LinuxTree implements ProcessTree {
  readonly #rootStart: string;
  readonly #markerText: string;
  /** Numbers of members seen so far, with their start: what they led stays theirs when they are gone. */
  readonly #seen = new Map<number, string>();

  constructor(root: Root) {
    // Not reaped yet, so even a root that has ended already has its entry.
    this.#rootStart = readStat(root.pid)?.startTime ?? '0';
    this.#markerText = `${root.marker.name}=${root.marker.value}`;
    this.#seen.set(root.pid, this.#rootStart);
  }

  look(onFound?: (member: Member) => void): Look {
    const members = new Map<number, Member>();
    const undecided: ProcessStat[] = [];
    const found = (stat: ProcessStat): void => {
      members.set(stat.pid, { pid: stat.pid, startTime: stat.startTime, command: stat.command });
      this.#seen.set(stat.pid, stat.startTime);
      onFound?.({ pid: stat.pid, startTime: stat.startTime, command: stat.command });
    };

    let seenTo = lastPid();
    for (const pid of listPids()) {
      const stat = this.#candidate(pid);
      if (stat !== undefined) undecided.push(stat);
    }
    this.#decide(undecided, members, found);

    // Whatever was born meanwhile has a higher number: look at those until there are no more.
    for (let round = 0; round < chaseRounds; round += 1) {
      const now = lastPid();
      if (now === seenTo) return { members: [...members.values()], proven: true };
      if (now < seenTo) break; // The numbers began anew: only another full look tells.
      const newborns: ProcessStat[] = [];
      for (let pid = seenTo + 1; pid <= now; pid += 1) {
        const stat = members.has(pid) ? undefined : this.#candidate(pid);
        if (stat !== undefined && isProcess(pid)) newborns.push(stat);
      }
      this.#decide(newborns, members, found);
      seenTo = now;
    }
    return { members: [...members.values()], proven: false };
  }

  signal(member: Member, signal: NodeJS.Signals): 'sent' | 'gone' | 'denied' {
    const stat = readStat(member.pid);
    if (stat === undefined || stat.startTime !== member.startTime || isDead(stat)) return 'gone';
    try {
      process.kill(member.pid, signal);
      return 'sent';
    } catch (error) {
      return codeOf(error) === 'EPERM' ? 'denied' : 'gone';
    }
  }

  describe(member: Member, denied: boolean): Survivor {
    const state = readStat(member.pid)?.state;
    const reason = denied
      ? 'belongs to another user'
      : state === 'D'
        ? 'is in an uninterruptible system call'
        : 'does not end on SIGKILL';
    return { pid: member.pid, command: commandLine(member.pid) ?? member.command, reason };
  }

  /** A live process that is no older than the root; nothing else can belong to it. */
  #candidate(pid: number): ProcessStat | undefined {
    if (pid === process.pid) return undefined;
    const stat = readStat(pid);
    if (stat === undefined || isDead(stat) || Number(stat.startTime) < Number(this.#rootStart)) return undefined;
    // A number that a member had and that now belongs to somebody else leads nothing of ours.
    const start = this.#seen.get(pid);
    if (start !== undefined && start !== stat.startTime) this.#seen.delete(pid);
    return stat;
  }

  /** Moves the members among `undecided` to where they belong, until no relation adds another one. */
  #decide(undecided: ProcessStat[], members: ReadonlyMap<number, Member>, found: (stat: ProcessStat) => void): void {
    let rest = undecided;
    for (let added = true; added; ) {
      added = false;
      const next: ProcessStat[] = [];
      for (const stat of rest) {
        if (this.#isRelated(stat, members)) {
          found(stat);
          added = true;
        } else next.push(stat);
      }
      rest = next;
    }
    for (const stat of rest) {
      if (this.#isMarked(stat.pid)) found(stat);
    }
  }

  #isRelated(stat: ProcessStat, members: ReadonlyMap<number, Member>): boolean {
    if (this.#seen.get(stat.pid) === stat.startTime) return true;
    return members.has(stat.parent) || this.#seen.has(stat.group) || this.#seen.has(stat.session);
  }

  #isMarked(pid: number): boolean {
    const environment = readProc(`/proc/${pid}/environ`);
    if (environment === undefined) return false;
    return `\0${environment}`.includes(`\0${this.#markerText}\0`);
  }
}
