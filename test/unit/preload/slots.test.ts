/** Slots with real sockets: those that devwatch opens, and the code that runs inside programs. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { SlotEnds, SocketName } from '../../../src/preload/protocol.ts';
import { listPortHolders } from '../../../src/process/sockets/port-holders.ts';
import { openSlots, type Slot } from '../../../src/process/sockets/slots.ts';
import { createProject } from '../../support/project.ts';
import { loadPreload } from './load.ts';

interface Slots {
  reserve(): number | undefined;
  claim(slot: number): void;
  fill(slot: number, handle: object): void;
  take(slot: number, onTaken: (handle: Handle | undefined) => void): () => void;
  empty(slot: number): void;
}

interface Handle {
  close(): void;
}

interface Server extends net.Server {
  readonly _handle: Handle;
  _listen2(address: string | null, port: number, type: number, backlog: number): void;
}

interface Arrival {
  take(onTaken: (handle: Handle | undefined) => void): () => void;
  onListening(): void;
  onMissing(): void;
  onClosed(): void;
}

const bindings = loadPreload('node-bindings.cts');
const fakes = { './node-bindings.cjs': bindings };
const { Slots } = loadPreload('slots.cts', fakes) as { Slots: new (ends: readonly SlotEnds[]) => Slots };
const { listenLate } = loadPreload('late-handle.cts', fakes) as {
  listenLate(server: Server, listen: () => void, name: SocketName | undefined, arrival: Arrival): void;
};

const { reach } = bindings as { reach(pick: (binding: (name: string) => object) => unknown): unknown };

const opened: Slot[] = [];
const servers: net.Server[] = [];

// At the end: the handles of the fake runs still refer to their descriptors.
afterAll(() => {
  for (const slot of opened) slot.close();
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Slots, and the code of two runs that use them. */
async function open(count = 2) {
  const slots = await openSlots(count);
  opened.push(...slots);
  // In the same process, a descriptor may have a second handle once the first one is idle.
  await new Promise(setImmediate);
  return { slots, before: new Slots(slots), after: new Slots(slots) };
}

const createServer = (): Server => {
  const server = net.createServer((socket) => socket.end('hello'));
  servers.push(server);
  return server as Server;
};

/** The run before listens on a port, sends the socket into a slot, and exits. */
async function leaveSocket(before: Slots): Promise<{ readonly slot: number; readonly name: AddressInfo }> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const name = server.address() as AddressInfo;
  const slot = before.reserve();
  if (slot === undefined) throw new Error('no slot is free');
  before.fill(slot, server._handle);
  server.close();
  return { slot, name };
}

