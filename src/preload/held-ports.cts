/**
 * Makes connections wait during a restart instead of being refused: devwatch gets a duplicate of each socket that the
 * program listens on, never accepts on it, and passes it on to the next run. Also stops accepting when devwatch
 * announces the end of this run, and sends itself the stop signal when the requests in flight have been answered.
 */

import type { openHandleSender as OpenHandleSender, SendHandle } from './handle-sender.cts';
import type { Channel, Drain, HeldSocket, HoldOrders, ServerFacts, ServerRole } from './protocol.ts' with {
  'resolution-mode': 'import',
};

import type { milliseconds as Milliseconds, Traffic as TrafficClass } from './traffic.cts';

const fs = require('node:fs') as typeof import('node:fs');
const net = require('node:net') as NetInternals & typeof import('node:net');
const { Traffic, milliseconds } = require('./traffic.cjs') as {
  Traffic: typeof TrafficClass;
  milliseconds: typeof Milliseconds;
};
const { openHandleSender } = require('./handle-sender.cjs') as { openHandleSender: typeof OpenHandleSender };

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
  _unref?: boolean;
}

type ListenArgs = [address: string | null, port: number, type: number, backlog: number, fd?: number, flags?: number];
type Listen = (this: ListeningServer, ...args: ListenArgs) => void;

interface NetInternals {
  readonly Server: { readonly prototype: { _listen2: Listen } };
  /** `cluster` uses it as well. */
  _createServerHandle(address: null, port: null, addressType: null, fd: number): Handle | number;
}

/** The address that a server is to listen on. */
interface Address {
  readonly port: number;
  /** The address; undefined for all of them, and for a Unix socket. */
  readonly host: string | undefined;
  /** The path of a Unix socket. */
  readonly file: string | undefined;
  /** Equal for two servers that the same socket can serve. */
  readonly key: string;
  /** The socket has none of the options (such as `reusePort`) that a duplicate would not share. */
  readonly canBeHeld: boolean;
}

/** Servers start within this time of each other; an inherited socket that is unclaimed by then is released. */
const claimTimeoutMs = 500;
/** The same for a program that does not listen at all. */
const firstClaimTimeoutMs = 30_000;
/** The longest interval that Node can time. */
const maxTimerMs = 2 ** 31 - 1;

class HeldPorts {
  readonly #channel: Channel;
  readonly #orders: HoldOrders;
  /** Taken before the program can replace it. */
  readonly #kill = process.kill;
  /** Stops accepting, for each socket that the program listens on and devwatch holds. */
  readonly #live = new Set<() => void>();
  /** Undefined while the program has no server. */
  #traffic: TrafficClass | undefined;
  #socketActivated: readonly HeldSocket[];
  #unclaimed: readonly HeldSocket[];
  /** Undefined until it is needed: a program that does not listen gets no further handle. */
  #sender: { readonly sendHandle: SendHandle | undefined } | undefined;
  #isDraining = false;
  #serial = 0;
  #releaseTimer: NodeJS.Timeout | undefined;
  /** When the program began, when its first server began to listen, and when the latest one did. */
  #beganAt = 0;
  #firstAt: number | undefined;
  #latestAt = 0;

