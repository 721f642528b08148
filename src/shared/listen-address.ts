/** Addresses to listen on, as users write them: a port, or a host and a port. */

export interface ListenAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/**
 * Used where only a port is given: other machines reach nothing that nobody has opened for them. gunicorn and uvicorn do
 * the same. It is not `::1` as well, because that would be a second socket, and most programs take only one.
 */
const loopback = '127.0.0.1';

/** Parses `8000`, `0.0.0.0:8000`, `[::]:8000` or `localhost:8000`; returns undefined for anything else. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, name, ipv6, digits] = /^(?:(localhost|\d+(?:\.\d+){3}):|\[([\da-fA-F:.]+)\]:)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  return { host: ipv6 ?? (name === undefined || name === 'localhost' ? loopback : name), port };
}

/** Formats an address with its port. */
export const formatListenAddress = ({ host, port }: ListenAddress): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