/** Connects and reads everything; resolves to the code of the error if that fails. */
async function talk({ port }: AddressInfo): Promise<string> {
  let text = '';
  const socket = net.connect(port, '127.0.0.1').on('data', (data) => {
    text += data;
  });
  try {
    await once(socket, 'close');
    return text;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

const nothing = (): void => {};

test('all slots are opened on a machine that is so busy that the time for it is over before the first turn', async () => {
  const opening = openSlots(4);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  opened.push(...(await opening));
  expect(await opening).toHaveLength(4);
});

test('a socket in a slot accepts connections, and no process has it', async () => {
  const { before, slots } = await open();
  const { slot, name } = await leaveSocket(before);
  const client = net.connect(name.port, '127.0.0.1');
  await once(client, 'connect');
  expect(listPortHolders(name.port)).toEqual([]);
  client.on('error', nothing);
  slots[slot]?.empty();
  expect(await talk(name)).toBe('ECONNREFUSED');
});

test('a run that empties a slot frees the port at once', async () => {
  const { before, after } = await open();
  const { slot, name } = await leaveSocket(before);
  after.empty(slot);
  await once(createServer().listen(name.port, '127.0.0.1'), 'listening');
});

test('the socket stays in its slot through run after run, wherever a run is killed', async () => {
  const { slots, before } = await open();
  const { slot, name } = await leaveSocket(before);
  for (let run = 0; run < 3; run += 1) {
    // Such a run has only just begun to take the socket.
    fs.writeSync(slots[slot]?.into ?? -1, '.');
    const taken = await new Promise<Handle | undefined>((resolve) => new Slots(slots).take(slot, resolve));
    expect(taken).toBeDefined();
    taken?.close();
  }
  const client = net.connect(name.port, '127.0.0.1').on('error', nothing);
  await once(client, 'connect');
});

test('a slot that was filled by a run that was killed is emptied before it is used again', async () => {
  const { before, after } = await open(1);
  const { name } = await leaveSocket(before);
  expect(before.reserve()).toBeUndefined();
  expect(after.reserve()).toBe(0);
  expect(await talk(name)).toBe('ECONNREFUSED');
});

describe('a server on the socket of an earlier run', () => {
  /** Begins to listen on a socket in a slot. Resolves when it does, to `listening`, or is `missing` or `closed`. */
  function listenOn(after: Slots, slot: number, name: SocketName | undefined) {
    const server = createServer();
    const events: string[] = [];
    const listen = (): void => server._listen2(name?.address ?? null, name?.port ?? -1, name ? 4 : -1, 511);
    server.on('listening', () => events.push('listening'));
    const settled = new Promise<readonly string[]>((resolve) => {
      const settle = (event: string) => (): void => {
        events.push(event);
        setImmediate(resolve, events);
      };
      listenLate(server, listen, name, {
        take: (onTaken) => after.take(slot, onTaken),
        onListening: settle('taken'),
        onMissing: settle('missing'),
        onClosed: settle('closed'),
      });
    });
    return { server, settled };
  }

  test('has its address at once, and serves the connections that wait', async () => {
    const { before, after } = await open();
    const { slot, name } = await leaveSocket(before);
    const answer = talk(name);
    const { server, settled } = listenOn(after, slot, name);
    expect([server.listening, server.address()]).toEqual([true, name]);
    expect(await settled).toEqual(['listening', 'taken']);
    expect([server.address(), await answer]).toEqual([name, 'hello']);
  });

  test('has no socket if the slot is empty', async () => {
    const { after } = await open();
    const name = { address: '127.0.0.1', family: 'IPv4', port: 1 };
    const { server, settled } = listenOn(after, 0, name);
    expect(await settled).toEqual(['missing']);
    expect(server.listening).toBe(false);
  });

  test('can be closed before the socket arrives', async () => {
    const { before, after } = await open();
    const { slot, name } = await leaveSocket(before);
    const { server, settled } = listenOn(after, slot, name);
    const closed = once(server, 'close');
    server.close();
    expect(await settled).toEqual(['closed']);
    await closed;
  });

  test('accepts no connection that waits if it is closed when it begins to listen, and leaves the socket to the next one', async () => {
    const { before, after } = await open();
    const { slot, name } = await leaveSocket(before);
    const answer = talk(name);
    for (let round = 0; round < 3; round += 1) {
      const asking = listenOn(after, slot, name);
      asking.server.removeAllListeners('connection');
      asking.server.once('listening', () => asking.server.close());
      expect(await asking.settled).toEqual(['listening', 'closed']);
    }
    const { settled } = listenOn(after, slot, name);
    expect([await settled, await answer]).toEqual([['listening', 'taken'], 'hello']);
  });

  test('emits its events in the asynchronous context of the program', async () => {
    const { before, after } = await open();
    const { slot, name } = await leaveSocket(before);
    const storage = new AsyncLocalStorage<string>();
    const { server } = storage.run('program', () => listenOn(after, slot, name));
    const seen = await new Promise((resolve) => server.on('listening', () => resolve(storage.getStore())));
    expect(seen).toBe('program');
  });

  test('may be a Unix socket', async () => {
    await using project = createProject({});
    const { before, after } = await open();
    const file = project.at('app.sock');
    const first = createServer();
    await once(first.listen(file), 'listening');
    before.fill(before.reserve() ?? -1, first._handle);
    fs.renameSync(file, project.at('kept.sock'));
    first.close();
    const { settled } = listenOn(after, 0, undefined);
    expect(await settled).toEqual(['listening', 'taken']);
    let text = '';
    const client = net.connect(project.at('kept.sock')).on('data', (data) => {
      text += data;
    });
    await once(client, 'close');
    expect(text).toBe('hello');
  });
});

describe('with --no-deprecation, which makes process.noDeprecation read-only', () => {
  afterEach(() => {
    Reflect.deleteProperty(process, 'noDeprecation');
  });

  test('slots are opened, and the preload reaches what it needs of Node', async () => {
    Object.defineProperty(process, 'noDeprecation', { value: true, writable: false, configurable: true });
    const { slots } = await open();
    expect(slots).toHaveLength(2);
    expect(reach((binding) => binding('pipe_wrap'))).toHaveProperty('Pipe');
    expect(process.noDeprecation).toBe(true);
  });
});

describe('devwatch', () => {
  /** Receives the socket of a slot, and accepts connections on it. */
  async function accept(slot: Slot | undefined, greeting: string) {
    const socket = await new Promise<object | undefined>((resolve) => slot?.receive(resolve));
    if (socket === undefined) return undefined;
    const server = net.createServer((connection) => connection.end(greeting));
    servers.push(server);
    await once(server.listen(socket), 'listening');
    return server;
  }

  test('accepts connections on a socket of a run, again and again, and leaves it to the next run', async () => {
    const { slots, before, after } = await open();
    const { slot, name } = await leaveSocket(before);
    for (const greeting of ['first', 'second']) {
      const server = await accept(slots[slot], greeting);
      expect(await talk(name)).toBe(greeting);
      server?.close();
    }
    // The connection waits for the run.
    const waiting = talk(name);
    const taken = await new Promise<Handle | undefined>((resolve) => after.take(slot, resolve));
    servers.push(createServer().listen(taken as object));
    expect(await waiting).toBe('hello');
  });

  test('leaves the socket to the next run if it is stopped before it has received it', async () => {
    const { slots, before, after } = await open();
    const { slot, name } = await leaveSocket(before);
    let hasReceived = false;
    slots[slot]?.receive(() => {
      hasReceived = true;
    })();
    const taken = await new Promise<Handle | undefined>((resolve) => after.take(slot, resolve));
    servers.push(createServer().listen(taken as object));
    expect([await talk(name), hasReceived]).toEqual(['hello', false]);
  });

  test('receives nothing from an empty slot', async () => {
    const { slots } = await open();
    expect(await accept(slots[0], 'hello')).toBeUndefined();
  });
});
