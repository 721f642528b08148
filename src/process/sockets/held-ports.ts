/**
 * The program's listening sockets that outlive its runs, in slots (slots.ts). The program's side, which sends and
 * receives them, is preload/held-ports.cts.
 */

import type { HeldSocket } from '../../preload/protocol.ts';
import { minOpenFiles, openFileLimit } from '../requirements.ts';
import type { OpenedPort, PassedSocket } from './passed-sockets.ts';
import { openSlots, type Slot } from './slots.ts';

type Times = Required<Pick<HeldSocket, 'lagMs' | 'ageMs'>>;

/** Facts about the server that listens on a socket. */
interface Listening extends Times {
  /** It serves HTTP, without TLS. */
  readonly isHttp: boolean;
}

/** Accepts connections on a handle of libuv that listens. The returned function stops that at once, and closes the handle. */
export type Accept = (socket: object) => () => void;

/** A socket that is kept for the next run. */
interface HeldPort {
  readonly socket: HeldSocket;
  /** Number of consecutive runs that ended by themselves without listening on the socket. */
  unusedRuns: number;
  /** In the latest run that has listened on it. */
  listening?: Listening;
}

/** A port is kept for one run that never listens on it (the save may contain a typo), and closed after the second. */
const maxUnusedRuns = 2;
/** The same if devwatch answers in place of a program that has crashed: several saves in a row may contain a typo. */
const maxAnsweredRuns = 10;

/** Slots are opened in groups of this size. Programs with more than a few servers are rare. */
const slotsAtATime = 8;
/** Slots that should be free. */
const minFreeSlots = 2;

/** Each slot takes two descriptors. Where there are few, most are left for what devwatch cannot do without. */
export const affordableSlots = (limit: number): number =>
  Math.max(0, Math.min(slotsAtATime, Math.floor((limit - minOpenFiles) / 4)));

export class HeldPorts {
  /** Sockets opened by a service manager (systemd/socket-activation.ts), which are never closed. */
  readonly activated: readonly PassedSocket[];
  readonly #onMoreSlots: () => void;
  readonly #held = new Map<string, HeldPort>();
  readonly #open: typeof openSlots;
  /** devwatch answers on the sockets of HTTP servers while the program is down after a crash. */
  answersAfterCrash = false;
  /** Functions that stop answering. */
  #answering: (() => void)[] = [];
  #slots: readonly Slot[] = [];
  #isOpening = false;
  #isClosed = false;
  #opened: OpenedPort | undefined;

  /**
   * @param onMoreSlots ends the processes that have inherited fewer slots than there are
   * @param open opens slots; tests replace it
   */
  constructor(onMoreSlots: () => void, activated: readonly PassedSocket[] = [], open: typeof openSlots = openSlots) {
    this.#onMoreSlots = onMoreSlots;
    this.activated = activated;
    this.#open = open;
  }

  /** The slots, which each process that is started now inherits. */
  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** The sockets that wait for the next run. */
  get held(): readonly HeldSocket[] {
    return [...this.#held.values()].map(({ socket, listening }) => {
      const { lagMs, ageMs } = listening ?? {};
      return listening === undefined ? socket : { ...socket, lagMs, ageMs };
    });
  }

  /** The sockets for programs other than Node. */
  get passed(): readonly PassedSocket[] {
    return this.#opened === undefined ? this.activated : [...this.activated, this.#opened];
  }

  /** Whether connections wait for the next run on any socket. */
  get isEmpty(): boolean {
    return this.#held.size === 0 && this.passed.length === 0;
  }

  /** Opens slots. Without them nothing is held. */
  async openSlots(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    const slots = await this.#open(affordableSlots(openFileLimit()));
    this.#isOpening = false;
    if (this.#isClosed) {
      for (const slot of slots) slot.close();
      return;
    }
    this.#slots = [...this.#slots, ...slots];
    if (slots.length > 0) this.#onMoreSlots();
  }

  /** A program has sent duplicates of a socket into a slot. */
  hold(socket: HeldSocket): void {
    this.#held.set(socket.id, { socket, unusedRuns: 0 });
    if (this.#slots.length - this.#held.size < minFreeSlots) void this.openSlots();
  }

  /** Notes which server listens on this socket, and how long after the begin of its run and after its first server. */
  noteListening(id: string, listening: Listening): void {
    const port = this.#held.get(id);
    if (port === undefined) return;
    port.listening = listening;
    port.unusedRuns = 0;
  }

  /** The program has closed a socket itself, and emptied its slot. */
  release(id: string): void {
    this.#held.delete(id);
  }

  /**
   * A run that has listened on these sockets ended by itself. A socket that two such runs in a row have not listened
   * on is closed: a part of the program that inherits nothing (a worker thread, a child process) may need the port.
   */
  runEnded(listened: ReadonlySet<string>): void {
    for (const [id, port] of this.#held) port.unusedRuns = listened.has(id) ? 0 : port.unusedRuns + 1;
    this.#close((port) => port.unusedRuns >= (this.#canAnswer(port) ? maxAnsweredRuns : maxUnusedRuns));
  }

  /** Closes the sockets on this port that the run has not listened on; returns whether there were any. */
  closeUnused(port: number, listened: ReadonlySet<string>): boolean {
    return this.#close(({ socket: { id, name } }) => name?.port === port && !listened.has(id));
  }

  /** Closes all sockets of programs. */
  closeHeld(): void {
    this.endAnswering();
    this.#close(() => true);
  }

  /** Closes the sockets of programs on which devwatch does not answer after a crash. */
  closeUnanswered(): void {
    this.#close((port) => !this.#canAnswer(port));
  }

  /**
   * Accepts connections on the sockets of HTTP servers, while no run is alive that could. Until a socket is there, and
   * after the end, its connections wait for the next run.
   */
  answer(accept: Accept): void {
    this.endAnswering();
    for (const { socket } of [...this.#held.values()].filter((port) => this.#canAnswer(port))) {
      const cancel = this.#slots[socket.slot]?.receive((handle) => {
        if (handle !== undefined) this.#answering.push(accept(handle));
        // The slot is empty: no run would get the connections either.
        else this.#close((port) => port.socket === socket);
      });
      if (cancel !== undefined) this.#answering.push(cancel);
    }
  }

  /** Stops accepting at once: the next connection is that of the next run. */
  endAnswering(): void {
    for (const stop of this.#answering.splice(0)) stop();
  }

  #canAnswer({ socket, listening }: HeldPort): boolean {
    return this.answersAfterCrash && listening?.isHttp === true && socket.name !== undefined;
  }

  /** Passes on a port that devwatch has opened itself, until it is closed. */
  pass(opened: OpenedPort): void {
    this.#opened = opened;
  }

  /** Closes the port that devwatch has opened itself. */
  closeOpened(): void {
    this.#opened?.close();
    this.#opened = undefined;
  }

  /** Closes everything for good. */
  close(): void {
    this.#isClosed = true;
    this.closeHeld();
    this.closeOpened();
    for (const slot of this.#slots) slot.close();
    this.#slots = [];
  }

  #close(fits: (port: HeldPort) => boolean): boolean {
    const ports = [...this.#held.values()].filter(fits);
    for (const { socket } of ports) {
      this.#held.delete(socket.id);
      this.#slots[socket.slot]?.empty();
    }
    return ports.length > 0;
  }
}
