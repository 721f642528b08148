/**
 * Makes connections wait during a restart instead of being refused: devwatch gets a duplicate of each socket that the
 * program listens on, never accepts on it, and passes it on to the next run. Also stops accepting when devwatch
 * announces the end of this run, and reports when the requests in flight have been answered.
 */

import type { HeldSocket, HoldOrders, PreloadMessage } from './protocol.ts' with { 'resolution-mode': 'import' };

const { Traffic, milliseconds } = require('./traffic.cjs') as TrafficExports;
const { openHandleSender } = require('./handle-sender.cjs') as HandleSenderExports;

type TrafficExports = {
  readonly Traffic: new () => { begin(): void; drain(): void; isBusy(): boolean };
  milliseconds(): number;
};
type HandleSenderExports = {
  openHandleSender(descriptor: number | undefined, onMessage: (message: object) => void): SendHandle | undefined;
};
type SendHandle = (message: object, handle: object) => void;
type Server = import('node:net').Server;

/** libuv's handle of a server. */
interface Handle {
  close(done?: () => void): void;
  hasRef(): boolean;
  getsockname?(into: object): number;
}

interface ListeningServer extends Server {
  _handle: Handle | null;
  _connectionKey?: string | undefined;
}

type ListenArguments = [
  address: string | null,
  port: number,
  addressType: number,
  backlog: number,
  fd: number | undefined,
  flags: number | undefined,
];

type Listen = (this: ListeningServer, ...args: ListenArguments) => void;

interface NetInternals {
  readonly Server: { readonly prototype: { _listen2: Listen } };
  /** `cluster` uses it as well. */
  _createServerHandle(address: null, port: null, addressType: null, fd: number): Handle | number;
}

interface Context {
  send(message: PreloadMessage): void;
  /** Sends a message and waits for the answer. */
  request(message: PreloadMessage): unknown;
}

/** The address that a server is to listen on. */
interface Address {
  /** Also set for a Unix socket: its path. */
  readonly address: string | null;
  readonly port: number;
  readonly isPath: boolean;
  /** Equal for two servers that the same socket can serve. */
  readonly key: string;
  /** The socket has none of the options (such as `reusePort`) that a duplicate would not share. */
  readonly canBeHeld: boolean;
}

/** A socket that the program listens on and devwatch holds. */
interface LiveSocket {
  readonly id: string;
  readonly handle: Handle;
  /** libuv's own method. */
  readonly close: (done?: () => void) => void;
  /** The file of a Unix socket that this process is responsible for. */
  readonly file: string | undefined;
  readonly isInherited: boolean;
  /** The service manager listens on, whatever the program does. */
  readonly isSocketActivated: boolean;
  /** Keeps the program alive after the socket was closed behind its back. */
  keepAlive?: NodeJS.Timeout;
}

/** Servers start within this time of each other; an inherited socket that is unclaimed by then is released. */
const claimTimeoutMs = 500;
/** The same for a program that does not listen at all. */
const firstClaimTimeoutMs = 30_000;
/** The longest interval that Node can time. */
const maxTimerMs = 2 ** 31 - 1;
const drainPollIntervalMs = 3;

class HeldPorts {
  readonly #net = require('node:net') as NetInternals & typeof import('node:net');
  readonly #context: Context;
  readonly #orders: HoldOrders;
  readonly #traffic = new Traffic();
  readonly #live = new Set<LiveSocket>();
  #socketActivated: readonly HeldSocket[];
  #unclaimed: readonly HeldSocket[];
  /** Undefined until it is needed: a program that does not listen gets no further handle. */
  #sender: { readonly sendHandle: SendHandle | undefined } | undefined;
  #isDraining = false;
  #serial = 0;
  #releaseTimer: NodeJS.Timeout | undefined;

