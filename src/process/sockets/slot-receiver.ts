/**
 * Receives a socket from a slot (slots.ts) in devwatch itself, as a run does (preload/slots.cts): a run that takes the
 * socket next finds the slot filled.
 */

import fs from 'node:fs';
import { attempt } from '../../shared/errors.ts';
import { reachBinding } from './node-bindings.ts';

export interface SlotReceiver {
  /**
   * Receives the socket. Calls back in another turn of the event loop, with undefined if the slot is empty. The returned
   * function cancels.
   */
  receive(onReceived: (socket: object | undefined) => void): () => void;
  /** Ends for good; the descriptors are closed by those who have opened them. */
  stop(): void;
}

/** A handle of libuv that passes on descriptors. */
interface IpcPipe {
  /** A socket that came with the bytes that were read. */
  readonly pendingHandle?: object | null;
  onread: () => void;
  open(descriptor: number): number;
  readStart(): number;
  readStop(): number;
  unref(): void;
  writeUtf8String(request: object, text: string, socket: object): number;
}

interface Pipes {
  readonly Pipe: new (kind: number) => IpcPipe;
  readonly constants: { readonly IPC: number };
}

interface Streams {
  readonly WriteWrap: new () => object;
}

/** As in preload/slots.cts: the byte that comes with a socket, and the byte that ends a wait. */
const socketByte = 's';
const endByte = '.';
/** The number of duplicates in a slot. */
const duplicates = 2;

/** Creates the receiver of a slot, by the descriptors of its two ends. */
export function createReceiver(into: number, out: number): SlotReceiver {
  const pipes = reachBinding('pipe_wrap', isPipes);
  const streams = reachBinding('stream_wrap', isStreams);
  const open = (descriptor: number): IpcPipe | undefined => {
    const pipe = pipes === undefined ? undefined : new pipes.Pipe(pipes.constants.IPC);
    if (pipe?.open(descriptor) !== 0) return undefined;
    // These handles are never closed: others own the descriptors.
    pipe.unref();
    return pipe;
  };
  const [sender, receiver] = [open(into), open(out)];
  if (sender === undefined || receiver === undefined || streams === undefined) {
    return { receive: (onReceived) => cancellable(() => onReceived(undefined)), stop: () => {} };
  }
  const fill = (socket: object): void => {
    for (let count = 0; count < duplicates; count += 1) {
      // The socket is referenced until it has been sent.
      const request = Object.assign(new streams.WriteWrap(), { oncomplete() {}, socket });
      sender.writeUtf8String(request, socketByte, socket);
    }
  };
  return {
    receive(onReceived) {
      // Ends the wait if the slot is empty.
      attempt(() => fs.writeSync(into, endByte));
      receiver.onread = () => {
        const socket = receiver.pendingHandle ?? undefined;
        receiver.readStop();
        if (socket !== undefined) {
          fill(socket);
          skipTo(endByte, out);
        }
        onReceived(socket);
      };
      receiver.readStart();
      return () => void receiver.readStop();
    },
    stop: () => void receiver.readStop(),
  };
}

function cancellable(action: () => void): () => void {
  const immediate = setImmediate(action);
  return () => clearImmediate(immediate);
}

/** Reads up to and including this byte, one at a time: the sockets behind it stay. */
function skipTo(byte: string, descriptor: number): void {
  const one = Buffer.alloc(1);
  while ((attempt(() => fs.readSync(descriptor, one)) ?? 0) > 0 && one.toString('latin1') !== byte);
}

const isPipes = (value: unknown): value is Pipes =>
  typeof value === 'object' && value !== null && 'Pipe' in value && 'constants' in value;
const isStreams = (value: unknown): value is Streams =>
  typeof value === 'object' && value !== null && 'WriteWrap' in value;
