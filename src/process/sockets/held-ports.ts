/** The listening sockets of a program that outlive its runs; how they get here: preload/hold.cts. */

import type { ChildProcess } from 'node:child_process';
import type { HeldSocket } from '../../preload/orders.ts';

/** What a program says of a socket together with its handle. */
type Holding = Omit<HeldSocket, 'descriptor'>;

/** The raw handle that Node's IPC delivers; never accepted on here. */
interface NativeHandle {
  readonly fd: number;
  close(): void;
}

export interface Held {
  readonly socket: Holding;
  /** The descriptor in this process. */
  readonly descriptor: number;
  /** What a service manager calls it. */
  readonly name?: string | undefined;
}

export interface HeldPorts {
  /** All that a process started now inherits. */
  readonly all: readonly Held[];
  /** Those among them that a service manager keeps, too. */
  readonly handed: readonly Held[];
  /** Tells one set of sockets from another. */
  readonly key: string;
  /** Takes the sockets that a program hands over through its IPC channel. */
  listen(child: ChildProcess): void;
  /** Closes one that this process has given up; resolves when it has come and gone. */
  release(id: string, child: ChildProcess): Promise<void>;
  /**
   * A run has ended by itself, having listened on the sockets with these ids. What two in a row have left
   * alone is closed: a part of the program that inherits nothing (a worker thread, a child) may want it.
   */
  ended(listened: ReadonlySet<string>): void;
  /** Closes what is held of this port, and was not listened on; was there any? */
  giveUp(port: number, listened: ReadonlySet<string>): boolean;
  /** Closes all that programs have handed over: nothing will listen soon. */
  releaseAll(): void;
  /** Closes what devwatch was told to open, too. */
  close(): void;
}

/** What devwatch itself has opened (process/listen.ts). */
export const openedId = 'port';

/** One run that does not come to listen is kept waiting for: it may be a slip of the pen. */
const mostPassedOver = 2;

/** Messages of ours on Node's IPC: those whose `cmd` begins with `NODE_` are never shown to programs. */
export const ipcCommand = 'NODE_DEVWATCH';

/** @param handed what a service manager has handed over (process/activation.ts); never closed */
export function createHeldPorts(onChange: () => void, handed: readonly Held[] = []): HeldPorts {
  const held = new Map<string, { readonly socket: Holding; readonly handle: NativeHandle }>();
  const come = new Set<string>();
  /** Given up, by whom, before their handles have come. */
  const expected = new Map<string, { readonly child: ChildProcess; readonly giveUp: () => void }>();

  /** How many runs in a row have ended by themselves without having listened on it. */
  const passedOver = new Map<string, number>();

  function close(id: string): void {
    passedOver.delete(id);
    held.get(id)?.handle.close();
    if (held.delete(id)) onChange();
  }

  return {
    get all() {
      return [...handed, ...[...held.values()].map(({ socket, handle }) => ({ socket, descriptor: handle.fd }))];
    },
    handed,
    get key() {
      return [...held.keys()].join();
    },
    listen(child) {
      (child as NodeJS.EventEmitter).on(
        'internalMessage',
        (message: { cmd?: string; hold?: Holding }, handle: NativeHandle | undefined) => {
          if (message.cmd !== ipcCommand || message.hold === undefined || handle === undefined) return;
          const { hold } = message;
          come.add(hold.id);
          const awaited = expected.get(hold.id);
          if (awaited === undefined) {
            held.set(hold.id, { socket: hold, handle });
            onChange();
          } else {
            expected.delete(hold.id);
            handle.close();
            awaited.giveUp();
          }
        },
      );
      // Those that it gave up and did not live to hand over.
      child.once('close', () => {
        for (const [id, awaited] of expected) {
          if (awaited.child !== child) continue;
          expected.delete(id);
          awaited.giveUp();
        }
      });
    },
    release(id, child) {
      if (!come.has(id)) return new Promise((resolve) => expected.set(id, { child, giveUp: resolve }));
      close(id);
      come.delete(id);
      return Promise.resolve();
    },
    ended(listened) {
      for (const id of [...held.keys()]) {
        const times = listened.has(id) ? 0 : (passedOver.get(id) ?? 0) + 1;
        passedOver.set(id, times);
        if (times >= mostPassedOver && id !== openedId) close(id);
      }
    },
    giveUp(port, listened) {
      const unwanted = [...held].filter(
        ([id, { socket }]) => id !== openedId && socket.port === port && !listened.has(id),
      );
      for (const [id] of unwanted) close(id);
      return unwanted.length > 0;
    },
    releaseAll() {
      for (const id of [...held.keys()]) if (id !== openedId) close(id);
    },
    close() {
      for (const id of [...held.keys()]) close(id);
    },
  };
}
