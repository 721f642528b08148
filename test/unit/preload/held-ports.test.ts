/** The protocol of held ports, without sockets. Connections through restarts: test/e2e/hold.test.ts. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ActivatedSocket, Drain, HeldSocket, PreloadMessage } from '../../../src/preload/protocol.ts';
import { loadPreload } from './load.ts';

const addresses = loadPreload('addresses.cts', { './server-facts.cjs': {} }) as object;

interface Handle {
  /** `new`, the slot it was received from, or the descriptor that it was opened with. */
  readonly from: string;
  isClosed: boolean;
  close(): void;
  hasRef(): boolean;
  getsockname(into: { port?: number }): number;
}

interface Server {
  _handle: Handle | null;
}

interface Options {
  /** Sockets of the run before. */
  readonly held?: readonly HeldSocket[];
  readonly activated?: readonly ActivatedSocket[];
  /** The number of slots. */
  readonly slots?: number;
  /** The slots are empty: the run before was killed at the wrong moment. */
  readonly isLost?: boolean;
  /** Another process listens on the port. */
  readonly isTaken?: boolean;
  /** The inspector is open. */
  readonly isInspected?: boolean;
  /** The id of another thread of this process. */
  readonly thread?: number;
  /** The program closes its servers when they begin to listen: it asks whether the port is free. */
  readonly asks?: boolean;
  /** Another address of the port can be used beside that of a held socket. */
  readonly isFree?: boolean;
}

interface Arrival {
  onListening(handle: Handle): void;
  onMissing(): void;
  onClosed(): void;
}

interface Vacancy {
  vacate(): void;
  onListening(handle: Handle): void;
  onTaken(): void;
}

interface ListenOptions {
  readonly fd?: number;
  readonly flags?: number;
  readonly server?: object;
}

