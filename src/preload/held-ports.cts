/**
 * Makes connections wait during a restart instead of being refused: duplicates of the sockets that the program listens
 * on wait in slots, open in no process, until the next run listens. Also stops accepting when devwatch announces the
 * end of this run, and sends itself the stop signal when the requests in flight have been answered.
 */

import type { Address, addressOf as AddressOf, isBlocked as IsBlocked, ListenArgs } from './addresses.cts';
import type { isInspected as IsInspected } from './debugger.cts';
import type { takeSignal as TakeSignal } from './emulated-signals.cts';
import type { listenLate as ListenLate, listenWhenVacated as ListenWhenVacated } from './late-handle.cts';
import type { receiveMessages as ReceiveMessages } from './messages.cts';
import type { describeOpenWork as DescribeOpenWork } from './open-work.cts';
import type { findOwnThread as FindOwnThread } from './own-thread.cts';
import type { ActivatedSocket, Channel, Drain, HeldSocket, HoldOrders } from './protocol.ts' with {
  'resolution-mode': 'import',
};
import type { factsOf as FactsOf, nameOf as NameOf, rememberName as RememberName } from './server-facts.cts';
import type { Slots as SlotsClass } from './slots.cts';
import type { Traffic as TrafficClass } from './traffic.cts';
import type { UnclaimedSockets as UnclaimedSocketsClass } from './unclaimed-sockets.cts';
import type {
  closeKeepingFile as CloseKeepingFile,
  fileIdentityOf as FileIdentityOf,
  removeFile as RemoveFile,
} from './unix-socket-files.cts';

const net = require('node:net') as NetInternals & typeof import('node:net');
const { Traffic } = require('./traffic.cjs') as { Traffic: typeof TrafficClass };
const { UnclaimedSockets } = require('./unclaimed-sockets.cjs') as { UnclaimedSockets: typeof UnclaimedSocketsClass };
const { addressOf, isBlocked } = require('./addresses.cjs') as {
  addressOf: typeof AddressOf;
  isBlocked: typeof IsBlocked;
};
const { isInspected } = require('./debugger.cjs') as { isInspected: typeof IsInspected };
const { Slots } = require('./slots.cjs') as { Slots: typeof SlotsClass };
const { listenLate, listenWhenVacated } = require('./late-handle.cjs') as {
  listenLate: typeof ListenLate;
  listenWhenVacated: typeof ListenWhenVacated;
};
const { receiveMessages } = require('./messages.cjs') as { receiveMessages: typeof ReceiveMessages };
const { findOwnThread } = require('./own-thread.cjs') as { findOwnThread: typeof FindOwnThread };
const { factsOf, nameOf, rememberName } = require('./server-facts.cjs') as {
  factsOf: typeof FactsOf;
  nameOf: typeof NameOf;
  rememberName: typeof RememberName;
};
const { closeKeepingFile, fileIdentityOf, removeFile } = require('./unix-socket-files.cjs') as {
  closeKeepingFile: typeof CloseKeepingFile;
  fileIdentityOf: typeof FileIdentityOf;
  removeFile: typeof RemoveFile;
};

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

type Listen = (this: ListeningServer, ...args: ListenArgs) => void;

interface NetInternals {
  readonly Server: { readonly prototype: { _listen2: Listen } };
  /** `cluster` uses it as well. */
  _createServerHandle(address: null, port: null, addressType: null, fd: number): Handle | number;
}

/** A socket on which the program listens. */
interface TrackedSocket {
  readonly id: string;
  /** The path of a Unix socket. */
  readonly file: string | undefined;
  /** The slot with its duplicates. */
  readonly slot: number | undefined;
  /** A duplicate takes the connections when the program stops accepting. */
  readonly isKept: boolean;
  /** This process has created the file, so that libuv removes it with the socket. */
  readonly hasOwnFile: boolean;
}

