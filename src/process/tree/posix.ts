/** The tree on macOS and other Unix systems without /proc: by parent and group, from `ps`. */

import { spawnSync } from 'node:child_process';
import type { Survivor } from '../../shared/events.ts';
import { type Delivery, type Member, type ProcessTree, type Scan, sendSignal } from './tree.ts';

export interface PsLine extends Member {
  readonly parent: number;
  readonly group: number;
}

/** Parses `ps -A -o pid=,ppid=,pgid=,stat=,lstart=,comm=`; `lstart` is five words. */
export function parsePs(output: string): PsLine[] {
  const lines: PsLine[] = [];
  for (const line of output.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line);
    const [, pid, parent, group, state = '', startTime = '', command = ''] = match ?? [];
    if (match === null || state.startsWith('Z')) continue;
    lines.push({ pid: Number(pid), parent: Number(parent), group: Number(group), startTime, command });
  }
  return lines;
}

export class PsTree implements ProcessTree {
  readonly #seen = new Map<number, string>();

  constructor(root: number) {
    this.#seen.set(root, readPs().find((line) => line.pid === root)?.startTime ?? '');
  }

  scan(onFound?: (member: Member) => void): Scan {
    const members = new Map<number, Member>();
    const lines = readPs();
    for (let known = -1; known < members.size; ) {
      known = members.size;
      for (const line of lines) {
        const isSeen = this.#seen.get(line.pid) === line.startTime;
        const belongs = isSeen || members.has(line.parent) || this.#seen.has(line.group);
        if (!belongs || members.has(line.pid)) continue;
        members.set(line.pid, line);
        this.#seen.set(line.pid, line.startTime);
        onFound?.(line);
      }
    }
    return { members: [...members.values()], proven: true };
  }

  signal({ pid }: Member, signal: NodeJS.Signals): Delivery {
    return sendSignal(pid, signal);
  }

  describe(member: Member, denied: boolean): Survivor {
    const reason = denied ? 'belongs to another user' : 'does not end on SIGKILL';
    return { pid: member.pid, command: member.command, reason };
  }
}

function readPs(): PsLine[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat=,lstart=,comm='], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return parsePs(stdout ?? '');
}