  constructor(orders: HoldOrders, context: Context) {
    this.#orders = orders;
    this.#context = context;
    this.#socketActivated = orders.held.filter(({ isSocketActivated }) => isSocketActivated);
    this.#unclaimed = orders.held.filter(({ isSocketActivated }) => !isSocketActivated);
    const { prototype } = this.#net.Server;
    prototype._listen2 = new Proxy(prototype._listen2, { apply: this.#listen });
    if (orders.isPinged) this.#openSender();
  }

  onBegin(): void {
    this.#releaseAfter(firstClaimTimeoutMs);
  }

  /** Runs in place of `_listen2`. The proxy calls it directly: another function would be seen in stack traces. */
  readonly #listen = (listen: Listen, server: ListeningServer, args: ListenArguments): void => {
    // The program brings its own socket.
    if (server._handle || typeof args[4] === 'number') {
      Reflect.apply(listen, server, args);
      return;
    }
    const address = addressOf(args);
    const inherited = this.#claim(address);
    if (inherited === undefined) this.#releaseRivals(address);
    else server._handle = this.#handleOf(inherited);
    Reflect.apply(listen, server, args);
    const handle = server._handle as Handle | null | undefined;
    if (handle === null || handle === undefined) this.#reportAddressInUse(server);
    else if (address.canBeHeld) this.#hold(server, handle, address, inherited);
  };

  /** Returns the inherited socket for this address, if there is one. */
  #claim({ key, address, port, canBeHeld }: Address): HeldSocket | undefined {
    const isSameFile = ({ path }: HeldSocket): boolean => path !== undefined && path === fileIdentityOf(address);
    const earlier = canBeHeld
      ? this.#unclaimed.find((one) => one.key === key && (one.path === undefined || isSameFile(one)))
      : undefined;
    this.#unclaimed = this.#unclaimed.filter((one) => one !== earlier);
    if (earlier !== undefined) return earlier;
    // By port or path alone: whatever address the socket has, no other socket could be bound there.
    const activated = this.#socketActivated.find((one) =>
      one.path === undefined ? one.port === port : address !== null && isSameFile(one),
    );
    this.#socketActivated = this.#socketActivated.filter((one) => one !== activated);
    return activated;
  }

  /** Releases inherited sockets on the same port but another address, which would block the bind. */
  #releaseRivals({ address, port }: Address): void {
    for (const one of this.#unclaimed) {
      if (one.port === undefined ? one.key.split(' ')[1] !== address : one.port !== port) continue;
      this.#discard(one);
      this.#context.request({ type: 'unhold', id: one.id });
    }
  }

  #handleOf({ descriptor }: HeldSocket): Handle | null {
    const handle = this.#net._createServerHandle(null, null, null, descriptor);
    return typeof handle === 'number' ? null : handle;
  }

  /** A program that handles the error may exit by itself, with any code (Express 5 does). Only watches the error. */
  #reportAddressInUse(server: Server): void {
    const { errorMonitor } = require('node:events') as typeof import('node:events');
    server.once(errorMonitor as unknown as 'error', ({ code, port }: NodeJS.ErrnoException & { port?: number }) => {
      if (code === 'EADDRINUSE' && port !== undefined) {
        this.#context.send({ type: 'address-in-use', port, isHandled: true });
      }
    });
  }

  /** Sends devwatch a duplicate of a new socket, and reports that the program listens. */
  #hold(server: ListeningServer, handle: Handle, address: Address, inherited: HeldSocket | undefined): void {
    if (inherited?.connectionKey !== undefined) server._connectionKey = inherited.connectionKey;
    this.#serial += 1;
    const id = inherited?.id ?? `${process.pid}.${this.#serial}`;
    const port = portOf(handle);
    const file = address.isPath ? (address.address ?? undefined) : undefined;
    const sendHandle = this.#orders.keeps ? this.#openSender() : undefined;
    if (sendHandle !== undefined) {
      const path = address.isPath ? fileIdentityOf(address.address) : undefined;
      const isSocketActivated = inherited?.isSocketActivated === true;
      this.#trackHandle({
        id,
        handle,
        close: handle.close.bind(handle),
        file: isSocketActivated ? undefined : file,
        isInherited: inherited !== undefined,
        isSocketActivated,
      });
      this.#traffic.begin();
      const { key } = address;
      const socket = { id, key, connectionKey: server._connectionKey, path, port };
      if (inherited === undefined) sendHandle({ hold: socket }, handle);
    }
    this.#context.send({
      type: 'listens',
      id,
      ...(port !== undefined && { port }),
      ...(file !== undefined && { path: file }),
    });
    this.#releaseAfter(claimTimeoutMs);
  }

  /** When the program closes the socket, its port is free at once, as without devwatch. */
  #trackHandle(socket: LiveSocket): void {
    const { id, handle, close, file, isInherited, isSocketActivated } = socket;
    this.#live.add(socket);
    handle.close = (done) => {
      Reflect.deleteProperty(handle, 'close');
      this.#live.delete(socket);
      clearInterval(socket.keepAlive);
      if (!this.#isDraining && !isSocketActivated) {
        this.#context.request({ type: 'unhold', id });
        if (file !== undefined && isInherited) removeFile(file);
      }
      close(done);
    };
  }

  #openSender(): SendHandle | undefined {
    if (this.#sender === undefined) {
      const sendHandle = openHandleSender(this.#orders.descriptor, (message) => this.#onMessage(message));
      this.#sender = { sendHandle };
      if (sendHandle === undefined) this.#context.send({ type: 'deaf' });
    }
    return this.#sender.sendHandle;
  }

  #onMessage({ ping, drainMs }: { readonly ping?: number; readonly drainMs?: number }): void {
    if (ping !== undefined) this.#context.send({ type: 'pong', ping });
    if (drainMs !== undefined) this.#drain(milliseconds() + drainMs);
  }

  /** Stops accepting connections, and reports when the requests in flight have been answered. */
  #drain(deadline: number): void {
    this.#isDraining = true;
    for (const socket of this.#live) endAccepting(socket);
    this.#traffic.drain();
    this.#checkDrain(deadline);
  }

  #checkDrain(deadline: number): void {
    if (!this.#traffic.isBusy()) this.#context.send({ type: 'drained' });
    else if (milliseconds() < deadline) setTimeout(() => this.#checkDrain(deadline), drainPollIntervalMs);
  }

  /** Releases inherited sockets that are unclaimed after this time. */
  #releaseAfter(ms: number): void {
    clearTimeout(this.#releaseTimer);
    if (this.#unclaimed.length === 0) return;
    this.#releaseTimer = setTimeout(() => {
      for (const one of this.#unclaimed) {
        this.#discard(one);
        this.#context.send({ type: 'unclaimed', id: one.id });
      }
    }, ms).unref();
  }

  #discard(one: HeldSocket): void {
    this.#unclaimed = this.#unclaimed.filter((other) => other !== one);
    (require('node:fs') as typeof import('node:fs')).closeSync(one.descriptor);
  }
}

