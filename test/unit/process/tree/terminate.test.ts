/** The stop algorithm alone, on a tree that is told what to be. */

import { describe, expect, test } from 'vitest';
import { endTree, type TreeEnding } from '../../../../src/process/tree/terminate.ts';
import type { Member, ProcessTree } from '../../../../src/process/tree/tree.ts';
import type { Survivor } from '../../../../src/shared/events.ts';
import { createClock } from '../../../support/clock.ts';

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
    look(onFound) {
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

function start(tree: FakeTree, further: { askRoot?: { pid: number; ask: () => void } } = {}) {
  const clock = createClock();
  let survivors: readonly Survivor[] | undefined;
  const ending: TreeEnding = endTree({
    tree,
    signal: 'SIGTERM',
    clock,
    ...further,
    onGone: (left) => {
      survivors = left;
    },
  });
  return { clock, ending, survivors: () => survivors };
}

test('every member is asked once and continued, those that appear later as well', () => {
  const tree = fakeTree(1, 2);
  const { clock, ending } = start(tree);
  ending.push('terminating');
  tree.alive.add(3);
  clock.advance(1000);
  expect(tree.sent).toEqual(['1 SIGTERM', '1 SIGCONT', '2 SIGTERM', '2 SIGCONT', '3 SIGTERM', '3 SIGCONT']);
});

test('told members are only watched', () => {
  const tree = fakeTree(1);
  const { clock, ending, survivors } = start(tree);
  ending.push('delivered');
  clock.advance(1000);
  expect(tree.sent).toEqual([]);
  tree.alive.clear();
  clock.advance(100);
  expect(survivors()).toEqual([]);
});

test('the exit of the root is looked at in the same moment', () => {
  const tree = fakeTree(1);
  const { ending, survivors } = start(tree);
  ending.push('terminating');
  tree.alive.clear();
  expect(survivors()).toBeUndefined();
  ending.rootExited();
  expect(survivors()).toEqual([]);
});

test('an empty tree counts only when nothing was born unseen', () => {
  const tree = fakeTree();
  tree.proven = false;
  const { clock, ending, survivors } = start(tree);
  ending.push('terminating');
  clock.advance(100);
  expect(survivors()).toBeUndefined();
  tree.proven = true;
  clock.advance(100);
  expect(survivors()).toEqual([]);
});

test('members are frozen as they are found before they are killed', () => {
  const tree = fakeTree(1, 2);
  const { ending } = start(tree);
  ending.push('killing');
  expect(tree.sent).toEqual(['1 SIGSTOP', '2 SIGSTOP', '1 SIGKILL', '2 SIGKILL']);
});

test('a tree that can be killed in one step is', () => {
  const tree = fakeTree(1, 2);
  let killed = 0;
  tree.killAll = () => {
    killed += 1;
    tree.alive.clear();
  };
  const { clock, ending, survivors } = start(tree);
  ending.push('killing');
  clock.advance(100);
  expect({ killed, sent: tree.sent, survivors: survivors() }).toEqual({ killed: 1, sent: [], survivors: [] });
});

test('a root that is asked in another way gets no signal, its children do', () => {
  const tree = fakeTree(1, 2);
  let asked = 0;
  const ask = (): void => {
    asked += 1;
  };
  const { clock, ending } = start(tree, { askRoot: { pid: 1, ask } });
  ending.push('terminating');
  clock.advance(500);
  expect(asked).toBe(1);
  expect(tree.sent.filter((line) => !line.endsWith('SIGCONT'))).toEqual(['2 SIGTERM']);
});

describe('what cannot be killed', () => {
  test('is named after two seconds, with the reason, and waited for no longer', () => {
    const tree = fakeTree(1, 2);
    tree.denied.add(2);
    const { clock, ending, survivors } = start(tree);
    ending.push('terminating');
    ending.push('killing');
    clock.advance(1900);
    expect(survivors()).toBeUndefined();
    clock.advance(200);
    expect(survivors()).toEqual([
      { pid: 1, command: 'program 1', reason: 'stuck' },
      { pid: 2, command: 'program 2', reason: 'denied' },
    ]);
  });

  test('is reported once', () => {
    const tree = fakeTree(1);
    const clock = createClock();
    let reports = 0;
    const ending = endTree({ tree, signal: 'SIGTERM', clock, onGone: () => (reports += 1) });
    ending.push('killing');
    clock.advance(5000);
    ending.rootExited();
    ending.push('killing');
    expect(reports).toBe(1);
  });
});

test('a look that takes long is repeated less often', () => {
  const tree = fakeTree(1);
  const clock = createClock();
  let looks = 0;
  const { look } = tree;
  tree.look = (onFound) => {
    looks += 1;
    clock.advance(20);
    return look(onFound);
  };
  endTree({ tree, signal: 'SIGTERM', clock, onGone: () => {} }).push('terminating');
  const before = looks;
  clock.advance(1000);
  // A fifth of the time at most: 20 ms of looking, then 100 ms of pause.
  expect(looks - before).toBeLessThanOrEqual(10);
});
