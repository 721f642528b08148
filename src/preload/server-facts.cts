/** Facts about a server and its socket, without loading Node's modules for them. */

import type { ServerFacts, ServerRole, SocketName } from './protocol.ts' with { 'resolution-mode': 'import' };

type ServerLike = import('node:net').Server & { readonly _unref?: boolean };

/** libuv's handle of a server. */
interface Named {
  getsockname?(into: object): number;
}

const factsOf = (server: ServerLike, port: number | undefined): Omit<ServerFacts, 'host'> => ({
  port,
  protocol: protocolOf(server),
  role: roleOf(server, port),
});

/** Returns the protocol of a server by the methods that only such servers have; Node's classes may not be loaded. */
function protocolOf(server: ServerLike): ServerFacts['protocol'] {
  const isSecure = 'setSecureContext' in server;
  if ('closeAllConnections' in server) return isSecure ? 'https' : 'http';
  // HTTP/2, which browsers speak over TLS only.
  return isSecure && server.listenerCount('stream') > 0 ? 'https' : undefined;
}

/** Returns what is known about the part that a server plays in the program. */
function roleOf(server: ServerLike, port: number | undefined): ServerRole | undefined {
  const { PORT } = process.env;
  const isNamedBy = (word: string): boolean => new RegExp(`(?:^|\\D)${port}$`).test(word);
  if (port === undefined) return undefined;
  if (PORT === String(port) || process.argv.slice(2).some(isNamedBy)) return 'named';
  // Servers of WebSockets, such as that of Vite, answer a plain request by "426 Upgrade Required".
  const answers = server.listeners('request').map(String);
  if (server._unref === true || (answers.length > 0 && answers.every((answer) => /\b426\b/.test(answer))))
    return 'auxiliary';
  return Number(PORT) > 0 ? 'other' : undefined;
}

/** Keeps `server.address()` working after the socket was closed: the program may call it while it ends. */
function rememberName(handle: Named): void {
  const name = nameOf(handle);
  if (name === undefined) return;
  handle.getsockname = (into) => {
    Object.assign(into, name);
    return 0;
  };
}

/** Returns the name of a TCP socket. */
function nameOf(handle: Named): SocketName | undefined {
  const name: Partial<SocketName> = {};
  return handle.getsockname?.(name) === 0 ? (name as SocketName) : undefined;
}

export type { factsOf, nameOf, rememberName };

module.exports = { factsOf, nameOf, rememberName };
