/** The tree on macOS and other Unix systems without /proc: by parent and group, from `ps`. */

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { Survivor } from '../../shared/events.ts';
import { Exemptions, type Keep } from './exemptions.ts';
import { Lineage } from './lineage.ts';
import { type Delivery, type Member, type ProcessTree, type Scan, sendSignal } from './tree.ts';

export interface PsLine extends Member {
  readonly parent: number;
  readonly group: number;
  /** Unknown to ps on macOS: 0. */
  readonly session: number;
  /** Unknown: empty. */
  readonly environment: string;
}

/** Parses `ps -A -o pid=,ppid=,pgid=,stat=,lstart=,comm=`; `lstart` is five words. */
export function parsePs(output: string): PsLine[] {
  const lines: PsLine[] = [];
  for (const line of output.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line);
    const [, pid, parent, group, state = '', startTime = '', command = ''] = match ?? [];
    if (match === null || state.startsWith('Z')) continue;
    const numbers = { pid: Number(pid), parent: Number(parent), group: Number(group), session: 0 };
    // macOS shows the path of the file.
    lines.push({ ...numbers, startTime, command: path.basename(command), environment: '' });
  }
  return lines;
}

/** A listing may be used again for this time, in ms: no pid can have been given away in between. */
const maxListingAgeMs = 50;

export class PsTree implements ProcessTree {
  readonly #exemptions: Exemptions;
  readonly #lineage: Lineage;
  #listing: ReadonlyMap<number, PsLine> = new Map();
  #listedAt = Number.NEGATIVE_INFINITY;

  /** @param unkeepable the process to which `keep` does not apply */
  constructor(root: number, keep: Keep, unkeepable?: number) {
    const placeOf = (pid: number): PsLine | undefined => this.#listing.get(pid);
    this.#exemptions = new Exemptions(keep, unkeepable, { placeOf, commandLine: commandLineByPs });
    this.#lineage = new Lineage(placeOf, this.#list().get(root));
  }

  scan(onFound?: (member: Member) => void): Scan {
    const lines = [...this.#list().values()].filter(({ pid }) => pid !== process.pid);
    this.#lineage.revise();
    const belonging = new Map<number, PsLine>();
    for (let known = -1; known < belonging.size; ) {
      known = belonging.size;
      for (const line of lines) {
        const belongs = this.#lineage.isKnown(line) || belonging.has(line.parent) || this.#lineage.includes(line);
        if (!belongs || belonging.has(line.pid)) continue;
        belonging.set(line.pid, line);
        this.#lineage.add(line);
      }
    }
    const exempt = this.#exemptions.among([...belonging.values()]);
    const members = [...belonging.values()].filter(({ pid }) => !exempt.has(pid));
    for (const member of members) onFound?.(member);
    return { members, proven: true };
  }

  signal(member: Member, signal: NodeJS.Signals): Delivery {
    const isFresh = performance.now() - this.#listedAt < maxListingAgeMs;
    const now = (isFresh ? this.#listing : this.#list()).get(member.pid);
    return now?.startTime === member.startTime ? sendSignal(member.pid, signal) : 'gone';
  }

  describe(member: Member, denied: boolean): Survivor {
    const reason = denied ? 'belongs to another user' : 'does not end on SIGKILL';
    return { pid: member.pid, command: member.command, reason };
  }

  #list(): ReadonlyMap<number, PsLine> {
    const output = runPs('-A', '-o', 'pid=,ppid=,pgid=,stat=,lstart=,comm=');
    this.#listing = new Map(parsePs(output).map((line) => [line.pid, line]));
    this.#listedAt = performance.now();
    return this.#listing;
  }
}

const commandLineByPs = (pid: number): string => runPs('-o', 'command=', '-p', String(pid)).trim();

function runPs(...args: readonly string[]): string {
  const { stdout } = spawnSync('ps', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  return stdout ?? '';
}
