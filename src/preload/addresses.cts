/** Addresses on which servers listen. */

import type { HeldSocket } from './protocol.ts' with { 'resolution-mode': 'import' };
import type { nameOf as NameOf } from './server-facts.cts';

const net = require('node:net') as NetInternals;
const { nameOf } = require('./server-facts.cjs') as { nameOf: typeof NameOf };

interface NetInternals {
  /** `cluster` uses it as well. Returns libuv's code of an error. */
  _createServerHandle(
    address: string | null,
    port: number,
    addressType: number,
    fd: undefined,
    flags?: number,
  ): { close(): void; getsockname?(into: object): number } | number;
}

/** The arguments of `_listen2`. */
type ListenArgs = [address: string | null, port: number, type: number, backlog: number, fd?: number, flags?: number];

/** The address that a server is to listen on. */
interface Address {
  readonly port: number;
  /** The address; undefined for all of them, and for a Unix socket. */
  readonly host: string | undefined;
  /** The path of a Unix socket. */
  readonly file: string | undefined;
  /** Equal for two servers that the same socket can serve. */
  readonly key: string;
  /** The socket has none of the options (such as `reusePort`) that a duplicate would not share. */
  readonly canBeHeld: boolean;
}

function addressOf([address, port, type, , , flags = 0]: ListenArgs): Address {
  const name = address ?? undefined;
  const [file, host] = type === -1 ? [name, undefined] : [undefined, name];
  return { port, host, file, key: `${type} ${address} ${port} ${flags}`, canBeHeld: flags <= 1 };
}

/** Whether another socket listens at an address. libuv reports that when the name of the socket is asked for. */
function isBlocked([address, port, type, , , flags]: ListenArgs): boolean {
  const handle = net._createServerHandle(address, port, type, undefined, flags);
  if (typeof handle === 'number') return false;
  const isFree = nameOf(handle) !== undefined;
  handle.close();
  return !isFree;
}

/** Whether a socket of the run before is on the same port or path. */
const isRival = ({ key, name }: HeldSocket, { port, file }: Address): boolean =>
  name === undefined ? key.split(' ')[1] === file : name.port === port;

export type { Address, addressOf, isBlocked, isRival, ListenArgs };

module.exports = { addressOf, isBlocked, isRival };
