import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import type { HeldSocket } from '../../../src/preload/protocol.ts';
import { loadPreload } from './load.ts';

const { refuseConnections } = loadPreload('refused-connections.cts', {
  './node-bindings.cjs': loadPreload('node-bindings.cts'),
  './unix-socket-files.cjs': loadPreload('unix-socket-files.cts'),
}) as { refuseConnections(held: () => readonly HeldSocket[]): () => void };

const undo: (() => void)[] = [];

afterEach(() => {
  for (const action of undo.splice(0)) action();
});

/** Opens a server on this address, as if devwatch held its socket. */
async function hold(address: string, flags = 0): Promise<number> {
  const server = net.createServer((socket) => socket.destroy());
  await once(server.listen({ port: 0, host: address, ipv6Only: flags === 1 }), 'listening');
  const name = server.address() as AddressInfo;
  const held = [{ id: 'a', key: `6 ${address} ${name.port} ${flags}`, slot: 0, name }];
  undo.push(
    refuseConnections(() => held),
    () => server.close(),
  );
  return name.port;
}

/** Connects; resolves to `connected`, or to the error. */
async function connect(to: net.NetConnectOpts): Promise<unknown> {
  const socket = net.connect(to);
  try {
    await once(socket, 'connect');
    socket.destroy();
    return 'connected';
  } catch (error) {
    return error;
  }
}

/** An address of this machine, other than the loopback one if there is one. */
const ownAddress =
  Object.values(os.networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family }) => family === 'IPv4')
    .sort((one, other) => Number(one.internal) - Number(other.internal))[0]?.address ?? '127.0.0.1';

describe('a connection to a held socket that the program does not listen on', () => {
  test.each<[string, string, string]>([
    ['127.0.0.1', '127.0.0.1', 'refused'],
    ['127.0.0.1', '::ffff:127.0.0.1', 'refused'],
    ['127.0.0.1', '0.0.0.0', 'refused'],
    ['::1', '::1', 'refused'],
    ['0.0.0.0', '127.0.0.1', 'refused'],
    ['::', '127.0.0.1', 'refused'],
    ['::', '::1', 'refused'],
    ['::', ownAddress, 'refused'],
  ])('on %s, to %s, is %s', async (address, host) => {
    const port = await hold(address);
    expect(await connect({ host, port })).toMatchObject({ code: 'ECONNREFUSED', port, address: host });
    undo.shift()?.();
    expect(await connect({ host, port })).toBe('connected');
  });

  test('looks the same to the program as without devwatch', async () => {
    const server = net.createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port: closed } = server.address() as AddressInfo;
    server.close();
    const describeError = (error: unknown, port: number) =>
      error instanceof Error &&
      [error.message, error.stack, { ...error }].map((part) => JSON.stringify(part).replaceAll(`${port}`, 'port'));
    const port = await hold('127.0.0.1');
    const refused = describeError(await connect({ host: '127.0.0.1', port }), port);
    expect(refused).toEqual(describeError(await connect({ host: '127.0.0.1', port: closed }), closed));
  });
});

test.each([
  ['another address', '127.0.0.1', '127.0.0.2', 0],
  ['IPv4, from a socket for IPv6 only', '::', '127.0.0.1', 1],
])('a connection to %s is left to the system', async (_, address, host, flags) => {
  const port = await hold(address, flags);
  const other = net.createServer((socket) => socket.destroy());
  undo.push(() => other.close());
  await once(other.listen(port, host), 'listening');
  expect(await connect({ host, port })).toBe('connected');
});
