/**
 * Refuses connections of this process to sockets of the run before, on which the program does not listen yet. The
 * kernel accepts them, because devwatch holds the sockets. Without devwatch they would be refused, and programs that
 * connect to find out whether a port is free (portscanner, tcp-port-used) rely on that.
 */

import type { reach as Reach } from './node-bindings.cts';
import type { HeldSocket } from './protocol.ts' with { 'resolution-mode': 'import' };
import type { fileIdentityOf as FileIdentityOf } from './unix-socket-files.cts';

const { reach } = require('./node-bindings.cjs') as { reach: typeof Reach };
const { fileIdentityOf } = require('./unix-socket-files.cjs') as { fileIdentityOf: typeof FileIdentityOf };

type Connect = (this: object, request: object, to: string, port: number) => number;

interface Connecting {
  connect: Connect;
  connect6?: Connect;
}

interface Bindings {
  (name: 'tcp_wrap'): { TCP: { prototype: Connecting } };
  (name: 'pipe_wrap'): { Pipe: { prototype: Connecting } };
}

/** Linux refuses connections to this port of any local address, and to this (abstract) path. */
const refusedPort = 0;
const refusedPath = '\0devwatch refuses';

/**
 * Begins to refuse connections, for which the kernel itself is made to refuse them: the program sees the same errors.
 *
 * @param held returns the sockets on which the program does not listen; `port`: it is about to connect there
 * @returns a function that ends it
 */
function refuseConnections(held: (port?: number) => readonly HeldSocket[]): () => void {
  const undos = reach((binding: Bindings) => {
    const { prototype: tcp } = binding('tcp_wrap').TCP;
    const { prototype: pipe } = binding('pipe_wrap').Pipe;
    const byPort = (connect: Connect): Connect =>
      function (request, address, port) {
        const isRefused = held(port).some(
          ({ name, key }) => name?.port === port && reaches(address, name.address, key),
        );
        return connect.call(this, request, address, isRefused ? refusedPort : port);
      };
    const byPath = (connect: Connect): Connect =>
      function (request, file, ...rest) {
        const isRefused = held().some(({ path }) => path !== undefined && path === fileIdentityOf(file));
        return connect.call(this, request, isRefused ? refusedPath : file, ...rest);
      };
    return [replace(tcp, 'connect', byPort), replace(tcp, 'connect6', byPort), replace(pipe, 'connect', byPath)];
  });
  return () => {
    for (const undo of undos ?? []) undo();
  };
}

function replace(target: Connecting, name: keyof Connecting, make: (connect: Connect) => Connect): () => void {
  const { [name]: original } = target;
  if (original === undefined) return () => {};
  const replacement = make(original);
  target[name] = replacement;
  return () => {
    // Unless somebody else has replaced it since.
    if (target[name] === replacement) target[name] = original;
  };
}

/** Whether a connection to an address would reach a socket on another one, given the right port. */
function reaches(address: string, boundAddress: string, key: string): boolean {
  const to = plain(address);
  const bound = plain(boundAddress);
  if (bound !== '::' && bound !== '0.0.0.0') return to === bound || (isAny(to) && isLoopback(bound));
  // A socket on `::` accepts IPv4 as well, unless the program has turned that off.
  const isOtherFamily = bound === '::' ? key.endsWith(' 1') && !to.includes(':') : to.includes(':') && to !== '::';
  return !isOtherFamily && (isAny(to) || isLoopback(to) || isOwnAddress(to));
}

/** Removes the zone of an address, and the prefix of an IPv4 address in IPv6. */
const plain = (address: string): string => address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
/** The unspecified address leads to the loopback interface. */
const isAny = (address: string): boolean => address === '::' || address === '0.0.0.0';
const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

function isOwnAddress(address: string): boolean {
  const { networkInterfaces } = require('node:os') as typeof import('node:os');
  return Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === address));
}

export type { refuseConnections };

module.exports = { refuseConnections };
