/**
 * The tree on Windows: `taskkill /T` ends a process and its descendants, which it finds by parent, and so only while that
 * lives. There is no SIGTERM: without /F, taskkill asks only programs with a window. So a Node program is asked by a
 * message (preload/emulated-signals.cts), and names its children when it ends (preload/children.cts); the trees of all
 * other programs are killed at once.
 */

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { Survivor } from '../../shared/events.ts';
import { type Delivery, type Member, type ProcessTree, type Root, type Scan, sendSignal } from './tree.ts';

export class WindowsTree implements ProcessTree {
  readonly #root: Member;
  /** Until the exit has been reported, Node holds the process, and nobody else gets its pid. */
  readonly #hasExited: () => boolean;

  constructor({ pid, hasExited }: Root) {
    this.#root = { pid, startTime: '', command: '' };
    this.#hasExited = hasExited;
  }

  scan(onFound?: (member: Member) => void): Scan {
    if (this.#hasExited() || sendSignal(this.#root.pid, 0) !== 'sent') return { members: [], proven: true };
    onFound?.(this.#root);
    return { members: [this.#root], proven: true };
  }

  signal(member: Member): Delivery {
    return this.#hasExited() || !killTrees([member.pid]) ? 'gone' : 'sent';
  }

  killChildren(pids: readonly number[]): boolean {
    return !this.#hasExited() && killTrees(pids);
  }

  describe(member: Member): Survivor {
    return { pid: member.pid, command: member.command, reason: 'does not end' };
  }
}

/** Returns whether all of these processes were there, and have been killed with their descendants. */
function killTrees(pids: readonly number[]): boolean {
  // By its full path: otherwise a taskkill.exe in the project's folder would be found first.
  const taskkill = path.join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'taskkill.exe');
  const words = pids.flatMap((pid) => ['/PID', String(pid)]);
  return spawnSync(taskkill, ['/T', '/F', ...words], { windowsHide: true }).status === 0;
}
