/** A server of a program, as its preload describes it. */

import type { PreloadMessage, ServerFacts } from '../../preload/protocol.ts';
import type { Server } from '../../shared/server.ts';

/** Addresses that `localhost` reaches: all interfaces, and the usual ones of the loopback interface. */
const localHosts: ReadonlySet<string> = new Set(['::', '0.0.0.0', '::1', '127.0.0.1']);

const defaultPorts = { http: 80, https: 443 } as const;

/** Returns the server that a message describes, with the URL of an HTTP server. */
export const serverOf = (message: Extract<PreloadMessage, { type: 'listens' }>): Server => ({
  id: message.id,
  key: message.key,
  role: message.role,
  port: message.port,
  url: urlOf(message),
});

function urlOf({ port, host, protocol }: ServerFacts): string | undefined {
  if (port === undefined || protocol === undefined) return undefined;
  const name = host === undefined || localHosts.has(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${protocol}://${name}${port === defaultPorts[protocol] ? '' : `:${port}`}`;
}
