import { describe, expect, test } from 'vitest';
import { Lineage, type Place } from '../../../../src/process/tree/lineage.ts';

const place = (pid: number, group: number, session = group, startTime = '1'): Place => ({
  pid,
  group,
  session,
  startTime,
});

/** The processes that have a pid now, zombies included, and the lineage of a tree among them. */
function createLineage(root?: Place) {
  const processes = new Map<number, Place>();
  const lineage = new Lineage((pid) => processes.get(pid), root);
  return {
    lineage,
    now(...places: readonly Place[]): void {
      processes.clear();
      for (const one of places) processes.set(one.pid, one);
      lineage.revise();
    },
  };
}

describe('the number of a group', () => {
  const leader = place(20, 20);
  const member = place(21, 20);
  const other = place(30, 20);

  test('counts while its leader has not been reaped', () => {
    const { lineage, now } = createLineage();
    lineage.add(leader);
    now(leader, other);
    expect(lineage.includes(other)).toBe(true);
  });

  test('counts while a member is left that was found before', () => {
    const { lineage, now } = createLineage();
    lineage.add(leader);
    lineage.add(member);
    now(member, other);
    expect(lineage.includes(other)).toBe(true);
    lineage.add(other);
    now(other, place(31, 20));
    expect(lineage.includes(place(31, 20))).toBe(true);
  });

  test('no longer counts when none of them is left: it may have been given away', () => {
    const { lineage, now } = createLineage();
    lineage.add(leader);
    now(other);
    expect(lineage.includes(other)).toBe(false);
  });

  test('no longer counts when its members are in other groups, or others have their pids', () => {
    for (const left of [place(21, 21), place(21, 20, 20, '2')]) {
      const { lineage, now } = createLineage();
      lineage.add(leader);
      lineage.add(member);
      now(left, other);
      expect(lineage.includes(other)).toBe(false);
    }
  });

  test('no longer counts when another process leads a group with the number', () => {
    const { lineage, now } = createLineage();
    lineage.add(leader);
    const stranger = place(20, 20, 20, '2');
    now(stranger, other);
    expect([lineage.includes(other), lineage.isKnown(stranger), lineage.isAlive(20)]).toEqual([false, false, false]);
  });

  test('does not count for a member that leads nothing', () => {
    const { lineage, now } = createLineage();
    lineage.add(member);
    now(member);
    expect(lineage.includes(place(22, 21))).toBe(false);
  });

  test('counts for the look that follows the exit of the root at once', () => {
    const { lineage, now } = createLineage(place(10, 10));
    const child = place(11, 10);
    now(child);
    expect(lineage.includes(child)).toBe(true);
    now(child);
    expect(lineage.includes(child)).toBe(false);
  });
});
