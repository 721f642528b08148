/** The bookkeeping of held ports. Connections that wait through a restart: test/e2e/hold.test.ts. */

import { describe, expect, test } from 'vitest';
import type { HeldSocket } from '../../../../src/preload/protocol.ts';
import { HeldPorts } from '../../../../src/process/sockets/held-ports.ts';

function open() {
  const emptied: number[] = [];
  const closed: string[] = [];
  let groups = 0;
  const changes: string[] = [];
  const openSlots = async (count: number) => {
    const first = groups * count;
    groups += 1;
    return Array.from({ length: count }, (_, index) => ({
      into: first + index,
      out: first + index,
      empty: () => void emptied.push(first + index),
      close: () => void closed.push(`slot ${first + index}`),
    }));
  };
  const ports = new HeldPorts(() => void changes.push('more slots'), [], openSlots);
  return {
    ports,
    emptied,
    closed,
    changes: () => changes.length,
    ids: () => ports.held.map(({ id }) => id),
    /** A program sends a socket into the slot of this number. */
    hold(slot: number, port = 80): HeldSocket {
      const socket = { id: `${slot}`, key: '', slot, name: { address: '::', family: 'IPv6', port } };
      ports.hold(socket);
      return socket;
    },
  };
}

describe('held ports', () => {
  test('are the sockets that programs send into slots', () => {
    const { ports, hold, ids } = open();
    expect(ports.isEmpty).toBe(true);
    hold(0);
    hold(1);
    expect([ids(), ports.isEmpty]).toEqual([['0', '1'], false]);
    ports.release('0');
    expect(ids()).toEqual(['1']);
  });

  test('are closed after two runs in a row that have not listened on them', async () => {
    const { ports, hold, ids, emptied } = open();
    await ports.openSlots();
    hold(0);
    ports.runEnded(new Set());
    ports.runEnded(new Set(['0']));
    ports.runEnded(new Set());
    expect(ids()).toEqual(['0']);
    ports.runEnded(new Set());
    expect([ids(), emptied]).toEqual([[], [0]]);
  });

  test('on a port that a run needs are closed unless the run has listened on them', async () => {
    const { ports, hold, ids, emptied } = open();
    await ports.openSlots();
    hold(0, 80);
    hold(1, 80);
    hold(2, 81);
    expect(ports.closeUnused(80, new Set(['0']))).toBe(true);
    expect([ids(), emptied]).toEqual([['0', '2'], [1]]);
    expect(ports.closeUnused(80, new Set(['0']))).toBe(false);
  });

  test('of programs can be closed without the one that devwatch opened', async () => {
    const { ports, hold, ids, closed, emptied } = open();
    await ports.openSlots();
    hold(0);
    const opened = { id: 'port', port: 8000, descriptor: 20, close: () => void closed.push('port') };
    ports.pass(opened);
    ports.closeHeld();
    expect([ids(), emptied, ports.passed]).toEqual([[], [0], [opened]]);
    ports.close();
    expect([ports.passed, ports.slots]).toEqual([[], []]);
    expect(closed).toEqual(['port', ...Array.from({ length: 8 }, (_, slot) => `slot ${slot}`)]);
  });
});

describe('slots', () => {
  test('become more when few are left, and standbys are replaced', async () => {
    const { ports, hold, changes } = open();
    await ports.openSlots();
    expect([ports.slots.length, changes()]).toEqual([8, 1]);
    for (let slot = 0; slot < 6; slot += 1) hold(slot);
    await Promise.resolve();
    expect(ports.slots).toHaveLength(8);
    hold(6);
    hold(7);
    await Promise.resolve();
    expect([ports.slots.length, changes()]).toEqual([16, 2]);
  });

  test('that are opened too late are closed', async () => {
    const { ports, closed } = open();
    const opening = ports.openSlots();
    ports.close();
    await opening;
    expect([ports.slots, closed.length]).toEqual([[], 8]);
  });
});
