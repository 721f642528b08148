/**
 * Lets a server listen later than it asks for. Until then a placeholder is its handle: the program sees a server that
 * listens, with its address, which it may close.
 *
 * No connection is accepted before the event `listening` has been handled. Programs listen on a port to find out whether
 * it is free, and close the server then (get-port, portfinder, detect-port): the connections that wait for the program
 * are not theirs.
 */

import type { reach as Reach } from './node-bindings.cts';
import type { SocketName } from './protocol.ts' with { 'resolution-mode': 'import' };

const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };

/** libuv's handle of a server. */
interface ServerHandle {
  onconnection: unknown;
  bind(address: string, port: number, flags?: number): number;
  bind6(address: string, port: number, flags?: number): number;
  close(done?: () => void): void;
  hasRef(): boolean;
  unref(): void;
  listen(backlog: number): number;
  fchmod?(mode: number): number;
  getsockname?(into: object): number;
  [symbol: symbol]: unknown;
}

interface Bindings {
  (name: 'tcp_wrap'): { TCP: new (kind: number) => ServerHandle; constants: { SERVER: number } };
  (name: 'pipe_wrap'): { Pipe: new (kind: number) => ServerHandle; constants: { SERVER: number } };
}

interface Arrival {
  /** The server accepts connections. */
  onListening(handle: ServerHandle): void;
  /** The program has closed the server before it accepted a connection. */
  onClosed(): void;
  /** Requests the socket; the returned function cancels. */
  take(onTaken: (handle: object | undefined) => void): () => void;
  /** There is no socket: the server has no handle any more. */
  onMissing(): void;
}

interface Vacancy {
  /** Makes the address free. The program has not closed the server. */
  vacate(): void;
  /** The server accepts connections. */
  onListening(handle: ServerHandle): void;
  /** The address was not free: the server has no handle any more. */
  onTaken(): void;
}

type Address = readonly [host: string, port: number, flags: number];

type Server = { _handle: object | null };

/** Taken before the program can replace it. */
const nextTurn = setImmediate;

/**
 * Lets a server listen on a socket that arrives in the next turn of the event loop. The event `listening` is emitted when
 * it has arrived; without devwatch it would be emitted earlier in the same turn.
 *
 * @param listen begins to listen on the handle that the server has, as Node does
 * @param name the socket's name; undefined for a Unix socket
 */
function listenLate(server: Server, listen: () => void, name: SocketName | undefined, arrival: Arrival): void {
  const place = createPlaceholder(name, () => {
    cancel();
    arrival.onClosed();
  });
  if (place === undefined) {
    arrival.onMissing();
    return;
  }
  const { placeholder, wanted, release } = place;
  const cancel = arrival.take((socket) => {
    if (server._handle === placeholder) server._handle = null;
    release();
    if (socket === undefined) {
      placeholder.close();
      arrival.onMissing();
      return;
    }
    const handle = socket as ServerHandle;
    // A symbol leads from the handle to its server.
    for (const key of Object.getOwnPropertySymbols(placeholder)) handle[key] = placeholder[key];
    handle.onconnection = placeholder.onconnection;
    if (!placeholder.hasRef()) handle.unref();
    if (wanted.mode !== undefined) handle.fchmod?.(wanted.mode);
    placeholder.close();
    server._handle = handle;
    let isClosed = false;
    handle.close = (done) => {
      isClosed = true;
      Reflect.deleteProperty(handle, 'close');
      handle.close(done);
      arrival.onClosed();
    };
    nextTurn(() => {
      if (isClosed) return;
      Reflect.deleteProperty(handle, 'close');
      handle.listen(wanted.backlog);
      arrival.onListening(handle);
    });
    for (const args of ticks) process.nextTick(...args);
  });
  server._handle = placeholder;
  const ticks = deferTicks(listen);
}

/**
 * Lets a server listen at an address that is free as soon as it is vacated. If the program closes the server in the event
 * `listening`, it need not be.
 *
 * @param listen begins to listen on the handle that the server has, as Node does
 * @returns a function that lets the server listen at once; undefined if that is not possible
 */
function listenWhenVacated(
  server: Server,
  listen: () => void,
  [host, port, flags]: Address,
  vacancy: Vacancy,
): (() => void) | undefined {
  const isV6 = host.includes(':');
  let isSettled = false;
  const place = createPlaceholder({ address: host, family: isV6 ? 'IPv6' : 'IPv4', port }, () => {
    isSettled = true;
  });
  if (place === undefined) return undefined;
  const { placeholder, wanted, release } = place;
  server._handle = placeholder;
  listen();
  const settle = (): void => {
    if (isSettled) return;
    isSettled = true;
    release();
    vacancy.vacate();
    const error = isV6 ? placeholder.bind6(host, port, flags) : placeholder.bind(host, port);
    if (error === 0 && placeholder.listen(wanted.backlog) === 0) {
      vacancy.onListening(placeholder);
      return;
    }
    if (server._handle === placeholder) server._handle = null;
    placeholder.close();
    vacancy.onTaken();
  };
  nextTurn(settle);
  return settle;
}

/** Creates a handle that seems to listen. `wanted`: what was asked of it; `release` makes it an ordinary handle. */
function createPlaceholder(name: SocketName | undefined, onClosed: () => void) {
  const placeholder = createHandle(name !== undefined);
  if (placeholder === undefined) return undefined;
  const wanted: { backlog: number; mode?: number } = { backlog: 0 };
  const overrides: Partial<ServerHandle> = {
    listen(backlog) {
      wanted.backlog = backlog;
      return 0;
    },
    fchmod(mode) {
      wanted.mode = mode;
      return 0;
    },
    close(done) {
      release();
      placeholder.close(done);
      onClosed();
    },
  };
  if (name !== undefined) {
    overrides.getsockname = (into) => {
      Object.assign(into, name);
      return 0;
    };
  }
  const release = (): void => {
    for (const key of Object.keys(overrides)) Reflect.deleteProperty(placeholder, key);
  };
  return { placeholder: Object.assign(placeholder, overrides), wanted, release };
}

type Tick = [callback: (...args: unknown[]) => void, ...args: unknown[]];

/** Calls a function, and returns what it wanted to call in the next tick: Node emits `listening` there. */
function deferTicks(call: () => void): readonly Tick[] {
  const { nextTick } = process;
  const ticks: Tick[] = [];
  process.nextTick = (...tick: Tick) => void ticks.push(tick);
  try {
    call();
  } finally {
    process.nextTick = nextTick;
  }
  return ticks;
}

function createHandle(isTcp: boolean): ServerHandle | undefined {
  return reach((binding: Bindings) => {
    if (isTcp) {
      const { TCP, constants } = binding('tcp_wrap');
      return new TCP(constants.SERVER);
    }
    const { Pipe, constants } = binding('pipe_wrap');
    return new Pipe(constants.SERVER);
  });
}

export type { listenLate, listenWhenVacated };

module.exports = { listenLate, listenWhenVacated };