function addressOf([address, port, addressType, , , flags = 0]: ListenArguments): Address {
  const key = `${addressType} ${address} ${port} ${flags}`;
  return { address, port, isPath: addressType === -1, key, canBeHeld: flags <= 1 };
}

/** Closes the socket without the program noticing: devwatch's duplicate takes the connections from here on. */
function endAccepting(socket: LiveSocket): void {
  const { handle, close, file, isInherited } = socket;
  rememberAddress(handle);
  // A server that listens keeps the program alive until the program closes it.
  if (handle.hasRef()) socket.keepAlive = setInterval(() => {}, maxTimerMs);
  if (file === undefined || isInherited) close();
  else closeKeepingFile(file, close);
}

/** Closes a Unix socket but keeps its file, which libuv removes with the socket that it was made for. */
function closeKeepingFile(file: string, close: () => void): void {
  const { linkSync, renameSync } = require('node:fs') as typeof import('node:fs');
  const aside = `${file}.${process.pid}`;
  try {
    linkSync(file, aside);
  } catch {
    close(); // The file was removed already, or the socket is abstract.
    return;
  }
  close();
  renameSync(aside, file);
}

function removeFile(file: string): void {
  try {
    (require('node:fs') as typeof import('node:fs')).unlinkSync(file);
  } catch {
    // The file was removed already, or the socket is abstract.
  }
}

/** Keeps `server.address()` working after the socket was closed: the program may call it while it ends. */
function rememberAddress(handle: Handle): void {
  const address = {};
  const error = handle.getsockname?.(address);
  if (error === 0) {
    handle.getsockname = (into) => {
      Object.assign(into, address);
      return 0;
    };
  }
}

function portOf(handle: Handle): number | undefined {
  const address: { port?: number } = {};
  handle.getsockname?.(address);
  return address.port;
}

/** Returns device and inode, which distinguish a file from a later one of the same name; empty if it is missing. */
function fileIdentityOf(file: string | null): string {
  try {
    const { dev, ino } = (require('node:fs') as typeof import('node:fs')).statSync(file ?? '');
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}

module.exports = { HeldPorts };
