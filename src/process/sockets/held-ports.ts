/** The program's listening sockets that outlive its runs. The program's side: preload/held-ports.cts. */

import type { ChildProcess } from 'node:child_process';
import type { HeldSocket } from '../../preload/orders.ts';

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

/** The id of the socket that devwatch opened itself (`--hold=<port>`). */
export const openedId = 'port';

/** A port is kept for one run that never listens on it (the save may contain a typo), and closed after the second. */
const maxUnusedRuns = 2;

/** The command in our messages on Node's IPC. Node never shows programs a message whose `cmd` begins with `NODE_`. */
export const ipcCommand = 'NODE_DEVWATCH';

interface Entry {
  readonly socket: SocketInfo;
  readonly handle: NativeHandle;
  /** Number of consecutive runs that ended by themselves without listening on the socket. */
  unusedRuns: number;
}

export class HeldPorts {
  /** Sockets opened by a service manager (systemd/sockets.ts), which are never closed. */
  readonly activated: readonly HeldPort[];
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  /** Ids of sockets whose handle has arrived, until the program releases them. */
  readonly #arrived = new Set<string>();
  /** Sockets that a program released before their handle arrived. */
  readonly #earlyReleases = new Map<string, { readonly child: ChildProcess; readonly onClosed: () => void }>();

  /** @param onChange called when a socket was added or closed */
  constructor(onChange: () => void, activated: readonly HeldPort[] = []) {
    this.#onChange = onChange;
    this.activated = activated;
  }

  /** All sockets that a process started now inherits. */
  get all(): readonly HeldPort[] {
    const received = [...this.#entries.values()];
    return [...this.activated, ...received.map(({ socket, handle }) => ({ socket, descriptor: handle.fd }))];
  }

  /** Receives the sockets that a process hands over through its IPC channel. */
  receiveFrom(child: ChildProcess): void {
    const emitter: NodeJS.EventEmitter = child;
    emitter.on('internalMessage', (message: { cmd?: string; hold?: SocketInfo }, handle: NativeHandle | undefined) => {
      if (message.cmd === ipcCommand && message.hold !== undefined && handle !== undefined) {
        this.#receive(message.hold, handle);
      }
    });
    // Handles of a process that has exited no longer arrive.
    child.once('close', () => {
      for (const [id, release] of this.#earlyReleases) if (release.child === child) this.#completeRelease(id);
    });
  }

  /** Closes a socket that the process no longer uses. Resolves once the handle has arrived and is closed. */
  release(id: string, child: ChildProcess): Promise<void> {
    if (!this.#arrived.delete(id)) {
      return new Promise((onClosed) => this.#earlyReleases.set(id, { child, onClosed }));
    }
    this.#close(id);
    return Promise.resolve();
  }

  /**
   * A run ended by itself. A socket that two such runs in a row have not listened on is closed: a part of
   * the program that inherits nothing (a worker thread, a child process) may need the port.
   *
   * @param listened ids of the sockets that the run has listened on
   */
  runEnded(listened: ReadonlySet<string>): void {
    for (const [id, entry] of [...this.#entries]) {
      entry.unusedRuns = listened.has(id) ? 0 : entry.unusedRuns + 1;
      if (entry.unusedRuns >= maxUnusedRuns && id !== openedId) this.#close(id);
    }
  }

  /** Closes the sockets on this port that the run has not listened on; returns whether there were any. */
  closeUnused(port: number, listened: ReadonlySet<string>): boolean {
    const unused = [...this.#entries].filter(
      ([id, { socket }]) => id !== openedId && socket.port === port && !listened.has(id),
    );
    for (const [id] of unused) this.#close(id);
    return unused.length > 0;
  }

  /** Closes all sockets that programs handed over. */
  closeReceived(): void {
    for (const id of [...this.#entries.keys()]) if (id !== openedId) this.#close(id);
  }

  /** Closes all sockets, including the one that devwatch opened. */
  close(): void {
    for (const id of [...this.#entries.keys()]) this.#close(id);
  }

  #receive(socket: SocketInfo, handle: NativeHandle): void {
    if (this.#earlyReleases.has(socket.id)) {
      handle.close();
      this.#completeRelease(socket.id);
      return;
    }
    this.#arrived.add(socket.id);
    this.#entries.set(socket.id, { socket, handle, unusedRuns: 0 });
    this.#onChange();
  }

  #completeRelease(id: string): void {
    const release = this.#earlyReleases.get(id);
    this.#earlyReleases.delete(id);
    release?.onClosed();
  }

  #close(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    entry.handle.close();
    this.#onChange();
  }
}
