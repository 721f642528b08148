/** The tree on macOS and other Unix systems without /proc: by parent and group, from `ps`. */

import { spawnSync } from 'node:child_process';
import type { Survivor } from '../../shared/events.ts';
import { type Delivery, type Member, type ProcessTree, type Scan, sendSignal } from './tree.ts';

export interface PsLine extends Member {
  readonly parent: number;
  readonly group: number;
}

export function openPsTree(root: number): ProcessTree {
  return new PsTree(root);
}

/** Parses `ps -A -o pid=,ppid=,pgid=,stat=,lstart=,comm=`; `lstart` is five words. */
export function parsePs(output: string): PsLine[] {
  const lines: PsLine[] = [];
  for (const line of output.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line);
    if (match === null || match[4]?.startsWith('Z') === true) continue;
    lines.push({
      pid: Number(match[1]),
      parent: Number(match[2]),
      group: Number(match[3]),
      startTime: match[5] ?? '',
      command: match[6] ?? '',
    });
  }
  return lines;
}

class PsTree implements ProcessTree {
  readonly #seen = new Map<number, string>();

  constructor(root: number) {
    this.#seen.set(root, readPs().find((line) => line.pid === root)?.startTime ?? '');
  }

  scan(onFound?: (member: Member) => void): Scan {
    const members = new Map<number, Member>();
    let rest = readPs();
    for (let added = true; added; ) {
      added = false;
      const next: PsLine[] = [];
      for (const line of rest) {
        const known = this.#seen.get(line.pid) === line.startTime;
        if (!(known || members.has(line.parent) || this.#seen.has(line.group))) {
          next.push(line);
          continue;
        }
        members.set(line.pid, line);
        this.#seen.set(line.pid, line.startTime);
        onFound?.(line);
        added = true;
      }
      rest = next;
    }
    return { members: [...members.values()], proven: true };
  }

  signal({ pid }: Member, signal: NodeJS.Signals): Delivery {
    return sendSignal(pid, signal);
  }

  describe(member: Member, denied: boolean): Survivor {
    return {
      pid: member.pid,
      command: member.command,
      reason: denied ? 'belongs to another user' : 'does not end on SIGKILL',
    };
  }
}

function readPs(): PsLine[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat=,lstart=,comm='], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return parsePs(stdout ?? '');
}
