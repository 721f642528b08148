/** The termination of a tree, on a tree whose members the test decides. */

import { describe, expect, test } from 'vitest';
import { Termination, terminateTree } from '../../../../src/process/tree/terminate.ts';
import type { Member, ProcessTree } from '../../../../src/process/tree/tree.ts';
import type { Survivor } from '../../../../src/shared/events.ts';
import { createClock } from '../../../support/clock.ts';
import { asPlatform } from '../../../support/platform.ts';

interface FakeTree extends ProcessTree {
  /** `pid signal`, in their order. */
  readonly sent: string[];
  alive: Set<number>;
  proven: boolean;
  denied: Set<number>;
}

function fakeTree(...pids: number[]): FakeTree {
  const tree: FakeTree = {
    sent: [],
    alive: new Set(pids),
    proven: true,
    denied: new Set(),
    scan(onFound) {
      const members = [...tree.alive].map((pid): Member => ({ pid, startTime: '1', command: `program ${pid}` }));
      for (const member of members) onFound?.(member);
      return { members, proven: tree.proven };
    },
    signal({ pid }, signal) {
      tree.sent.push(`${pid} ${signal}`);
      return tree.denied.has(pid) ? 'denied' : 'sent';
    },
    describe: ({ pid, command }, denied) => ({ pid, command, reason: denied ? 'denied' : 'stuck' }),
  };
  return tree;
}

function start(tree: FakeTree, further: { askRoot?: { pid: number; ask: () => boolean } } = {}) {
  const clock = createClock();
  const reports: (readonly Survivor[])[] = [];
  const termination = new Termination({
    tree,
    signal: 'SIGTERM',
    clock,
    ...further,
    onGone: (survivors) => reports.push(survivors),
  });
  return { clock, termination, reports };
}

describe('a termination', () => {
  test('sends every member the signal once and continues it, also those that appear later', () => {
    const tree = fakeTree(1, 2);
    const { clock, termination } = start(tree);
    termination.escalate('terminating');
    tree.alive.add(3);
    clock.advance(1000);
    expect(tree.sent).toEqual(['1 SIGTERM', '1 SIGCONT', '2 SIGTERM', '2 SIGCONT', '3 SIGTERM', '3 SIGCONT']);
  });

  test('only waits for members to which the terminal has delivered the signal', () => {
    const tree = fakeTree(1);
    const { clock, termination, reports } = start(tree);
    termination.escalate('delivered');
    clock.advance(1000);
    expect(tree.sent).toEqual([]);
    tree.alive.clear();
    clock.advance(100);
    expect(reports).toEqual([[]]);
  });

  test('scans at once when the root has exited', () => {
    const tree = fakeTree(1);
    const { termination, reports } = start(tree);
    termination.escalate('terminating');
    tree.alive.clear();
    expect(reports).toEqual([]);
    termination.scanNow();
    expect(reports).toEqual([[]]);
  });

  test('takes an empty tree for gone only when no process can have been born unseen', () => {
    const tree = fakeTree();
    tree.proven = false;
    const { clock, termination, reports } = start(tree);
    termination.escalate('terminating');
    clock.advance(100);
    expect(reports).toEqual([]);
    tree.proven = true;
    clock.advance(100);
    expect(reports).toEqual([[]]);
  });

  test('stops members as it finds them before it kills them', () => {
    const tree = fakeTree(1, 2);
    start(tree).termination.escalate('killing');
    expect(tree.sent).toEqual(['1 SIGSTOP', '2 SIGSTOP', '1 SIGKILL', '2 SIGKILL']);
  });

  test('kills in one step a tree that allows it', () => {
    const tree = fakeTree(1, 2);
    let killed = 0;
    tree.killAll = () => {
      killed += 1;
      tree.alive.clear();
      return [];
    };
    const { clock, termination, reports } = start(tree);
    termination.escalate('killing');
    clock.advance(100);
    expect({ killed, sent: tree.sent, reports }).toEqual({ killed: 1, sent: [], reports: [[]] });
  });

  test('neither stops nor continues members on Windows', () => {
    using _ = asPlatform('win32');
    const tree = fakeTree(1);
    const { termination } = start(tree);
    termination.escalate('terminating');
    termination.escalate('killing');
    expect(tree.sent).toEqual(['1 SIGTERM', '1 SIGKILL']);
  });

  test('asks the root by other means where there are any, and its children by the signal', () => {
    const tree = fakeTree(1, 2);
    let asked = 0;
    const ask = (): boolean => {
      asked += 1;
      return true;
    };
    const { clock, termination } = start(tree, { askRoot: { pid: 1, ask } });
    termination.escalate('terminating');
    clock.advance(500);
    expect(asked).toBe(1);
    expect(tree.sent.filter((line) => !line.endsWith('SIGCONT'))).toEqual(['2 SIGTERM']);
  });

  test('sends the root the signal if it could not be asked by other means', () => {
    const tree = fakeTree(1);
    const { termination } = start(tree, { askRoot: { pid: 1, ask: () => false } });
    termination.escalate('terminating');
    expect(tree.sent[0]).toBe('1 SIGTERM');
  });

  test('reports survivors after two seconds of killing, once and with the reason', () => {
    const tree = fakeTree(1, 2);
    tree.denied.add(2);
    const { clock, termination, reports } = start(tree);
    termination.escalate('terminating');
    termination.escalate('killing');
    clock.advance(1900);
    expect(reports).toEqual([]);
    clock.advance(5000);
    termination.scanNow();
    termination.escalate('killing');
    expect(reports).toEqual([
      [
        { pid: 1, command: 'program 1', reason: 'stuck' },
        { pid: 2, command: 'program 2', reason: 'denied' },
      ],
    ]);
  });

  test('scans less often when a scan takes long', () => {
    const tree = fakeTree(1);
    const { clock, termination } = start(tree);
    let scans = 0;
    const { scan } = tree;
    tree.scan = (onFound) => {
      scans += 1;
      clock.advance(20);
      return scan(onFound);
    };
    termination.escalate('terminating');
    scans = 0;
    clock.advance(1000);
    // A fifth of the time at most: a scan of 20 ms, then a pause of 100 ms.
    expect(scans).toBeLessThanOrEqual(10);
  });
});

describe('terminateTree', () => {
  test('sends SIGKILL after the grace period', async () => {
    const tree = fakeTree(1);
    const clock = createClock();
    const { gone } = terminateTree(tree, { signal: 'SIGINT', graceMs: 300, clock });
    clock.advance(299);
    expect(tree.sent).toEqual(['1 SIGINT', '1 SIGCONT']);
    clock.advance(1);
    expect(tree.sent.slice(2)).toEqual(['1 SIGSTOP', '1 SIGKILL']);
    tree.alive.clear();
    clock.advance(100);
    expect(await gone).toEqual([]);
  });

  test('sends SIGKILL at once without a grace period', () => {
    const tree = fakeTree(1);
    terminateTree(tree, { signal: 'SIGTERM', graceMs: 0, clock: createClock() });
    expect(tree.sent).toEqual(['1 SIGSTOP', '1 SIGKILL']);
  });

  test('leaves no timer when the tree is gone before the grace period is over', async () => {
    const tree = fakeTree(1);
    const clock = createClock();
    const { gone, scanNow } = terminateTree(tree, { signal: 'SIGTERM', graceMs: 300, clock });
    tree.alive.clear();
    scanNow();
    expect(await gone).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
