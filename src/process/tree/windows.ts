/**
 * The tree on Windows: `taskkill /T` ends a process and its descendants, which it finds by parent. There is no SIGTERM:
 * without /F, taskkill asks only programs with a window, so the tree is killed at once.
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
    if (this.#hasExited()) return 'gone';
    // By its full path: otherwise a taskkill.exe in the project's folder would be found first.
    const taskkill = path.join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'taskkill.exe');
    const { status } = spawnSync(taskkill, ['/T', '/F', '/PID', String(member.pid)], { windowsHide: true });
    return status === 0 ? 'sent' : 'gone';
  }

  describe(member: Member): Survivor {
    return { pid: member.pid, command: member.command, reason: 'does not end' };
  }
}
