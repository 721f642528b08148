/**
 * Lets a server listen on a socket that arrives in the next turn of the event loop. Until then a placeholder is the
 * server's handle: the program sees a server that listens, with its address, which it may close. The event `listening`
 * is emitted when the socket has arrived; without devwatch it would be emitted earlier in the same turn.
 */

import type { reach as Reach } from './node-bindings.cts';
import type { SocketName } from './protocol.ts' with { 'resolution-mode': 'import' };

const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };

/** libuv's handle of a server. */
interface ServerHandle {
  onconnection: unknown;
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
  /** Requests the socket; the returned function cancels. */
  take(onTaken: (handle: object | undefined) => void): () => void;
  /** The server listens on the socket. */
  onListening(handle: ServerHandle): void;
  /** There is no socket: the server has no handle any more. */
  onMissing(): void;
  /** The program has closed the server before the socket arrived. */
  onClosed(): void;
}

/**
 * @param listen begins to listen on the handle that the server has, as Node does
 * @param name the socket's name; undefined for a Unix socket
 */
function listenLate(
  server: { _handle: object | null },
  listen: () => void,
  name: SocketName | undefined,
  arrival: Arrival,
): void {
  const placeholder = createHandle(name !== undefined);
  if (placeholder === undefined) {
    arrival.onMissing();
    return;
  }
  let requestedBacklog = 0;
  let requestedMode: number | undefined;
  const close = (done?: () => void): void => {
    Reflect.deleteProperty(placeholder, 'close');
    placeholder.close(done);
  };
  const cancel = arrival.take((socket) => {
    if (server._handle === placeholder) server._handle = null;
    if (socket === undefined) {
      close();
      arrival.onMissing();
      return;
    }
    const handle = socket as ServerHandle;
    // A symbol leads from the handle to its server.
    for (const key of Object.getOwnPropertySymbols(placeholder)) handle[key] = placeholder[key];
    handle.onconnection = placeholder.onconnection;
    if (!placeholder.hasRef()) handle.unref();
    if (requestedMode !== undefined) handle.fchmod?.(requestedMode);
    close();
    server._handle = handle;
    handle.listen(requestedBacklog);
    arrival.onListening(handle);
    for (const args of ticks) process.nextTick(...args);
  });
  const overrides: Partial<ServerHandle> = {
    listen(backlog) {
      requestedBacklog = backlog;
      return 0;
    },
    fchmod(mode) {
      requestedMode = mode;
      return 0;
    },
    close(done) {
      cancel();
      close(done);
      arrival.onClosed();
    },
  };
  if (name !== undefined) {
    overrides.getsockname = (into) => {
      Object.assign(into, name);
      return 0;
    };
  }
  server._handle = Object.assign(placeholder, overrides);
  const ticks = deferTicks(listen);
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

export type { listenLate };

module.exports = { listenLate };
