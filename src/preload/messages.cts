/**
 * Receives devwatch's messages while the program runs, without Node's IPC where the program has none: `process.send`,
 * `connected` and `channel` are the same as without devwatch.
 */

/** Node hides IPC messages from the program whose `cmd` begins with `NODE_`. */
const command = 'NODE_DEVWATCH';

type OnMessage = (message: object) => void;

/**
 * Opens the socket with this descriptor, or without one the program's own IPC channel. Returns whether messages can be
 * received.
 *
 * @param onEnd called when devwatch is gone; not by an IPC channel, which the program can disconnect
 */
function receiveMessages(descriptor: number | undefined, onMessage: OnMessage, onEnd?: () => void): boolean {
  return descriptor === undefined ? receiveFromIpc(onMessage) : receiveFrom(descriptor, onMessage, onEnd);
}

function receiveFromIpc(onMessage: OnMessage): boolean {
  (process as NodeJS.EventEmitter).on('internalMessage', (message: { cmd?: string }) => {
    if (message.cmd === command) onMessage(message);
  });
  return process.send !== undefined;
}

function receiveFrom(descriptor: number, onMessage: OnMessage, onEnd: (() => void) | undefined): boolean {
  const { Socket } = require('node:net') as typeof import('node:net');
  let rest = '';
  try {
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    if (onEnd !== undefined) socket.on('close', onEnd);
    socket.on('data', (chunk: string) => {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onMessage(JSON.parse(line) as object);
    });
    socket.unref();
    return true;
  } catch {
    return false;
  }
}

export type { receiveMessages };

module.exports = { receiveMessages };
