/** The address of a server as people use it. */

import type { ServerFacts } from '../../preload/protocol.ts';
import type { ServerAddress } from '../../shared/events.ts';

/** Addresses that `localhost` reaches: all interfaces, and the usual ones of the loopback interface. */
const localHosts: ReadonlySet<string> = new Set(['::', '0.0.0.0', '::1', '127.0.0.1']);

const defaultPorts = { http: 80, https: 443 } as const;

/** Returns the port of a server, and the URL of an HTTP server. */
export function serverAddress({ port, host, protocol }: ServerFacts): ServerAddress {
  if (port === undefined) return {};
  if (protocol === undefined) return { port };
  const name = host === undefined || localHosts.has(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return { port, url: `${protocol}://${name}${port === defaultPorts[protocol] ? '' : `:${port}`}` };
}