  constructor(orders: HoldOrders, channel: Channel) {
    this.#orders = orders;
    this.#channel = channel;
    this.#socketActivated = orders.held.filter(({ isSocketActivated }) => isSocketActivated);
    this.#unclaimed = orders.held.filter(({ isSocketActivated }) => !isSocketActivated);
    const { prototype } = net.Server;
    prototype._listen2 = new Proxy(prototype._listen2, { apply: this.#listen });
    if (orders.isPinged) this.#openSender();
  }

  onBegin(): void {
    this.#beganAt = milliseconds();
    this.#releaseWhenDue();
  }

  /** Runs in place of `_listen2`. The proxy calls it directly: another function would be seen in stack traces. */
  readonly #listen = (listen: Listen, server: ListeningServer, args: ListenArgs): void => {
    // The program brings its own socket.
    if (server._handle || typeof args[4] === 'number') {
      Reflect.apply(listen, server, args);
      return;
    }
    const address = addressOf(args);
    const inherited = this.#claim(address);
    if (inherited === undefined) this.#releaseRivals(address);
    else server._handle = handleOf(inherited);
    Reflect.apply(listen, server, args);
    const handle = server._handle as Handle | null | undefined;
    if (handle === null || handle === undefined) this.#reportAddressInUse(server);
    else this.#onListening(server, handle, address, inherited);
  };

  /** Returns the inherited socket for this address, if there is one. */
  #claim({ key, file, port, canBeHeld }: Address): HeldSocket | undefined {
    const isSameFile = ({ path }: HeldSocket): boolean => path !== undefined && path === fileIdentityOf(file);
    const earlier = canBeHeld
      ? this.#unclaimed.find((one) => one.key === key && (one.path === undefined || isSameFile(one)))
      : undefined;
    this.#unclaimed = this.#unclaimed.filter((one) => one !== earlier);
    if (earlier !== undefined) return earlier;
    // By port or path alone: whatever address the socket has, no other socket could be bound there.
    const activated = this.#socketActivated.find((one) =>
      one.path === undefined ? one.port === port : isSameFile(one),
    );
    this.#socketActivated = this.#socketActivated.filter((one) => one !== activated);
    return activated;
  }

  /** Releases inherited sockets on the same port or path but another address, which would block the bind. */
  #releaseRivals({ port, file }: Address): void {
    for (const one of this.#unclaimed) {
      if (one.port === undefined ? one.key.split(' ')[1] !== file : one.port !== port) continue;
      this.#discard(one);
      this.#channel.request({ type: 'unhold', id: one.id });
    }
  }

  /** A program that handles the error may exit by itself, with any code (Express 5 does). Only watches the error. */
  #reportAddressInUse(server: Server): void {
    const { errorMonitor } = require('node:events') as typeof import('node:events');
    server.once(errorMonitor as unknown as 'error', ({ code, port }: NodeJS.ErrnoException & { port?: number }) => {
      if (code !== 'EADDRINUSE' || port === undefined) return;
      this.#channel.send({ type: 'address-in-use', port, isHandled: true });
    });
  }

  /** Reports that the program listens. Sends devwatch a duplicate of a new socket. */
  #onListening(server: ListeningServer, handle: Handle, address: Address, inherited: HeldSocket | undefined): void {
    const { file, key, host, canBeHeld } = address;
    if (inherited?.connectionKey !== undefined) server._connectionKey = inherited.connectionKey;
    this.#serial += 1;
    const id = inherited?.id ?? `${process.pid}.${this.#serial}`;
    const port = portOf(handle);
    const sendHandle = this.#orders.keeps && canBeHeld ? this.#openSender() : undefined;
    if (sendHandle !== undefined) {
      const path = file === undefined ? undefined : fileIdentityOf(file);
      this.#track(id, handle, file, inherited);
      this.#traffic ??= new Traffic();
      const socket = { id, key, connectionKey: server._connectionKey, path, port };
      if (inherited === undefined) sendHandle({ hold: socket }, handle);
    } else {
      this.#reportClose(id, handle);
    }
    const facts = { port, host, protocol: protocolOf(server), role: roleOf(server, port) };
    this.#channel.send({ type: 'listens', id, key, path: file, ...facts });
    this.#latestAt = milliseconds();
    this.#firstAt ??= this.#latestAt;
    this.#releaseWhenDue();
  }

  #reportClose(id: string, handle: Handle): void {
    const close = handle.close.bind(handle);
    handle.close = (done) => {
      Reflect.deleteProperty(handle, 'close');
      this.#channel.send({ type: 'closes', id });
      close(done);
    };
  }

  /** Tracks a socket that devwatch holds. When the program closes it, its port is free at once, as without devwatch. */
  #track(id: string, handle: Handle, file: string | undefined, inherited: HeldSocket | undefined): void {
    const close = handle.close.bind(handle);
    let keepAlive: NodeJS.Timeout | undefined;
    /** Closes the socket without the program noticing: devwatch's duplicate takes the connections from here on. */
    const endAccepting = (): void => {
      rememberAddress(handle);
      // A server that listens keeps the program alive until the program closes it.
      if (handle.hasRef()) keepAlive = setInterval(() => {}, maxTimerMs);
      if (file === undefined || inherited !== undefined) close();
      else closeKeepingFile(file, close);
    };
    this.#live.add(endAccepting);
    handle.close = (done) => {
      Reflect.deleteProperty(handle, 'close');
      this.#live.delete(endAccepting);
      clearInterval(keepAlive);
      // The service manager listens on an activated socket, whatever the program does.
      if (!this.#isDraining && inherited?.isSocketActivated !== true) {
        this.#channel.request({ type: 'unhold', id });
        if (file !== undefined && inherited !== undefined) removeFile(file);
      }
      close(done);
    };
  }

  #openSender(): SendHandle | undefined {
    if (this.#sender === undefined) {
      const sendHandle = openHandleSender(this.#orders.descriptor, (message) => this.#onMessage(message));
      this.#sender = { sendHandle };
      if (sendHandle === undefined) this.#channel.send({ type: 'deaf' });
    }
    return this.#sender.sendHandle;
  }

  #onMessage({ ping, drain }: { readonly ping?: number; readonly drain?: Drain }): void {
    if (ping !== undefined) this.#channel.send({ type: 'pong', ping });
    if (drain !== undefined) this.#drain(drain);
  }

  #drain({ until, signal }: Drain): void {
    if (!this.#isDraining) for (const endAccepting of this.#live) endAccepting();
    this.#isDraining = true;
    this.#traffic ??= new Traffic();
    this.#traffic.drain(until, (isInTime) => {
      // After the deadline devwatch sends the signal; the program must not receive it twice.
      const signalsItself = isInTime && signal !== undefined;
      this.#channel.send({ type: 'drained', signalsItself });
      if (signalsItself) Reflect.apply(this.#kill, process, [process.pid, signal]);
    });
  }

  /** Releases each inherited socket that is unclaimed when its time is over. */
  #releaseWhenDue(): void {
    clearTimeout(this.#releaseTimer);
    const now = milliseconds();
    for (const one of this.#unclaimed) {
      if (this.#dueAt(one) > now) continue;
      this.#discard(one);
      this.#channel.send({ type: 'unclaimed', id: one.id });
    }
    if (this.#unclaimed.length === 0) return;
    const next = Math.min(...this.#unclaimed.map((one) => this.#dueAt(one)));
    this.#releaseTimer = setTimeout(() => this.#releaseWhenDue(), Math.ceil(next - now)).unref();
  }

  /** The time at which an inherited socket is released: it may take twice as long as in the run before. */
  #dueAt({ lagMs = 0 }: HeldSocket): number {
    if (this.#firstAt === undefined) return this.#beganAt + firstClaimTimeoutMs;
    const untilMs = Math.min(2 * lagMs + claimTimeoutMs, firstClaimTimeoutMs);
    return Math.max(this.#firstAt + untilMs, this.#latestAt + claimTimeoutMs);
  }

  #discard(one: HeldSocket): void {
    this.#unclaimed = this.#unclaimed.filter((other) => other !== one);
    fs.closeSync(one.descriptor);
  }
}

function addressOf([address, port, type, , , flags = 0]: ListenArgs): Address {
  const name = address ?? undefined;
  const [file, host] = type === -1 ? [name, undefined] : [undefined, name];
  return { port, host, file, key: `${type} ${address} ${port} ${flags}`, canBeHeld: flags <= 1 };
}

/** Returns the protocol of a server by the methods that only such servers have; Node's classes may not be loaded. */
function protocolOf(server: ListeningServer): ServerFacts['protocol'] {
  const isSecure = 'setSecureContext' in server;
  if ('closeAllConnections' in server) return isSecure ? 'https' : 'http';
  // HTTP/2, which browsers speak over TLS only.
  return isSecure && server.listenerCount('stream') > 0 ? 'https' : undefined;
}

/** Returns what is known about the part that a server plays in the program. */
function roleOf(server: ListeningServer, port: number | undefined): ServerRole | undefined {
  const { PORT } = process.env;
  const isNamedBy = (word: string): boolean => new RegExp(`(?:^|\\D)${port}$`).test(word);
  if (port === undefined) return undefined;
  if (PORT === String(port) || process.argv.slice(2).some(isNamedBy)) return 'named';
  // Servers of WebSockets, such as that of Vite, answer a plain request by "426 Upgrade Required".
  const answers = server.listeners('request').map(String);
  if (server._unref === true || (answers.length > 0 && answers.every((answer) => /\b426\b/.test(answer))))
    return 'auxiliary';
  return Number(PORT) > 0 ? 'other' : undefined;
}

function handleOf({ descriptor }: HeldSocket): Handle | null {
  const handle = net._createServerHandle(null, null, null, descriptor);
  return typeof handle === 'number' ? null : handle;
}

/** Closes a Unix socket but keeps its file, which libuv removes with the socket that it was made for. */
function closeKeepingFile(file: string, close: () => void): void {
  const aside = `${file}.${process.pid}`;
  try {
    fs.linkSync(file, aside);
  } catch {
    close(); // The file was removed already, or the socket is abstract.
    return;
  }
  close();
  fs.renameSync(aside, file);
}

function removeFile(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch {
    // The file was removed already, or the socket is abstract.
  }
}

/** Keeps `server.address()` working after the socket was closed: the program may call it while it ends. */
function rememberAddress(handle: Handle): void {
  const address = {};
  if (handle.getsockname?.(address) !== 0) return;
  handle.getsockname = (into) => {
    Object.assign(into, address);
    return 0;
  };
}

function portOf(handle: Handle): number | undefined {
  const address: { port?: number } = {};
  handle.getsockname?.(address);
  return address.port;
}

/** Returns device and inode, which distinguish a file from a later one of the same name; empty if it is missing. */
function fileIdentityOf(file: string | undefined): string {
  try {
    const { dev, ino } = fs.statSync(file ?? '');
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}

export type { HeldPorts };

module.exports = { HeldPorts };
