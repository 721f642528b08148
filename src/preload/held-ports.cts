/**
 * Keeps connections waiting through a restart, instead of being refused: devwatch gets a duplicate of
 * every socket that the program listens on, on which it never accepts, and the next run inherits it.
 * Also stops accepting when devwatch says that this run is about to end, and tells when what is under
 * way has been answered.
 *
 * Everything goes past Node's IPC, so that `process.send`, `connected` and `channel` are what they are
 * without devwatch. Descriptors can be sent through a pipe of Node's own kind only, which `process.binding`
 * makes; where that is forbidden (`--permission`), ports are not held.
 */

const { reach } = require('./node-bindings.cjs') as Reach;

type Reach = { reach<Binding, Parts>(pick: (binding: Binding) => Parts): Parts | undefined };
type HoldOrders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).HoldOrders;
type Drain = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).Drain;
type HeldSocket = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).HeldSocket;
type Server = import('node:net').Server;
type Socket = import('node:net').Socket;
type ServerResponse = import('node:http').ServerResponse;

/** libuv's handle below a server. */
interface Handle {
  close(done?: () => void): void;
  hasRef(): boolean;
  getsockname?(into: object): number;
}

interface Listening extends Server {
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

interface NetInternals {
  readonly Server: { readonly prototype: { _listen2(this: Listening, ...args: ListenArguments): void } };
  /** Cluster uses it, too. */
  _createServerHandle(address: null, port: null, addressType: null, fd: number): Handle | number;
}

/** What the preload has for us. */
interface Links {
  say(message: object): void;
  /** Says something, and waits for the answer. */
  ask(message: object): unknown;
}

/** Sends a message of ours to devwatch, perhaps with a handle of which devwatch gets a duplicate. */
type Send = (message: object, handle: Handle) => void;

/** Where a Unix socket is. libuv removes the file of one that it made itself, when it closes the socket. */
interface Place {
  readonly file: string;
  readonly isInherited: boolean;
}

interface Kept {
  readonly place: Place | undefined;
  /** The service manager listens on, whatever the program does. */
  readonly isHanded: boolean;
}

interface Live {
  readonly id: string;
  /** No connection is accepted any more, which the program does not notice. */
  readonly endAccepting: () => void;
}

/** A new server appears this long after the one before, in ms; what is not listened on again by then is let go. */
const servesComplete = 500;
/** A program that listens on nothing any more, in ms. */
const longestStart = 30_000;
/**
 * A connection may be about to bring a request for so long after it was made, or after its last answer, in
 * ms: on a busy machine clients were seen to take 60.
 */
const freshness = 100;
/** The longest that Node knows, in ms. */
const longestTimer = 2 ** 31 - 1;
/** Between two looks at what is under way, in ms. */
const drainLook = 3;

function holdPorts({ descriptor, keeps, isPinged, held }: HoldOrders, { say, ask }: Links): { onBegin(): void } {
  const net = require('node:net') as NetInternals & typeof import('node:net');
  let sender: { readonly send: Send | undefined } | undefined;
  const live = new Set<Live>();
  const { kill } = process;
  const traffic = watchTraffic();
  let handed = held.filter(({ isHanded }) => isHanded);
  let unclaimed = held.filter(({ isHanded }) => !isHanded);
  let draining = false;
  let drainUntil = 0;
  let serial = 0;
  let cancelLetGo = (): void => {};

  const { prototype } = net.Server;
  prototype._listen2 = new Proxy(prototype._listen2, {
    apply(listen, server: Listening, args: ListenArguments) {
      const [address, port, addressType, , fd, flags = 0] = args;
      if (server._handle || typeof fd === 'number') return Reflect.apply(listen, server, args);
      const isOurs = flags <= 1;
      const key = `${addressType} ${address} ${port} ${flags}`;
      const inherited = (isOurs ? claim(key, address) : undefined) ?? claimHanded(port, address);
      if (inherited !== undefined) server._handle = handleOf(inherited);
      else makeRoom(port, address);
      Reflect.apply(listen, server, args);
      const handle = server._handle;
      if (handle === null || handle === undefined) tellOfTaken(server);
      if (!isOurs || handle === null || handle === undefined) return undefined;
      if (inherited?.connectionKey !== undefined) server._connectionKey = inherited.connectionKey;
      serial += 1;
      const id = inherited?.id ?? `${process.pid}.${serial}`;
      // Opened when there is something to send: a program that does not listen has no handle more.
      const send = keeps ? openSenderOnce() : undefined;
      if (send !== undefined) {
        const path = addressType === -1 ? stampOf(address) : undefined;
        const file = addressType === -1 && address !== null ? address : undefined;
        const isHanded = inherited?.isHanded === true;
        const place = file === undefined || isHanded ? undefined : { file, isInherited: inherited !== undefined };
        keep(id, handle, { place, isHanded });
        traffic.begin();
        const socket = { id, key, connectionKey: server._connectionKey, path, port: portOf(handle) };
        if (inherited === undefined) send({ hold: socket }, handle);
      }
      say({ type: 'listens', id, port: portOf(handle), ...(addressType === -1 && { path: address }) });
      letGoIn(servesComplete);
      return undefined;
    },
  });

  /** A program that handles the error may end by itself, with any code (Express 5 does). It is not handled by this. */
  function tellOfTaken(server: Server): void {
    const { errorMonitor } = require('node:events') as typeof import('node:events');
    server.once(errorMonitor as unknown as 'error', (error: Partial<NodeJS.ErrnoException & { port: number }>) => {
      if (error.code === 'EADDRINUSE') say({ type: 'address-in-use', port: error.port, isHandled: true });
    });
  }

  function openSenderOnce(): Send | undefined {
    if (sender === undefined) {
      sender = { send: openSender(descriptor, hear) };
      if (sender.send === undefined) say({ type: 'deaf' });
    }
    return sender.send;
  }

  /** The socket of the run before, for the same address. */
  function claim(key: string, address: string | null): HeldSocket | undefined {
    const found = unclaimed.find((one) => one.key === key && (one.path === undefined || one.path === stampOf(address)));
    unclaimed = unclaimed.filter((one) => one !== found);
    return found;
  }

  /** By its port or path alone: whatever address it has, nobody else could listen there. */
  function claimHanded(port: number, address: string | null): HeldSocket | undefined {
    const found = handed.find((one) =>
      one.path === undefined ? one.port === port : address !== null && one.path === stampOf(address),
    );
    handed = handed.filter((one) => one !== found);
    return found;
  }

  function handleOf({ descriptor: inherited }: HeldSocket): Handle | null {
    const handle = net._createServerHandle(null, null, null, inherited);
    return typeof handle === 'number' ? null : handle;
  }

  /** What stands for this port under another address would be in the way. */
  function makeRoom(port: number, address: string | null): void {
    for (const one of unclaimed) {
      if (one.port === undefined ? one.key.split(' ')[1] === address : one.port === port) letGo(one, ask);
    }
  }

  function keep(id: string, handle: Handle, { place, isHanded }: Kept): void {
    const close = handle.close.bind(handle);
    let keepsAlive: NodeJS.Timeout | undefined;
    const one: Live = {
      id,
      endAccepting() {
        rememberAddress(handle);
        // A server that listens keeps the program alive until it is closed.
        if (handle.hasRef()) keepsAlive = setInterval(() => {}, longestTimer);
        if (place === undefined || place.isInherited) close();
        else keepFile(place.file, close);
      },
    };
    live.add(one);
    // When the program closes it, the port is free at once, as it is without devwatch.
    handle.close = (done) => {
      Reflect.deleteProperty(handle, 'close');
      live.delete(one);
      clearInterval(keepsAlive);
      if (!draining && !isHanded) {
        ask({ type: 'unhold', id });
        if (place?.isInherited === true) removeFile(place.file);
      }
      close(done);
    };
  }

  function letGo(one: HeldSocket, tell: (message: object) => unknown): void {
    unclaimed = unclaimed.filter((other) => other !== one);
    (require('node:fs') as typeof import('node:fs')).closeSync(one.descriptor);
    tell({ type: tell === ask ? 'unhold' : 'unclaimed', id: one.id });
  }

  function letGoIn(ms: number): void {
    cancelLetGo();
    if (unclaimed.length === 0) return;
    const timer = setTimeout(() => {
      for (const one of unclaimed) letGo(one, say);
    }, ms).unref();
    cancelLetGo = () => clearTimeout(timer);
  }

  /** What devwatch says. */
  function hear(message: { drain?: Drain; ping?: number }): void {
    if (message.ping !== undefined) say({ type: 'pong', ping: message.ping });
    if (message.drain !== undefined) drain(message.drain);
  }

  function drain({ until, signal }: Drain): void {
    drainUntil = until;
    if (draining) return;
    draining = true;
    for (const { endAccepting } of live) endAccepting();
    traffic.drain();
    const look = (): void => {
      const isInTime = milliseconds() < drainUntil;
      if (isInTime && traffic.isUnderWay()) {
        setTimeout(look, drainLook);
        return;
      }
      // Later devwatch asks, which must not be done twice.
      const asksItself = isInTime && signal !== undefined;
      say({ type: 'drained', asked: asksItself });
      if (asksItself) Reflect.apply(kill, process, [process.pid, signal]);
    };
    look();
  }

  if (isPinged) openSenderOnce();
  return { onBegin: () => letGoIn(longestStart) };
}

/** The origin means nothing. Node loads nine modules for `performance`, as a program is being asked to end. */
function milliseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

function removeFile(file: string): void {
  try {
    (require('node:fs') as typeof import('node:fs')).unlinkSync(file);
  } catch {
    // It is removed already, or abstract.
  }
}

/** Closes a socket without its file, for it is still listened on. */
function keepFile(file: string, close: () => void): void {
  const { linkSync, renameSync } = require('node:fs') as typeof import('node:fs');
  const aside = `${file}.${process.pid}`;
  try {
    linkSync(file, aside);
  } catch {
    close(); // It has none: it is removed already, or abstract.
    return;
  }
  close();
  renameSync(aside, file);
}

/** The program may ask a server for its address while it ends. */
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

/** Tells one file from a later one with the same name. */
function stampOf(file: string | null): string {
  try {
    const { dev, ino } = (require('node:fs') as typeof import('node:fs')).statSync(file ?? '');
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}

/** Which requests are being answered, and which connections may bring one at any moment. */
function watchTraffic() {
  const diagnostics = require('node:diagnostics_channel') as typeof import('node:diagnostics_channel');
  const answering = new Set<ServerResponse>();
  /** When the connection was made or its last answer was given. */
  const fresh = new Map<Socket, number>();
  let begun = false;
  let draining = false;
  let tidiedAt = 0;

  function refresh(socket: Socket): void {
    const now = milliseconds();
    // Of thousands of connections, to look at all takes as long as the answer.
    if (fresh.size > 256 && now - tidiedAt > freshness) {
      tidiedAt = now;
      for (const [other, at] of fresh) if (now - at > freshness || other.destroyed) fresh.delete(other);
      for (const response of answering) if (response.destroyed) answering.delete(response);
    }
    fresh.set(socket, now);
  }

  /** The client is to make another connection for what it wants next. */
  function closeAfter(response: ServerResponse): void {
    if (!response.headersSent) response.shouldKeepAlive = false;
  }

  return {
    /** Called when there is a server. */
    begin(): void {
      if (begun) return;
      begun = true;
      diagnostics.subscribe('net.server.socket', (message) => refresh((message as { socket: Socket }).socket));
      diagnostics.subscribe('http.server.request.start', (message) => {
        const { response, socket } = message as { response: ServerResponse; socket: Socket };
        answering.add(response);
        fresh.delete(socket);
        if (draining) closeAfter(response);
      });
      diagnostics.subscribe('http.server.response.finish', (message) => {
        const { response, socket } = message as { response: ServerResponse; socket: Socket };
        answering.delete(response);
        refresh(socket);
      });
    },
    drain(): void {
      draining = true;
      for (const response of answering) closeAfter(response);
    },
    isUnderWay(): boolean {
      const now = milliseconds();
      for (const response of answering) if (!response.destroyed) return true;
      for (const [socket, at] of fresh) if (!socket.destroyed && now - at < freshness) return true;
      return false;
    },
  };
}

/** Undefined where there is no way. */
function openSender(descriptor: number | undefined, hear: (message: object) => void): Send | undefined {
  return descriptor === undefined ? openIpc(hear) : openPipe(descriptor, hear);
}

/** The program has an IPC channel of its own, on which Node hides messages whose `cmd` begins so. */
const command = 'NODE_DEVWATCH';

function openIpc(hear: (message: object) => void): Send | undefined {
  const { send } = process;
  if (send === undefined) return undefined;
  (process as NodeJS.EventEmitter).on('internalMessage', (message: { cmd?: string }) => {
    if (message.cmd === command) hear(message);
  });
  return (message, handle) => {
    Reflect.apply(send, process, [{ cmd: command, ...message }, handle, { keepOpen: true }, () => {}]);
  };
}

interface Bindings {
  (name: 'pipe_wrap'): { Pipe: new (kind: number) => PipeHandle; constants: { IPC: number } };
  (name: 'stream_wrap'): { WriteWrap: new () => object };
}

interface PipeHandle extends Handle {
  open(descriptor: number): number;
  writeUtf8String(request: object, text: string, handle: Handle): number;
}

function openPipe(descriptor: number, hear: (message: object) => void): Send | undefined {
  const net = require('node:net') as typeof import('node:net');
  const parts = reach((binding: Bindings) => {
    const { Pipe, constants } = binding('pipe_wrap');
    return { pipe: new Pipe(constants.IPC), WriteWrap: binding('stream_wrap').WriteWrap };
  });
  if (parts === undefined || parts.pipe.open(descriptor) !== 0) return undefined;
  const { pipe, WriteWrap } = parts;
  const socket = new net.Socket({ handle: pipe, readable: true, writable: true } as object);
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) hear(JSON.parse(line) as object);
  });
  socket.unref();
  return (message, handle) => {
    // As Node's own IPC does it: the parent unwraps it.
    const envelope = { cmd: 'NODE_HANDLE', type: 'net.Native', msg: { cmd: command, ...message } };
    const request = Object.assign(new WriteWrap(), { oncomplete() {}, handle });
    pipe.writeUtf8String(request, `${JSON.stringify(envelope)}\n`, handle);
  };
}

module.exports = { holdPorts };
