/** The protocol of held ports, without sockets. Connections through restarts: test/e2e/hold.test.ts. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Drain, HeldSocket, PreloadMessage } from '../../../src/preload/protocol.ts';
import { loadPreload } from './load.ts';

interface Handle {
  readonly from: number | 'new';
  isClosed: boolean;
  close(): void;
  hasRef(): boolean;
  getsockname(into: { port?: number }): number;
}

interface Server {
  _handle: Handle | null;
}

interface Options {
  readonly held?: readonly Partial<HeldSocket>[];
  /** Another process listens on the port. */
  readonly isTaken?: boolean;
}

interface ListenOptions {
  readonly fd?: number;
  readonly flags?: number;
  readonly server?: object;
}

/** Opens HeldPorts with a fake `node:net`, whose `_listen2` makes a handle for port 3000. */
function open({ held = [], isTaken = false }: Options = {}) {
  const messages: PreloadMessage[] = [];
  const sent: object[] = [];
  const closedDescriptors: number[] = [];
  const drains: number[] = [];
  let onDrainEnd: ((isInTime: boolean) => void) | undefined;
  let fromDevwatch = (_message: { drain?: Drain; ping?: number }): void => {};
  const handleFrom = (from: Handle['from']): Handle => ({
    from,
    isClosed: false,
    close() {
      this.isClosed = true;
    },
    hasRef: () => false,
    getsockname(into) {
      into.port = 3000;
      return 0;
    },
  });
  class FakeServer {
    _handle: Handle | null = null;
    listenerCount(): number {
      return 0;
    }
    listeners(): readonly unknown[] {
      return [];
    }
    once(_event: unknown, listener: (error: object) => void): void {
      listener({ code: 'EADDRINUSE', port: 3000 });
    }
    _listen2(..._args: unknown[]): void {
      if (!isTaken) this._handle ??= handleFrom('new');
    }
  }
  const { HeldPorts } = loadPreload('held-ports.cts', {
    'node:net': { Server: FakeServer, _createServerHandle: (...args: number[]) => handleFrom(args[3] ?? -1) },
    'node:fs': { closeSync: (descriptor: number) => closedDescriptors.push(descriptor) },
    './traffic.cjs': {
      milliseconds: () => Date.now(),
      Traffic: class {
        drain(until: number, onEnd: (isInTime: boolean) => void): void {
          drains.push(until);
          onDrainEnd = onEnd;
        }
      },
    },
    './handle-sender.cjs': {
      openHandleSender(_descriptor: number, onMessage: typeof fromDevwatch) {
        fromDevwatch = onMessage;
        return (message: object) => sent.push(message);
      },
    },
  }) as { HeldPorts: new (orders: object, context: object) => { onBegin(): void } };
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => true);
  const send = (message: PreloadMessage): number => messages.push(message);
  const orders = { descriptor: 4, keeps: true, isPinged: true, held };
  new HeldPorts(orders, { send, request: send }).onBegin();
  return {
    messages,
    sent,
    closedDescriptors,
    drains,
    kill,
    /** @param options `server`: properties of the server */
    listen(port = 3000, address = '::', { fd, flags = 0, server: own = {} }: ListenOptions = {}): Server {
      const server = Object.assign(new FakeServer(), own);
      server._listen2(address, port, 6, 511, fd, flags);
      return server;
    },
    receive: (message: { drain?: Drain; ping?: number }) => fromDevwatch(message),
    endDrain: (isInTime: boolean) => onDrainEnd?.(isInTime),
    advance: (ms: number) => vi.advanceTimersByTimeAsync(ms),
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const earlier = { id: 'a', key: '6 :: 3000 0', port: 3000, descriptor: 7 };

describe('a program that listens', () => {
  test('sends a duplicate of its socket and reports the port', () => {
    const { listen, sent, messages } = open();
    expect(listen()._handle?.from).toBe('new');
    expect(sent).toMatchObject([{ hold: { key: '6 :: 3000 0', port: 3000 } }]);
    const id = `${process.pid}.1`;
    expect(messages).toEqual([{ type: 'listens', id, key: '6 :: 3000 0', port: 3000, host: '::' }]);
  });

  test('inherits the socket of the run before for the same address', () => {
    const { listen, sent, messages } = open({ held: [earlier] });
    expect(listen()._handle?.from).toBe(7);
    expect(sent).toEqual([]);
    expect(messages).toEqual([{ type: 'listens', id: 'a', key: '6 :: 3000 0', port: 3000, host: '::' }]);
  });

  test('inherits an activated socket on its port, whatever the address', () => {
    const { listen } = open({ held: [{ ...earlier, key: '', isSocketActivated: true }] });
    expect(listen(3000, '127.0.0.1')._handle?.from).toBe(7);
  });

  test.each([
    ['that it brings itself', { fd: 12 }],
    ['with reusePort', { flags: 2 }],
  ])('keeps a socket %s to itself', (_, options) => {
    const { listen, sent } = open();
    expect(listen(3000, '::', options)._handle?.from).toBe('new');
    expect(sent).toEqual([]);
  });

  test('reports that it listens with reusePort, and that it closes the server', () => {
    const { listen, messages } = open();
    listen(3000, '::', { flags: 2 })._handle?.close();
    expect(messages).toMatchObject([
      { type: 'listens', port: 3000 },
      { type: 'closes', id: `${process.pid}.1` },
    ]);
  });

  const upgrades = (): readonly unknown[] => [(response: { writeHead(code: number): void }) => response.writeHead(426)];

  test.each<[string, string, object, string | undefined]>([
    ['no role', '', {}, undefined],
    ['the port that PORT names', '3000', {}, 'named'],
    ['another port than PORT names', '3001', {}, 'other'],
    ['a server that does not keep the program alive', '3001', { _unref: true }, 'auxiliary'],
    ['a server of WebSockets', '', { listeners: upgrades }, 'auxiliary'],
    ['the port that PORT names, whatever the server does', '3000', { listeners: upgrades }, 'named'],
  ])('reports %s', (_, PORT, server, role) => {
    vi.stubEnv('PORT', PORT);
    const { listen, messages } = open();
    listen(3000, '::', { server });
    expect(messages[0]).toHaveProperty('role', role);
  });

  test.each([
    ['3000', 'named'],
    ['--port=3000', 'named'],
    ['http://127.0.0.1:3000', 'named'],
    ['13000', undefined],
    ['3000ms', undefined],
  ])('reports whether the argument %s names its port: %s', (argument, role) => {
    vi.spyOn(process, 'argv', 'get').mockReturnValue(['node', 'server.js', argument]);
    const { listen, messages } = open();
    listen();
    expect(messages[0]).toHaveProperty('role', role);
  });

  test.each<[object, string | undefined]>([
    [{}, undefined],
    [{ closeAllConnections() {} }, 'http'],
    [{ closeAllConnections() {}, setSecureContext() {} }, 'https'],
    [{ setSecureContext() {} }, undefined],
    [{ setSecureContext() {}, listenerCount: (event: string) => (event === 'stream' ? 1 : 0) }, 'https'],
    [{ listenerCount: (event: string) => (event === 'stream' ? 1 : 0) }, undefined],
  ])('reports the protocol of a server with %o: %s', (server, protocol) => {
    const { listen, messages } = open();
    listen(3000, '::', { server });
    expect(messages[0]).toHaveProperty('protocol', protocol);
  });

  test('releases an inherited socket on the same port of another address first', () => {
    const { listen, messages, closedDescriptors } = open({ held: [earlier] });
    expect(listen(3000, '127.0.0.1')._handle?.from).toBe('new');
    expect(closedDescriptors).toEqual([7]);
    expect(messages[0]).toEqual({ type: 'unhold', id: 'a' });
  });

  test('releases unclaimed sockets 500 ms later', async () => {
    const { listen, messages, closedDescriptors, advance } = open({ held: [{ ...earlier, port: 4000 }] });
    listen(5000);
    await advance(499);
    expect(closedDescriptors).toEqual([]);
    await advance(1);
    expect(closedDescriptors).toEqual([7]);
    expect(messages.at(-1)).toEqual({ type: 'unclaimed', id: 'a' });
  });

  test('keeps an unclaimed socket twice as long as the run before took to listen on it, and 500 ms', async () => {
    const { listen, messages, closedDescriptors, advance } = open({
      held: [
        { ...earlier, port: 4000, lagMs: 900 },
        { ...earlier, id: 'b', port: 4001, lagMs: 10, descriptor: 8 },
      ],
    });
    await advance(5000);
    listen(5000);
    await advance(520);
    expect(closedDescriptors).toEqual([8]);
    await advance(1779);
    expect(closedDescriptors).toEqual([8]);
    await advance(1);
    expect(closedDescriptors).toEqual([8, 7]);
    expect(messages.slice(1).map((message) => 'id' in message && message.id)).toEqual(['b', 'a']);
  });

  test('frees the port when it closes the socket, unless the socket is activated', () => {
    const { listen, messages } = open();
    const { _handle: handle } = listen();
    handle?.close();
    expect(handle?.isClosed).toBe(true);
    expect(messages.at(-1)).toEqual({ type: 'unhold', id: `${process.pid}.1` });
    const activated = open({ held: [{ ...earlier, isSocketActivated: true }] });
    activated.listen()._handle?.close();
    expect(activated.messages.map(({ type }) => type)).toEqual(['listens']);
  });

  test('reports that the port is taken', () => {
    const { listen, messages } = open({ isTaken: true });
    listen();
    expect(messages).toEqual([{ type: 'address-in-use', port: 3000, isHandled: true }]);
  });
});

test('a program that does not listen releases inherited sockets after 30 s', async () => {
  const { messages, advance } = open({ held: [earlier] });
  await advance(30_000);
  expect(messages).toEqual([{ type: 'unclaimed', id: 'a' }]);
});

describe('draining', () => {
  test('stops accepting at once, and sends itself the signal when the requests are answered', () => {
    const { listen, receive, messages, kill, endDrain } = open();
    const { _handle: handle } = listen();
    receive({ drain: { until: 1000, signal: 'SIGTERM' } });
    expect(handle?.isClosed).toBe(true);
    expect(messages.map(({ type }) => type)).toEqual(['listens']);
    endDrain(true);
    expect(messages.at(-1)).toEqual({ type: 'drained', signalsItself: true });
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGTERM']]);
  });

  test.each<[string, boolean, Drain]>([
    ['after the deadline', false, { until: 1000, signal: 'SIGTERM' }],
    ['if devwatch terminates the program in another way', true, { until: 1000 }],
  ])('sends no signal %s', (_, isInTime, drain) => {
    const { receive, messages, kill, endDrain } = open();
    receive({ drain });
    endDrain(isInTime);
    expect(messages).toEqual([{ type: 'drained', signalsItself: false }]);
    expect(kill).not.toHaveBeenCalled();
  });

  test('stops accepting only once when the deadline changes', () => {
    const { listen, receive, drains } = open();
    const { _handle: handle } = listen();
    receive({ drain: { until: 1000 } });
    Object.assign(handle ?? {}, { isClosed: false });
    receive({ drain: { until: 0 } });
    expect([drains, handle?.isClosed]).toEqual([[1000, 0], false]);
  });

  test('releases no socket that the program closes', () => {
    const { listen, receive, messages } = open();
    const { _handle: handle } = listen();
    receive({ drain: { until: 1000 } });
    handle?.close();
    expect(messages.map(({ type }) => type)).toEqual(['listens']);
  });
});

test('the preload answers pings', () => {
  const { receive, messages } = open();
  receive({ ping: 5 });
  expect(messages).toEqual([{ type: 'pong', ping: 5 }]);
});