/** Opens HeldPorts with a fake `node:net`, whose `_listen2` makes a handle for port 3000. */
function open(options: Options = {}) {
  const { held = [], activated = [], slots = 2, isLost = false, isTaken = false, isInspected = false } = options;
  const current = { asks: false, ...options };
  const messages: PreloadMessage[] = [];
  /** Actions on slots, such as `fill 0`. */
  const actions: string[] = [];
  const used = new Set<number>();
  /** Ends the refusal of connections; undefined when none is refused. */
  let refused: (() => readonly HeldSocket[]) | undefined;
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
    'node:net': {
      Server: FakeServer,
      _createServerHandle: (...args: number[]) => handleFrom(`descriptor ${args[3]}`),
    },
    './debugger.cjs': { isInspected: () => isInspected },
    './own-thread.cjs': { findOwnThread: () => options.thread },
    './server-facts.cjs': loadPreload('server-facts.cts'),
    './slots.cjs': {
      Slots: class {
        claim(slot: number): void {
          used.add(slot);
        }
        reserve(): number | undefined {
          const slot = Array.from({ length: slots }, (_, index) => index).find((index) => !used.has(index));
          if (slot !== undefined) used.add(slot);
          return slot;
        }
        fill(slot: number): void {
          actions.push(`fill ${slot}`);
        }
        empty(slot: number): void {
          used.delete(slot);
          actions.push(`empty ${slot}`);
        }
      },
    },
    './late-handle.cjs': {
      /** The socket arrives at once. */
      listenLate(server: Server, listen: () => void, _: unknown, arrival: Arrival): void {
        if (current.asks) {
          arrival.onClosed();
          return;
        }
        if (isLost) {
          arrival.onMissing();
          return;
        }
        const handle = handleFrom(`slot ${held[0]?.slot}`);
        server._handle = handle;
        listen();
        arrival.onListening(handle);
      },
      listenWhenVacated(server: Server, _: () => void, __: unknown, vacancy: Vacancy): () => void {
        if (current.asks) return () => {};
        vacancy.vacate();
        server._handle = handleFrom('new');
        if (isTaken) vacancy.onTaken();
        else vacancy.onListening(server._handle);
        return () => {};
      },
    },
    './addresses.cjs': { ...addresses, isBlocked: () => options.isFree !== true },
    './unclaimed-sockets.cjs': loadPreload('unclaimed-sockets.cts', {
      './addresses.cjs': addresses,
      './refused-connections.cjs': {
        refuseConnections(sockets: () => readonly HeldSocket[]): () => void {
          refused = sockets;
          return () => {
            refused = undefined;
          };
        },
      },
      './traffic.cjs': { milliseconds: () => Date.now() },
      './unix-socket-files.cjs': { fileIdentityOf: () => '' },
    }),
    './unix-socket-files.cjs': { fileIdentityOf: () => '', closeKeepingFile: () => {}, removeFile: () => {} },
    './traffic.cjs': {
      Traffic: class {
        drain(until: number, onEnd: (isInTime: boolean) => void): void {
          drains.push(until);
          onDrainEnd = onEnd;
        }
      },
    },
    './messages.cjs': {
      receiveMessages(_descriptor: number, onMessage: typeof fromDevwatch): boolean {
        fromDevwatch = onMessage;
        return true;
      },
    },
  }) as { HeldPorts: new (orders: object, context: object) => { onBegin(): void } };
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => true);
  const send = (message: PreloadMessage): number => messages.push(message);
  const orders = { descriptor: 4, keeps: true, isPinged: true, refusesConnections: true, slots: [], held, activated };
  new HeldPorts(orders, { send, request: send }).onBegin();
  return {
    messages,
    actions,
    current,
    /** The sockets to which connections are refused. */
    refused: () => refused?.().map(({ id }) => id),
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

const name = { address: '::', family: 'IPv6', port: 3000 };
const earlier: HeldSocket = { id: 'a', key: '6 :: 3000 0', slot: 1, name };
const ofPort = (port: number): HeldSocket => ({ ...earlier, key: `6 :: ${port} 0`, name: { ...name, port } });

describe('a program that listens', () => {
  test('reports its socket, sends it into a slot, and reports the port', () => {
    const { listen, actions, messages } = open();
    expect(listen()._handle?.from).toBe('new');
    expect(actions).toEqual(['fill 0']);
    const id = `${process.pid}.1`;
    const key = '6 :: 3000 0';
    expect(messages).toMatchObject([
      { type: 'holds', socket: { id, key, slot: 0, name: { port: 3000 } } },
      { type: 'listens', id, key, port: 3000, host: '::' },
    ]);
  });

  test('keeps its socket to itself when there is no free slot', () => {
    const { listen, actions, messages } = open({ slots: 0 });
    listen()._handle?.close();
    expect([actions, messages.map(({ type }) => type)]).toEqual([[], ['listens', 'closes']]);
  });

  test('takes the socket of the run before for the same address', () => {
    const { listen, actions, messages } = open({ held: [earlier] });
    expect(listen()._handle?.from).toBe('slot 1');
    expect(actions).toEqual([]);
    expect(messages).toEqual([{ type: 'listens', id: 'a', key: '6 :: 3000 0', port: 3000, host: '::' }]);
  });

  test('opens another socket if that of the run before was lost', () => {
    const { listen, messages } = open({ held: [earlier], isLost: true });
    expect(listen()._handle?.from).toBe('new');
    expect(messages.map(({ type }) => type)).toEqual(['unclaimed', 'holds', 'listens']);
  });

  test('inherits an activated socket on its port, whatever the address', () => {
    const { listen } = open({ activated: [{ id: 'b', port: 3000, descriptor: 7 }] });
    expect(listen(3000, '127.0.0.1')._handle?.from).toBe('descriptor 7');
  });

  test('cannot connect to the socket of the run before until it listens on it', () => {
    const { listen, refused } = open({ held: [earlier, { ...ofPort(4000), id: 'b' }] });
    expect(refused()).toEqual(['a', 'b']);
    listen();
    expect(refused()).toEqual(['b']);
    listen(4000);
    expect(refused()).toBeUndefined();
  });

  test.each([
    ['that it brings itself', { fd: 12 }],
    ['with reusePort', { flags: 2 }],
  ])('keeps a socket %s to itself', (_, options) => {
    const { listen, actions } = open();
    expect(listen(3000, '::', options)._handle?.from).toBe('new');
    expect(actions).toEqual([]);
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
    expect(messages.at(-1)).toHaveProperty('role', role);
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
    expect(messages.at(-1)).toHaveProperty('role', role);
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
    expect(messages.at(-1)).toHaveProperty('protocol', protocol);
  });

  test('releases a socket of the run before that blocks another address of the port', () => {
    const { listen, messages, actions } = open({ held: [earlier] });
    expect(listen(3000, '127.0.0.1')._handle?.from).toBe('new');
    expect(actions).toEqual(['empty 1', 'fill 0']);
    expect(messages[0]).toEqual({ type: 'unclaimed', id: 'a' });
  });

  test('leaves one alone that does not block the address', () => {
    const { listen, actions, messages } = open({ held: [earlier], isFree: true });
    expect(listen(3000, '127.0.0.1')._handle?.from).toBe('new');
    expect([actions, messages.map(({ type }) => type)]).toEqual([['fill 0'], ['holds', 'listens']]);
  });

  test.each(['::', '127.0.0.1'])(
    'only to ask whether the port is free at %s leaves the socket to a later server',
    (address) => {
      const { listen, current, actions, messages, refused } = open({ held: [earlier], asks: true });
      listen(3000, address);
      expect([actions, messages, refused()]).toEqual([[], [], ['a']]);
      current.asks = false;
      expect(listen()._handle?.from).toBe('slot 1');
      expect([messages.map(({ type }) => type), refused()]).toEqual([['listens'], undefined]);
    },
  );

  test('releases unclaimed sockets 500 ms later', async () => {
    const { listen, messages, actions, advance } = open({ held: [ofPort(4000)] });
    listen(5000);
    await advance(499);
    expect(actions).toEqual(['fill 0']);
    await advance(1);
    expect(actions).toEqual(['fill 0', 'empty 1']);
    expect(messages.at(-1)).toEqual({ type: 'unclaimed', id: 'a' });
  });

  test('keeps an unclaimed socket twice as long as the run before took to listen on it, and 500 ms', async () => {
    const { listen, messages, advance } = open({
      held: [
        { ...ofPort(4000), lagMs: 900 },
        { ...ofPort(4001), id: 'b', lagMs: 10 },
      ],
    });
    const unclaimed = () => messages.flatMap((message) => (message.type === 'unclaimed' ? [message.id] : []));
    await advance(5000);
    listen(5000);
    await advance(520);
    expect(unclaimed()).toEqual(['b']);
    await advance(1779);
    expect(unclaimed()).toEqual(['b']);
    await advance(1);
    expect(unclaimed()).toEqual(['b', 'a']);
  });

  test('keeps an unclaimed socket twice as long as the run before took from its begin, whatever listens earlier', async () => {
    const { listen, messages, advance } = open({ held: [{ ...earlier, lagMs: 0, ageMs: 800 }] });
    listen(3001);
    await advance(2099);
    expect(messages.map(({ type }) => type)).toEqual(['holds', 'listens']);
    await advance(1);
    expect(messages.at(-1)).toEqual({ type: 'unclaimed', id: 'a' });
  });

  test.each<[string, Options, string[]]>([
    ['a new', {}, ['fill 0', 'empty 0']],
    ['an earlier', { held: [earlier] }, ['empty 1']],
    ['an activated', { activated: [{ id: 'b', port: 3000, descriptor: 7 }] }, []],
  ])('frees the port of %s socket when it closes it', (_, options, expected) => {
    const { listen, messages, actions } = open(options);
    const { _handle: handle } = listen();
    handle?.close();
    expect([actions, handle?.isClosed]).toEqual([expected, true]);
    expect(messages.at(-1)?.type).toBe('closes');
  });

  test('reports that the port is taken', () => {
    const { listen, messages } = open({ isTaken: true });
    listen();
    expect(messages).toEqual([{ type: 'address-in-use', port: 3000, isHandled: true }]);
  });
});

test('a program that does not listen releases the sockets of the run before after 30 s', async () => {
  const { messages, advance } = open({ held: [earlier] });
  await advance(30_000);
  expect(messages).toEqual([{ type: 'unclaimed', id: 'a' }]);
});

describe('draining', () => {
  const handler = (): void => {};

  beforeEach(() => {
    process.on('SIGUSR2', handler);
    return () => process.off('SIGUSR2', handler);
  });

  test('stops accepting at once, and sends itself the signal when the requests are answered', () => {
    const { listen, receive, messages, kill, endDrain } = open();
    const { _handle: handle } = listen();
    receive({ drain: { until: 1000, signal: 'SIGUSR2' } });
    expect(handle?.isClosed).toBe(true);
    expect(messages.map(({ type }) => type)).toEqual(['holds', 'listens']);
    endDrain(true);
    expect(messages.at(-1)).toEqual({ type: 'drained', signalsItself: true });
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGUSR2']]);
  });

  test('sends a signal that it does not handle to a thread, so that Node runs no exit hooks', () => {
    const { receive, messages, kill, endDrain } = open({ thread: 4321 });
    receive({ drain: { until: 1000, signal: 'SIGWINCH' } });
    endDrain(true);
    expect(messages).toEqual([{ type: 'drained', signalsItself: true }]);
    expect(kill.mock.calls).toEqual([[4321, 'SIGWINCH']]);
  });

  test.each<[string, boolean, Drain, Options?]>([
    ['after the deadline', false, { until: 1000, signal: 'SIGUSR2' }],
    ['if devwatch terminates the program in another way', true, { until: 1000 }],
    ['that it does not handle, where no thread can receive it', true, { until: 1000, signal: 'SIGWINCH' }],
    ['while the inspector is open', true, { until: 1000, signal: 'SIGUSR2' }, { isInspected: true, thread: 4321 }],
  ])('sends itself no signal %s', (_, isInTime, drain, options) => {
    const { receive, messages, kill, endDrain } = open(options);
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
    expect(messages.map(({ type }) => type)).toEqual(['holds', 'listens']);
  });
});

test('the preload answers pings', () => {
  const { receive, messages } = open();
  receive({ ping: 5 });
  expect(messages).toEqual([{ type: 'pong', ping: 5 }]);
});
