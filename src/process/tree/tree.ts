/** Which processes belong to a program, as every platform answers it. */

import type { Survivor } from '../../shared/events.ts';

/** A process, told apart from a later one with the same number by its start. */
export interface Member {
  readonly pid: number;
  /** Opaque: equal for the same process, different after the number was given away again. */
  readonly startTime: string;
  readonly command: string;
}

export const memberKey = (member: Member): string => `${member.pid}@${member.startTime}`;

/** Result of one search for the members of a tree. */
export interface Scan {
  /** Alive now, the root included; zombies are dead. */
  readonly members: readonly Member[];
  /** No process can have been born unseen during the scan: an empty list means that nothing is left. */
  readonly proven: boolean;
}

export interface ProcessTree {
  /** Finds the members. `onFound` is called for each at once, so that it can be stopped before it forks again. */
  scan(onFound?: (member: Member) => void): Scan;
  /** Sends a signal, if the process is still the one that was found. */
  signal(member: Member, signal: NodeJS.Signals): 'sent' | 'gone' | 'denied';
  /** Kills all members in one step that none can escape, where the system has such a step. */
  killAll?(): void;
  /** Why a member could not be ended, as far as the system tells. */
  describe(member: Member, denied: boolean): Survivor;
  /** Called when the tree is gone: gives back what it needed. */
  release?(): void;
}

/** What to execute, and with which variables. */
export interface Invocation {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** An invocation, changed so that whatever it starts can be recognised. */
export interface Contained extends Invocation {
  /** The tree of the process started so; to be called before it can have been reaped. */
  open(pid: number): ProcessTree;
}

/** Makes the programs of one devwatch recognisable as its own. */
export interface Containment {
  /** How another process finds everything that was contained: for the guardian and for later starts. */
  readonly record: ContainmentRecord;
  /** @param joinsCgroupItself it is Node with our preload, which sees to it that nothing begins outside (see preload.cts) */
  contain(run: number, invocation: Invocation, joinsCgroupItself: boolean): Contained;
  /** Gives back what all runs shared. */
  release(): void;
}

/** The marks that a devwatch puts on its programs; they say nothing about single runs. */
export interface ContainmentRecord {
  /** Name of an environment variable that no other devwatch uses. */
  readonly variable: string;
  /** Leading digits of an RLIMIT_RSS value that no other devwatch uses; empty when limits are not used. */
  readonly limit: string;
  /** Absolute path of a cgroup that holds them all; empty when cgroups are not used. */
  readonly cgroup: string;
}
