/** The interface of a process tree, which every platform implements, and of containment. */

import type { ChildProcess } from 'node:child_process';
import { codeOf } from '../../shared/errors.ts';
import type { Survivor } from '../../shared/events.ts';

/** A process, distinguished from a later one with the same pid by its start time. */
export interface Member {
  readonly pid: number;
  /** Opaque: equal for the same process, different once the pid has been reused. */
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

/** Result of sending a signal: `denied` if the process belongs to another user. */
export type Delivery = 'sent' | 'gone' | 'denied';

export interface ProcessTree {
  /** Finds the members. `onFound` is called for each at once, so that it can be stopped before it forks again. */
  scan(onFound?: (member: Member) => void): Scan;
  /** Does in advance, while nobody waits, a part of what a scan does. */
  prepare?(): void;
  /** Sends a signal, if the process is still the one that was found. */
  signal(member: Member, signal: NodeJS.Signals): Delivery;
  /** Kills members in one step that none can escape, where the system has such a step; returns those that it cannot reach. */
  killAll?(members: readonly Member[]): readonly Member[];
  /**
   * Kills children of the root, with their descendants, where they could not be found after its end. It waits meanwhile,
   * so that their pids are still theirs. Returns whether all were there.
   */
  killChildren?(pids: readonly number[]): boolean;
  /** Explains why a member could not be ended, as far as the system shows it. */
  describe(member: Member, denied: boolean): Survivor;
  /** Releases the resources of the tree; called when it is gone. */
  release?(): void;
}

/** Sends a signal, or with 0 none, to a process, whichever has this pid now. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): Delivery {
  try {
    process.kill(pid, signal);
    return 'sent';
  } catch (error) {
    return codeOf(error) === 'EPERM' ? 'denied' : 'gone';
  }
}

/** A file to execute, with its arguments and environment. */
export interface Invocation {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** The process that an invocation has started. */
export interface Root {
  readonly pid: number;
  /** Whether its exit has been reported. */
  hasExited(): boolean;
}

/** Returns a started child process as the root of a tree. */
export const rootOf = (child: ChildProcess, pid: number): Root => ({
  pid,
  hasExited: () => child.exitCode !== null || child.signalCode !== null,
});

/** An invocation, changed so that every process it starts can be recognised. */
export interface Contained extends Invocation {
  /** Opens the tree of the process started by this invocation; must be called before that can have been reaped. */
  open(root: Root): ProcessTree;
}

export interface Traits {
  /** It is Node with the preload, which starts nothing before it is in the cgroup (see preload.cts). */
  readonly joinsCgroupItself?: boolean;
  /** It is a command of the user's beside the program: where `keep` names it, it may itself outlive its tree. */
  readonly mayBeKept?: boolean;
}

/** Makes the programs of one devwatch recognisable as its own. */
export interface Containment {
  /** Lets another process find everything that was contained: the guardian, and later starts of devwatch. */
  readonly record: ContainmentRecord;
  contain(run: number, invocation: Invocation, traits?: Traits): Contained;
  /** Releases the resources shared by all runs. */
  release(): void;
}

/** The marks that a devwatch puts on its programs; the same for all runs. */
export interface ContainmentRecord {
  /** Name of an environment variable that no other devwatch uses. */
  readonly variable: string;
  /** Leading digits of an RLIMIT_RSS value that no other devwatch uses; empty when limits are not used. */
  readonly limit: string;
  /** Absolute path of a cgroup that holds them all; empty when cgroups are not used. */
  readonly cgroup: string;
}
