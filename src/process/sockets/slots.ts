/**
 * Slots: places where listening sockets wait between two runs without being open in any process. A slot is a pair of
 * connected Unix sockets. A socket that was sent into the pair (SCM_RIGHTS) and not received yet is in flight: the
 * kernel goes on accepting connections for it, but it is in no process's table of descriptors. So programs that end
 * whatever listens on a port (`kill-port`, `fuser -k`) find neither devwatch nor a standby, and a run that looks before
 * it listens does not find itself.
 *
 * devwatch opens the slots, and passes both ends of each to every run and standby. The runs send and receive
 * (preload/slots.cts); devwatch does so only to answer in place of a program that has crashed (slot-receiver.ts).
 */

import fs from 'node:fs';
import { systemClock } from '../../shared/clock.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { attempt } from '../../shared/errors.ts';
import { platform } from '../platform.ts';
import { reachBinding } from './node-bindings.ts';
import { createReceiver, type SlotReceiver } from './slot-receiver.ts';

export interface Slot {
  /** Descriptor of the end into which sockets are sent. */
  readonly into: number;
  /** Descriptor of the end from which they are received. */
  readonly out: number;
  /** Closes the sockets that are in flight. */
  empty(): void;
  /**
   * Receives the socket, as a handle of libuv that the caller closes; duplicates stay in the slot. Calls back in another
   * turn of the event loop, with undefined if the slot is empty. The returned function cancels.
   */
  receive(onReceived: (socket: object | undefined) => void): () => void;
  close(): void;
}

/** A handle of libuv. */
interface Pipe {
  readonly fd: number;
  onconnection?: (status: number, client: Pipe) => void;
  bind(name: string): number;
  listen(backlog: number): number;
  connect(request: object, name: string): number;
  unref(): void;
  close(): void;
}

/**
 * The part of Node that makes pipes. `node:net` does the same, but takes four times as long at its first use, for which
 * the first run would wait (1.2 ms instead of 4.8 ms).
 */
interface Pipes {
  readonly Pipe: new (kind: number) => Pipe;
  readonly PipeConnectWrap: new () => object;
  readonly constants: { readonly SOCKET: number; readonly SERVER: number };
}

const scratch = Buffer.alloc(64);
/** Connections of our own are accepted within a turn of the event loop, unless no descriptors are left. */
const acceptTimeoutMs = 200;

/**
 * Opens slots. Node offers no pairs of sockets, so each one is a connection to a server that exists for this moment.
 * Resolves to fewer slots, or none, where that is not possible.
 */
export async function openSlots(count: number): Promise<Slot[]> {
  if (!platform.sockets.canPass || count === 0) return [];
  const pipes = reachBinding('pipe_wrap', isPipes);
  const address = attempt(platform.sockets.momentaryAddress);
  if (pipes === undefined || address === undefined) return [];
  const { Pipe, PipeConnectWrap, constants } = pipes;
  const server = new Pipe(constants.SERVER);
  if (server.bind(address.name) !== 0 || server.listen(count) !== 0) return [];
  const ends = Array.from({ length: count }, (_, index): Pipe | undefined => {
    const end = new Pipe(constants.SOCKET);
    // The kernel connects at once. Without a free descriptor, libuv would report that only later.
    const failure = end.connect(Object.assign(new PipeConnectWrap(), { oncomplete() {} }), address.name);
    if (failure !== 0 || end.fd < 0) return undefined;
    end.unref();
    fs.writeSync(end.fd, `${address.token}${index}`);
    return end;
  });
  const expected = ends.filter((end) => end !== undefined).length;
  const slots: Slot[] = [];
  if (expected > 0) {
    const accepted = new Promise<void>((resolve) => {
      server.onconnection = (_, out) => {
        const into = ends[indexOf(out, address.token)];
        if (into === undefined) out.close();
        else slots.push(createSlot(into, out));
        if (slots.length === expected) resolve();
      };
    });
    await withDeadline(systemClock, acceptTimeoutMs, accepted);
    // On a busy machine they are there, but not accepted: libuv accepts one in each turn of the event loop.
    for (let before = -1; slots.length < expected && slots.length > before; ) {
      before = slots.length;
      await new Promise<void>((resolve) => systemClock.soon(resolve));
    }
  }
  server.close();
  address.remove();
  return slots;
}

function createSlot(intoPipe: Pipe, outPipe: Pipe): Slot {
  outPipe.unref();
  const { fd: into } = intoPipe;
  const { fd: out } = outPipe;
  let receiver: SlotReceiver | undefined;
  return {
    into,
    out,
    empty() {
      // A read without room for sockets closes them. It fails when the slot is empty.
      while (attempt(() => fs.readSync(out, scratch)));
    },
    receive(onReceived) {
      receiver ??= createReceiver(into, out);
      return receiver.receive(onReceived);
    },
    close() {
      receiver?.stop();
      intoPipe.close();
      outPipe.close();
    },
  };
}

/** Returns the number that a connection has sent behind the token; -1 without the token. */
function indexOf({ fd }: Pipe, token: string): number {
  const length = attempt(() => fs.readSync(fd, scratch)) ?? 0;
  const text = scratch.toString('latin1', 0, length);
  return text.startsWith(token) ? Number(text.slice(token.length)) : -1;
}

const isPipes = (value: unknown): value is Pipes =>
  typeof value === 'object' && value !== null && 'Pipe' in value && 'PipeConnectWrap' in value && 'constants' in value;
