/** Which processes belong to a program, as every platform answers it. */

import type { Survivor } from '../events.ts';

/** A process, told apart from a later one with the same number by its start. */
export interface Member {
  readonly pid: number;
  /** Opaque: equal for the same process, different after the number was given away again. */
  readonly startTime: string;
  readonly command: string;
}

export const memberKey = (member: Member): string => `${member.pid}@${member.startTime}`;

export interface Look {
  /** Alive now, the root included; zombies are dead. */
  readonly members: readonly Member[];
  /** Nothing was born unseen while this was looked up: an empty list means that nothing is left. */
  readonly proven: boolean;
}

export interface ProcessTree {
  /** Finds the members; `onFound` is told each at once, so that it can be frozen before it forks again. */
  look(onFound?: (member: Member) => void): Look;
  /** Sends a signal, if the process is still the one that was found. */
  signal(member: Member, signal: NodeJS.Signals): 'sent' | 'gone' | 'denied';
  /** Why a member could not be ended, as far as the system tells. */
  describe(member: Member, denied: boolean): Survivor;
}

/** What marks every process of one run: an environment variable that its children inherit. */
export interface Marker {
  readonly name: string;
  readonly value: string;
}

/** The process that devwatch itself started. */
export interface Root {
  readonly pid: number;
  /** It has been told apart from its process group by a group and session of its own. */
  readonly detached: boolean;
  readonly marker: Marker;
}

/** The tree below `root`, which must not have been reaped yet. */
export type OpenTree = (root: Root) => ProcessTree;
