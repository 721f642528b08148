/** The program's listening sockets that outlive its runs. The program's side: preload/held-ports.cts. */

import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { HeldSocket } from '../../preload/protocol.ts';
import { throughShell } from '../tree/containment.ts';
import type { Invocation } from '../tree/tree.ts';

/** Description of a socket; a program sends it together with the handle. */
type SocketInfo = Omit<HeldSocket, 'descriptor'>;

/** The raw handle that Node's IPC delivers. devwatch never accepts on it. */
interface NativeHandle {
  readonly fd: number;
  close(): void;
}

/** A listening socket that devwatch holds open for the next run. */
export interface HeldPort {
  readonly socket: SocketInfo;
  /** The descriptor in this process. */
  readonly descriptor: number;
  /** Name that the service manager gave to the socket. */
  readonly name?: string | undefined;
}

/** A socket that a program handed over. */
interface ReceivedPort extends HeldPort {
  readonly handle: NativeHandle;
  /** Number of consecutive runs that ended by themselves without listening on the socket. */
  unusedRuns: number;
}

/** The id of the socket that devwatch opened itself (`--hold=<port>`). */
export const openedId = 'port';

/** A port is kept for one run that never listens on it (the save may contain a typo), and closed after the second. */
const maxUnusedRuns = 2;

/** The command in our messages on Node's IPC. Node never shows programs a message whose `cmd` begins with `NODE_`. */
export const ipcCommand = 'NODE_DEVWATCH';

export class HeldPorts {
  /** Sockets opened by a service manager (systemd/socket-activation.ts), which are never closed. */
  readonly activated: readonly HeldPort[];
  readonly #onChange: () => Promise<void>;
  readonly #received = new Map<string, ReceivedPort>();
  /** For each socket the time from the first server of a run to the one on it, in ms. */
  readonly #lags = new Map<string, number>();
  /** Ids of sockets whose handle has arrived, until the program releases them. */
  readonly #arrived = new Set<string>();
  /** Sockets that a program released before their handle arrived. */
  readonly #earlyReleases = new Map<string, { readonly child: ChildProcess; readonly onClosed: () => void }>();

  /** @param onChange ends the processes that have inherited other sockets than `all` */
  constructor(onChange: () => Promise<void>, activated: readonly HeldPort[] = []) {
    this.#onChange = onChange;
    this.activated = activated;
  }