/** A message of devwatch. */
interface Orders {
  readonly ping?: number;
  readonly drain?: Drain;
  readonly asksForOpenWork?: true;
  /** Stands for a signal of this name, on systems without signals. */
  readonly signal?: NodeJS.Signals;
}

/** The longest interval that Node can time. */
const maxTimerMs = 2 ** 31 - 1;

class HeldPorts {
  readonly #channel: Channel;
  readonly #orders: HoldOrders;
  /** Taken before the program can replace it. */
  readonly #kill = process.kill;
  /** Stops accepting, for each socket that the program listens on and devwatch holds. */
  readonly #live = new Set<() => void>();
  /** The handles of servers that the program has not closed, with their ports. */
  readonly #open = new Map<Handle, number | undefined>();
  /** The number of timers that keep the program alive in place of sockets. */
  #keptAlive = 0;
  /** Undefined while the program has no server. */
  #traffic: TrafficClass | undefined;
  readonly #slots: SlotsClass;
  readonly #unclaimed: UnclaimedSocketsClass;
  #activated: readonly ActivatedSocket[];
  /** Undefined until it is needed: a program that does not listen gets no further handle. */
  #canReceive: boolean | undefined;
  #isDraining = false;
  #serial = 0;

  constructor(orders: HoldOrders, channel: Channel) {
    this.#orders = orders;
    this.#channel = channel;
    this.#activated = orders.activated;
    this.#slots = new Slots(orders.slots);
    this.#unclaimed = new UnclaimedSockets({
      refusesConnections: orders.refusesConnections,
      close: ({ slot, id }) => {
        this.#slots.empty(slot);
        channel.send({ type: 'unclaimed', id });
      },
    });
    const { prototype } = net.Server;
    prototype._listen2 = new Proxy(prototype._listen2, { apply: this.#listen });
    if (orders.isPinged || orders.isAsked) this.#canReceiveMessages();
  }

  /** Does in advance what a start with sockets of the run before needs. */
  warmUp(): void {
    this.#unclaimed.warmUp();
  }

  /** @param held the sockets of the run before, if they were not known when this process was started */
  onBegin(held: readonly HeldSocket[] = this.#orders.held): void {
    for (const { slot } of held) this.#slots.claim(slot);
    this.#unclaimed.begin(held);
  }

  /** Runs in place of `_listen2`. The proxy calls it directly: another function would be seen in stack traces. */
  readonly #listen = (listen: Listen, server: ListeningServer, args: ListenArgs): void => {
    // The program brings its own socket.
    if (server._handle || typeof args[4] === 'number') {
      Reflect.apply(listen, server, args);
      return;
    }
    const address = addressOf(args);
    const held = this.#unclaimed.claim(address);
    if (held !== undefined) {
      this.#listenLate(listen, server, args, held);
      return;
    }
    const activated = this.#claimActivated(address);
    if (activated === undefined) {
      if (this.#listenBeside(listen, server, args, address)) return;
    } else server._handle = handleOf(activated);
    Reflect.apply(listen, server, args);
    const handle = server._handle as Handle | null | undefined;
    if (handle === null || handle === undefined) this.#reportAddressInUse(server);
    else this.#onListening(server, handle, address, activated);
  };

  /** Listens on a socket of the run before. */
  #listenLate(listen: Listen, server: ListeningServer, args: ListenArgs, held: HeldSocket): void {
    listenLate(server, () => Reflect.apply(listen, server, args), held.name, {
      take: (onTaken) => this.#slots.take(held.slot, onTaken),
      onListening: (handle) => this.#onListening(server, handle, addressOf(args), held),
      // The run before was killed before it could send the socket.
      onMissing: () => {
        this.#unclaimed.release(held);
        this.#listen(listen, server, args);
      },
      onClosed: () => this.#onUnused(held, args),
    });
    if (held.connectionKey !== undefined) server._connectionKey = held.connectionKey;
  }

  /** The program has closed a server at once: on a port it may only have asked whether that is free. */
  #onUnused(held: HeldSocket, args: ListenArgs): void {
    const { file } = addressOf(args);
    if (file === undefined) {
      this.#unclaimed.putBack(held);
    } else {
      removeFile(file);
      this.#unclaimed.release(held);
    }
  }

  /** Returns a socket by port or path alone: whatever address it has, no other socket could be bound there. */
  #claimActivated({ file, port }: Address): ActivatedSocket | undefined {
    const activated = this.#activated.find((one) =>
      one.path === undefined ? one.port === port : one.path === fileIdentityOf(file),
    );
    this.#activated = this.#activated.filter((one) => one !== activated);
    return activated;
  }

  /** Listens at an address that sockets of the run before block. Returns false if Node itself can listen there. */
  #listenBeside(listen: Listen, server: ListeningServer, args: ListenArgs, address: Address): boolean {
    const { port, host = '::' } = address;
    const vacate = (): void => this.#unclaimed.releaseRivals(address);
    const isUnix = address.file !== undefined;
    if (!this.#unclaimed.hasRivals(address) || (!isUnix && !isBlocked(args))) return false;
    const again = (): void => Reflect.apply(listen, server, args);
    // Its own connections have to reach the new server at once.
    const settle =
      isUnix || !this.#orders.refusesConnections
        ? undefined
        : listenWhenVacated(server, again, [host, port, args[5] ?? 0], {
            vacate,
            onListening: (handle) => this.#onListening(server, handle, address),
            onTaken: () => this.#listen(listen, server, args),
          });
    if (settle === undefined) vacate();
    else this.#unclaimed.onConnect(port, settle);
    if (settle !== undefined && args[0] === null) server._connectionKey = `6::::${port}`;
    return settle !== undefined;
  }

  /** A program that handles the error may exit by itself, with any code (Express 5 does). Only watches the error. */
  #reportAddressInUse(server: Server): void {
    const { errorMonitor } = require('node:events') as typeof import('node:events');
    server.once(errorMonitor as unknown as 'error', ({ code, port }: NodeJS.ErrnoException & { port?: number }) => {
      if (code !== 'EADDRINUSE' || port === undefined) return;
      this.#channel.send({ type: 'address-in-use', port, isHandled: true });
    });
  }

  /** Reports that the program listens. Sends duplicates of a new socket into a slot. */
  #onListening(server: ListeningServer, handle: Handle, address: Address, source?: HeldSocket | ActivatedSocket): void {
    const { file, key, host, canBeHeld } = address;
    this.#serial += 1;
    const id = source?.id ?? `${process.pid}.${this.#serial}`;
    const name = nameOf(handle);
    this.#open.set(handle, name?.port);
    const canKeep = this.#canReceiveMessages() && this.#orders.keeps && canBeHeld;
    if (canKeep) this.#traffic ??= new Traffic();
    if (source === undefined) {
      const slot = canKeep ? this.#slots.reserve() : undefined;
      if (slot !== undefined) {
        const path = file === undefined ? undefined : fileIdentityOf(file);
        const socket = { id, key, slot, connectionKey: server._connectionKey, path, name };
        // First the report: a socket that only a killed run knows of would keep the port for ever.
        this.#channel.send({ type: 'holds', socket });
        this.#slots.fill(slot, handle);
      }
      this.#track(handle, { id, file, slot, isKept: slot !== undefined, hasOwnFile: true });
    } else if ('slot' in source) {
      this.#track(handle, { id, file, slot: source.slot, isKept: true, hasOwnFile: false });
    } else {
      this.#track(handle, { id, file: undefined, slot: undefined, isKept: canKeep, hasOwnFile: false });
    }
    this.#channel.send({ type: 'listens', id, key, path: file, host, ...factsOf(server, name?.port) });
    this.#unclaimed.onListening();
  }

  /** Tracks the socket of a server. When the program closes it, its port is free at once, as without devwatch. */
  #track(handle: Handle, { id, file, slot, isKept, hasOwnFile }: TrackedSocket): void {
    const close = handle.close.bind(handle);
    let keepAlive: NodeJS.Timeout | undefined;
    /** Closes the socket without the program noticing: its duplicates take the connections from here on. */
    const endAccepting = (): void => {
      rememberName(handle);
      // A server that listens keeps the program alive until the program closes it.
      if (handle.hasRef()) {
        keepAlive = setInterval(() => {}, maxTimerMs);
        this.#keptAlive += 1;
      }
      if (file !== undefined && hasOwnFile) closeKeepingFile(file, close);
      else close();
    };
    if (isKept) this.#live.add(endAccepting);
    handle.close = (done) => {
      Reflect.deleteProperty(handle, 'close');
      this.#live.delete(endAccepting);
      this.#open.delete(handle);
      if (keepAlive !== undefined) this.#keptAlive -= 1;
      clearInterval(keepAlive);
      if (!this.#isDraining) {
        if (slot !== undefined) this.#slots.empty(slot);
        if (file !== undefined && !hasOwnFile) removeFile(file);
        this.#channel.send({ type: 'closes', id });
      }
      close(done);
    };
    // The drain began while the socket was on its way.
    if (isKept && this.#isDraining) endAccepting();
  }

  #canReceiveMessages(): boolean {
    if (this.#canReceive === undefined) {
      // Where there are no signals, there is no guardian either.
      const onEnd = this.#orders.isAsked ? () => this.#endWithDevwatch() : undefined;
      this.#canReceive = receiveMessages(this.#orders.descriptor, (message) => this.#onMessage(message), onEnd);
      if (!this.#canReceive) this.#channel.send({ type: 'deaf' });
    }
    return this.#canReceive;
  }

  #endWithDevwatch(): void {
    Reflect.apply(this.#kill, process, [process.pid, 'SIGKILL']);
  }

  #onMessage({ ping, drain, asksForOpenWork, signal }: Orders): void {
    if (ping !== undefined) this.#channel.send({ type: 'pong', ping });
    if (drain !== undefined) this.#drain(drain);
    if (signal !== undefined) {
      (require('./emulated-signals.cjs') as { takeSignal: typeof TakeSignal }).takeSignal(signal, this.#kill);
    }
    if (asksForOpenWork === undefined) return;
    const { describeOpenWork } = require('./open-work.cjs') as { describeOpenWork: typeof DescribeOpenWork };
    this.#channel.send({ type: 'open-work', work: describeOpenWork([...this.#open.values()], this.#keptAlive) });
  }

  #drain({ until, signal }: Drain): void {
    if (!this.#isDraining) for (const endAccepting of this.#live) endAccepting();
    this.#isDraining = true;
    this.#traffic ??= new Traffic();
    this.#traffic.drain(until, (isInTime) => {
      // After the deadline devwatch sends the signal; the program must not receive it twice.
      const target = isInTime && signal !== undefined ? this.#targetOf(signal) : undefined;
      this.#channel.send({ type: 'drained', signalsItself: target !== undefined });
      if (target !== undefined) Reflect.apply(this.#kill, process, [target, signal]);
    });
  }

  /** Returns the number to which this process can send itself the signal, as if devwatch had sent it; undefined if there is none. */
  #targetOf(signal: NodeJS.Signals): number | undefined {
    if (isInspected()) return undefined;
    return process.listenerCount(signal) > 0 ? process.pid : findOwnThread(this.#kill);
  }
}

function handleOf({ descriptor }: ActivatedSocket): Handle | null {
  const handle = net._createServerHandle(null, null, null, descriptor);
  return typeof handle === 'number' ? null : handle;
}

export type { HeldPorts };

module.exports = { HeldPorts };
