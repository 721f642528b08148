/** Describes what keeps this process alive. */

import type { OpenWork } from './protocol.ts' with { 'resolution-mode': 'import' };

type Socket = import('node:net').Socket;
/** A response with its head as text, once that is sent. */
type Response = import('node:http').ServerResponse & { readonly _header?: string | null };

/** A socket with the properties that Node's HTTP server sets. */
interface ServedSocket extends Socket {
  /** The server that has accepted the connection. */
  readonly server?: object;
  /** Undefined for other protocols than HTTP; null once the connection was upgraded. */
  readonly parser?: object | null;
  /** The response that is being written. */
  readonly _httpMessage?: Response | null;
}

/** Node's internals: the objects that keep the event loop alive. */
type Internals = { _getActiveHandles(): readonly object[]; getActiveResourcesInfo?(): readonly string[] };

/**
 * @param ports of the servers that still listen as the program sees it
 * @param ownTimers the number of timers of the preload
 */
function describeOpenWork(ports: readonly (number | undefined)[], ownTimers: number): OpenWork {
  const { _getActiveHandles, getActiveResourcesInfo } = process as unknown as Internals;
  const handles = Reflect.apply(_getActiveHandles, process, []);
  const resources = getActiveResourcesInfo === undefined ? [] : Reflect.apply(getActiveResourcesInfo, process, []);
  const timers = resources.filter((name) => name === 'Timeout').length - ownTimers;
  const kinds = handles.map(kindOf);
  const count = (kind: string): number => kinds.filter((one) => one === kind).length;
  const remotes = kinds.filter((kind) => kind?.startsWith('to '));
  return {
    servers: [...new Set(ports)].filter((port) => port !== undefined),
    eventStreams: count('event stream'),
    responses: count('response'),
    webSockets: count('websocket'),
    connections: count('connection'),
    remotes: [...new Set(remotes)].map((kind) => (kind ?? '').slice(3)),
    readsStdin: kinds.includes('stdin'),
    timers: Math.max(0, timers),
  };
}

function kindOf(handle: object): string | undefined {
  if (handle === process.stdin) return 'stdin';
  if (!('remoteAddress' in handle)) return undefined;
  const socket = handle as ServedSocket;
  if (socket.remotePort === undefined) return undefined;
  if (socket.server === undefined || socket.server === null) return `to ${socket.remoteAddress}:${socket.remotePort}`;
  const response = socket._httpMessage;
  if (response !== undefined && response !== null) {
    return /^content-type: *text\/event-stream/im.test(response._header ?? '') ? 'event stream' : 'response';
  }
  const isHttp = 'requestTimeout' in socket.server;
  return isHttp && (socket.parser === null || socket.parser === undefined) ? 'websocket' : 'connection';
}

export type { describeOpenWork };

module.exports = { describeOpenWork };
