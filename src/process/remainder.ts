/** Finds out what is left of a program that was asked to end, and what it waits for. */

import type { OpenWork } from '../preload/protocol.ts';
import type { Clock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { Remainder } from '../shared/events.ts';
import { findDebugger } from './debugger.ts';
import { commandLine } from './tree/proc.ts';
import type { ProcessTree } from './tree/tree.ts';

export interface RemainderOptions {
  readonly tree: ProcessTree;
  /** The process that was started first. */
  readonly root: number;
  /** Ports of the program's own servers. */
  readonly served: ReadonlySet<number>;
  /** Asks the program what keeps it alive; undefined if it cannot be asked. */
  readonly ask: (() => Promise<OpenWork>) | undefined;
  readonly clock: Clock;
}

/** An event loop that takes longer to answer counts as blocked. */
const answerTimeoutMs = 200;

export async function findRemainder({ tree, root, served, ask, clock }: RemainderOptions): Promise<Remainder> {
  const { members } = tree.scan();
  const pids = members.map(({ pid }) => pid);
  const asks = pids.includes(root) ? ask : undefined;
  const [port, work] = await Promise.all([
    findDebugger(pids, served),
    asks && withDeadline(clock, answerTimeoutMs, asks()).then((answer): OpenWork | 'none' => answer ?? 'none'),
  ]);
  const others = members.filter(({ pid }) => pid !== root);
  const processes = others.map(({ pid, command }) => ({ pid, command: commandLine(pid) ?? command }));
  return { debugger: port, processes, work };
}
