/** The bookkeeping of held ports. Connections that wait through a restart: test/e2e/hold.test.ts. */

import { describe, expect, test } from 'vitest';
import type { HeldSocket } from '../../../../src/preload/protocol.ts';
import { HeldPorts } from '../../../../src/process/sockets/held-ports.ts';

function open() {
  const emptied: number[] = [];
  const closed: string[] = [];
  const received: { readonly slot: number; arrive(socket: object | undefined): void }[] = [];
  const stopped: string[] = [];
  let groups = 0;
  const changes: string[] = [];
  const openSlots = async (count: number) => {
    const first = groups * count;
    groups += 1;
    return Array.from({ length: count }, (_, index) => ({
      into: first + index,
      out: first + index,
      empty: () => void emptied.push(first + index),
      receive(onReceived: (socket: object | undefined) => void) {
        received.push({ slot: first + index, arrive: onReceived });
        return () => void stopped.push(`slot ${first + index}`);
      },
      close: () => void closed.push(`slot ${first + index}`),
    }));
  };
  const ports = new HeldPorts(() => void changes.push('more slots'), [], openSlots);
  return {
    ports,
    emptied,
    closed,
    received,
    stopped,
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

  test('stay open if a run in between has listened on them that did not end by itself', async () => {
    const { ports, hold, ids } = open();
    await ports.openSlots();
    hold(0);
    ports.runEnded(new Set());
    ports.noteListening('0', { isHttp: true, lagMs: 0, ageMs: 0 });
    ports.runEnded(new Set());
    expect(ids()).toEqual(['0']);
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

describe('devwatch answers after a crash', () => {
  const http = { isHttp: true, lagMs: 0, ageMs: 0 };

  /** Holds the sockets of an HTTP server, of another server, and of an HTTP server at a path. */
  async function prepare() {
    const world = open();
    const { ports, hold } = world;
    await ports.openSlots();
    ports.answersAfterCrash = true;
    hold(0, 80);
    hold(1, 81);
    ports.hold({ id: '2', key: '', slot: 2 });
    ports.noteListening('0', http);
    ports.noteListening('1', { ...http, isHttp: false });
    ports.noteListening('2', http);
    return world;
  }

  test('on the ports of HTTP servers alone, and the others are free', async () => {
    const { ports, received, emptied, ids } = await prepare();
    ports.closeUnanswered();
    expect([ids(), emptied]).toEqual([['0'], [1, 2]]);
    ports.answer(() => () => {});
    expect(received.map(({ slot }) => slot)).toEqual([0]);
  });

  test('on no port without being asked to', async () => {
    const { ports, received, ids } = await prepare();
    ports.answersAfterCrash = false;
    ports.answer(() => () => {});
    ports.closeUnanswered();
    expect([received, ids()]).toEqual([[], []]);
  });

  test('until the next run begins, or the ports are closed', async () => {
    const { ports, received, stopped } = await prepare();
    const accept = (socket: object) => () => void stopped.push(JSON.stringify(socket));
    ports.answer(accept);
    received[0]?.arrive({ socket: 0 });
    ports.endAnswering();
    ports.endAnswering();
    expect(stopped).toEqual(['slot 0', '{"socket":0}']);
    ports.answer(accept);
    ports.closeHeld();
    expect(stopped).toEqual(['slot 0', '{"socket":0}', 'slot 0']);
  });

  test('unless the socket is lost, whose port is free', async () => {
    const { ports, received, ids } = await prepare();
    ports.answer(() => () => {});
    received[0]?.arrive(undefined);
    expect(ids()).toEqual(['1', '2']);
  });

  test('although several runs in a row have crashed before they listened', async () => {
    const { ports, ids } = await prepare();
    for (let run = 0; run < 9; run += 1) ports.runEnded(new Set());
    expect(ids()).toEqual(['0']);
    ports.runEnded(new Set());
    expect(ids()).toEqual([]);
  });
});
