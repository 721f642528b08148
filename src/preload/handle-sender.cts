/**
 * Sends devwatch duplicates of libuv handles, without Node's IPC where the program has none: `process.send`,
 * `connected` and `channel` are the same as without devwatch. Descriptors can only be sent through a pipe that Node has
 * opened for IPC; `process.binding` makes one. Where that is forbidden (`--permission`), nothing can be sent.
 */

import type { reach as Reach } from './node-bindings.cts';

const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };

type OnMessage = (message: object) => void;
type SendHandle = (message: object, handle: object) => void;

/** Node hides IPC messages from the program whose `cmd` begins with `NODE_`. */
const command = 'NODE_DEVWATCH';

/**
 * Opens the pipe with this descriptor, or without one the program's own IPC channel. Calls back with each message from
 * devwatch. Returns undefined if there is no way to send handles.
 */
function openHandleSender(descriptor: number | undefined, onMessage: OnMessage): SendHandle | undefined {
  return descriptor === undefined ? openIpc(onMessage) : openPipe(descriptor, onMessage);
}

function openIpc(onMessage: OnMessage): SendHandle | undefined {
  const { send } = process;
  if (send === undefined) return undefined;
  (process as NodeJS.EventEmitter).on('internalMessage', (message: { cmd?: string }) => {
    if (message.cmd === command) onMessage(message);
  });
  return (message, handle) =>
    Reflect.apply(send, process, [{ cmd: command, ...message }, handle, { keepOpen: true }, () => {}]);
}

interface Bindings {
  (name: 'pipe_wrap'): { Pipe: new (kind: number) => Pipe; constants: { IPC: number } };
  (name: 'stream_wrap'): { WriteWrap: new () => object };
}

interface Pipe {
  open(descriptor: number): number;
  writeUtf8String(request: object, text: string, handle: object): number;
}

function openPipe(descriptor: number, onMessage: OnMessage): SendHandle | undefined {
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
    for (const line of lines) onMessage(JSON.parse(line) as object);
  });
  socket.unref();
  return (message, handle) => {
    // The envelope of Node's own IPC, which the parent unwraps.
    const envelope = { cmd: 'NODE_HANDLE', type: 'net.Native', msg: { cmd: command, ...message } };
    const request = Object.assign(new WriteWrap(), { oncomplete() {}, handle });
    pipe.writeUtf8String(request, `${JSON.stringify(envelope)}\n`, handle);
  };
}

export type { openHandleSender, SendHandle };

module.exports = { openHandleSender };
