/** The bookkeeping of held ports. Connections that wait through a restart: test/e2e/hold.test.ts. */

import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { HeldPorts, ipcCommand, openedId } from '../../../../src/process/sockets/held-ports.ts';

function open() {
  let changes = 0;
  const ports = new HeldPorts(async () => {
    changes += 1;
  });
  const closed: string[] = [];
  return {
    ports,
    closed,
    changes: () => changes,
    ids: () => ports.all.map(({ socket }) => socket.id),
    connect() {
      const child = new EventEmitter() as ChildProcess;
      ports.receiveFrom(child);
      return child;
    },
    /** The process hands over a socket. */
    hand(child: ChildProcess, id: string, port = 80) {
      const handle = { fd: 20, close: () => closed.push(id) };
      child.emit('internalMessage', { cmd: ipcCommand, hold: { id, key: '', port } }, handle);
    },
  };
}

describe('held ports', () => {
  test('are the sockets that processes hand over, and those of a service manager', () => {
    const { ports, connect, hand, ids, changes } = open();
    hand(connect(), 'a');
    expect([ids(), changes()]).toEqual([['a'], 1]);
    expect(ports.all[0]?.descriptor).toBe(20);
    const activated = { socket: { id: 'handed 3', key: '', isHanded: true }, descriptor: 3 };
    expect(new HeldPorts(async () => {}, [activated]).all).toEqual([activated]);
  });

  test('are closed after two runs in a row that have not listened on them', () => {
    const { ports, connect, hand, ids } = open();
    const child = connect();
    hand(child, 'a');
    hand(child, openedId);
    ports.runEnded(new Set());
    ports.runEnded(new Set(['a']));
    ports.runEnded(new Set());
    expect(ids()).toEqual(['a', openedId]);
    ports.runEnded(new Set());
    expect(ids()).toEqual([openedId]);
  });

  test('on a port that a run needs are closed unless the run has listened on them', () => {
    const { ports, connect, hand, ids } = open();
    const child = connect();
    hand(child, 'a', 80);
    hand(child, 'b', 80);
    hand(child, 'c', 81);
    expect(ports.closeUnused(80, new Set(['a']))).toBe(true);
    expect(ids()).toEqual(['a', 'c']);
    expect(ports.closeUnused(80, new Set(['a']))).toBe(false);
  });

  test('of programs can be closed without the one that devwatch opened', () => {
    const { ports, connect, hand, ids, closed } = open();
    const child = connect();
    hand(child, 'a');
    hand(child, openedId);
    ports.closeReceived();
    expect(ids()).toEqual([openedId]);
    ports.close();
    expect([ids(), closed]).toEqual([[], ['a', openedId]]);
  });
});

describe('the release of a held port', () => {
  test('closes it', async () => {
    const { ports, connect, hand, closed, changes } = open();
    const child = connect();
    hand(child, 'a');
    await ports.release('a', child);
    expect([ports.all, closed]).toEqual([[], ['a']]);
    expect(changes()).toBeGreaterThan(1);
  });

  test('waits for a handle that has not arrived yet, and closes it', async () => {
    const { ports, connect, hand, closed } = open();
    const child = connect();
    const released = ports.release('a', child);
    hand(child, 'a');
    await released;
    expect([ports.all, closed]).toEqual([[], ['a']]);
  });

  test('ends when its own process exits, not when another one does', async () => {
    const { ports, connect } = open();
    const children = [connect(), connect()];
    const released: number[] = [];
    const releases = children.map(async (child, index) => {
      await ports.release(`${index}`, child);
      released.push(index);
    });
    children[1]?.emit('close');
    await releases[1];
    expect(released).toEqual([1]);
    children[0]?.emit('close');
    await releases[0];
    expect(released).toEqual([1, 0]);
  });
});
