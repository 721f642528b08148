/** Addresses of probes. */

export type Probe =
  | { readonly kind: 'http'; readonly url: URL }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'event-loop' };

/** Parses `http://…`, `https://…`, `tcp://host:port` or `event-loop`; returns undefined for anything else. */
export function parseProbe(text: string): Probe | undefined {
  if (text === 'event-loop') return { kind: 'event-loop' };
  if (!/^(https?:\/\/|tcp:\/\/[^/?#@]+:\d+\/?$)/i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.port === '0') return undefined;
  if (url.protocol !== 'tcp:') return { kind: 'http', url };
  return { kind: 'tcp', host: url.hostname.replace(/^\[(.+)\]$/, '$1'), port: Number(url.port) };
}