  /** All sockets that a process started now inherits. */
  get all(): readonly HeldPort[] {
    const received = [...this.#received.values()].map((port) => {
      const lagMs = this.#lags.get(port.socket.id);
      return { ...port, socket: { ...port.socket, lagMs } };
    });
    return [...this.activated, ...received];
  }

  /** Notes how long after the first server of its run the one on this socket has begun to listen. */
  noteLag(id: string, lagMs: number): void {
    this.#lags.set(id, lagMs);
  }

  /** Receives the sockets that a process hands over through its IPC channel. */
  receiveFrom(child: ChildProcess): void {
    const emitter: NodeJS.EventEmitter = child;
    emitter.on('internalMessage', ({ cmd, hold }: { cmd?: string; hold?: SocketInfo }, handle?: NativeHandle) => {
      if (cmd === ipcCommand && hold !== undefined && handle !== undefined) this.#receive(hold, handle);
    });
    // Handles of a process that has exited no longer arrive.
    child.once('close', () => {
      for (const release of this.#earlyReleases.values()) if (release.child === child) release.onClosed();
    });
  }

  /**
   * Closes a socket that the process no longer uses. Resolves when no duplicate of it is left, which takes 10 ms with a
   * standby. Until then the kernel accepts connections on it, and resets them when the process closes its own one.
   */
  async release(id: string, child: ChildProcess): Promise<void> {
    if (this.#arrived.delete(id)) this.#close(({ socket }) => socket.id === id);
    else await new Promise<void>((onClosed) => this.#earlyReleases.set(id, { child, onClosed }));
    this.#earlyReleases.delete(id);
    await this.#onChange();
  }

  /**
   * A run that has listened on these sockets ended by itself. A socket that two such runs in a row have not listened
   * on is closed: a part of the program that inherits nothing (a worker thread, a child process) may need the port.
   */
  runEnded(listened: ReadonlySet<string>): void {
    for (const [id, port] of this.#received) port.unusedRuns = listened.has(id) ? 0 : port.unusedRuns + 1;
    this.#close(({ socket, unusedRuns }) => socket.id !== openedId && unusedRuns >= maxUnusedRuns);
  }

  /** Closes the sockets on this port that the run has not listened on; returns whether there were any. */
  closeUnused(port: number, listened: ReadonlySet<string>): boolean {
    return this.#close(({ socket: { id, port: own } }) => id !== openedId && own === port && !listened.has(id));
  }

  /** Closes all sockets that programs handed over. */
  closeReceived(): void {
    this.#close(({ socket }) => socket.id !== openedId);
  }

  /** Closes all sockets, including the one that devwatch opened. */
  close(): void {
    this.#close(() => true);
  }

  #receive(socket: SocketInfo, handle: NativeHandle): void {
    const { id } = socket;
    const release = this.#earlyReleases.get(id);
    if (release !== undefined) {
      handle.close();
      release.onClosed();
      return;
    }
    this.#arrived.add(id);
    this.#received.set(id, { socket, descriptor: handle.fd, handle, unusedRuns: 0 });
    void this.#onChange();
  }

  #close(fits: (port: ReceivedPort) => boolean): boolean {
    const ports = [...this.#received.values()].filter(fits);
    for (const { socket, handle } of ports) {
      this.#received.delete(socket.id);
      this.#lags.delete(socket.id);
      handle.close();
    }
    if (ports.length > 0) void this.#onChange();
    return ports.length > 0;
  }
}

/**
 * A program that listens, hands the socket over and exits. A process of its own, because libuv accepts
 * connections in the process that begins to listen.
 */
const opener = (port: number): string => `
  const server = require('node:net').createServer().listen(${port});
  server.on('error', ({ message }) => process.send({ error: message }, () => process.disconnect()));
  server.on('listening', () => {
    const hold = { id: '${openedId}', key: '', port: server.address().port };
    process.send({ cmd: '${ipcCommand}', hold }, server._handle, { keepOpen: true }, () => {
      server.close();
      process.disconnect();
    });
  });
`;

/** Opens a port on all addresses and holds it; returns the reason if that fails. */
export async function openPort(port: number, heldPorts: HeldPorts): Promise<string | undefined> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', 'ipc'];
  const child = spawn(process.execPath, ['-e', opener(port)], { stdio, env: {} });
  let problem: string | undefined;
  child.on('message', (message: { error?: string }) => {
    problem = message.error;
  });
  heldPorts.receiveFrom(child);
  await once(child, 'close');
  return problem;
}

/** Adds the variables of a program that takes its sockets from descriptor 3 on; a shell knows the program's own pid. */
export function withSockets(invocation: Invocation, sockets: readonly HeldPort[]): Invocation {
  const names = sockets.map(({ name }) => name ?? 'devwatch').join(':');
  const env = { ...invocation.env, LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: names };
  return throughShell('export LISTEN_PID=$$', '', { ...invocation, env });
}

/**
 * Makes sockets blocking again. Programs expect blocking ones from systemd; libuv, or an earlier program, has made these
 * non-blocking. libuv resets descriptors 0 to 2 of a new process, and so for every process that shares them (1.5 ms).
 */
export function makeBlocking(sockets: readonly HeldPort[]): void {
  const descriptors = sockets.map(({ descriptor }) => descriptor);
  for (let index = 0; index < descriptors.length; index += 3) {
    spawnSync('/bin/sh', ['-c', ':'], { env: {}, stdio: descriptors.slice(index, index + 3) });
  }
}
