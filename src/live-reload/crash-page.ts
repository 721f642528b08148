/** Answers requests in place of a program that has crashed. */

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type net from 'node:net';
import { maxTimerMs } from '../shared/clock.ts';
import { isLoopbackAddress, isLoopbackHost } from './loopback.ts';

export interface CrashPage {
  /** Why the program is down; may have several lines, and contain anything. */
  readonly text: string;
  /** Reloads the page when the program is up. Must not contain `</script`. */
  readonly script: string;
}

/** A connection without a byte for this time is closed: its client may have ended. */
const idleMs = 10_000;
/** The same without any byte when the next run begins: a request may be on its way. */
const unusedMs = 250;
/** For `Retry-After`. */
const retrySeconds = 1;
const reason = 'The program has crashed.\n';

/**
 * Accepts connections on a handle of libuv that listens. `page` is called for each request. Only this machine is answered,
 * and only requests that name it learn the reason. The returned function stops accepting at once; requests that come by
 * a connection from before are led to the next run.
 */
export function answerWithCrash(socket: object, page: () => CrashPage): () => void {
  let hasEnded = false;
  // By default Node wakes up every 30 s to look for incomplete requests.
  const server = http.createServer({ connectionsCheckingInterval: maxTimerMs }, (request, response) => {
    // The next request is for the next run.
    response.shouldKeepAlive = false;
    response.sendDate = false;
    // A connection that is closed while its peer sends would lose the answer.
    request.resume().on('end', () => {
      if (hasEnded) redirect(request, response);
      else answer(request, response, page());
    });
    request.on('error', () => {});
  });
  const open = new Set<net.Socket>();
  server.on('connection', (connection) => {
    if (!isLoopbackAddress(connection.remoteAddress)) {
      connection.destroy();
      return;
    }
    open.add(connection);
    connection.unref();
    connection.setTimeout(idleMs, () => connection.destroy());
    connection.on('close', () => open.delete(connection));
  });
  // Connections that cannot be accepted; their clients try again.
  server.on('error', () => {});
  server.listen(socket);
  server.unref();
  return () => {
    hasEnded = true;
    server.close();
    // Browsers open connections ahead of time.
    for (const connection of open) {
      if (connection.bytesRead === 0) connection.setTimeout(unusedMs);
    }
  };
}

/** Makes the client ask again, on another connection, which is that of the next run. */
function redirect({ url = '' }: http.IncomingMessage, response: http.ServerResponse): void {
  // Two slashes would lead to another host.
  if (url.startsWith('/') && !/^\/[/\\]/.test(url))
    response.writeHead(307, { location: url, 'cache-control': 'no-store' });
  else response.writeHead(503);
  response.end();
}

function answer(
  { method = '', headers }: http.IncomingMessage,
  response: http.ServerResponse,
  { text, script }: CrashPage,
): void {
  response.setHeader('retry-after', retrySeconds);
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  const isTrusted = isFromHere(headers);
  const isPage = isTrusted && (method === 'GET' || method === 'HEAD') && accepts(headers.accept);
  if (!isPage) {
    response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(isTrusted ? `${text}\n` : reason);
    return;
  }
  const nonce = randomBytes(16).toString('base64');
  response.writeHead(503, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src http://127.0.0.1:*; frame-ancestors 'self'`,
  });
  response.end(htmlOf(text, script, nonce));
}

/** Whether a request names this machine, and no proxy or tunnel has forwarded it for another one. */
function isFromHere({ host = '', forwarded, ...others }: http.IncomingHttpHeaders): boolean {
  const { 'x-forwarded-host': name = host, 'x-forwarded-for': clients = '127.0.0.1' } = others;
  const areClientsHere = `${clients}`.split(',').every((client) => isLoopbackAddress(client.trim()));
  return isLoopbackHost(host) && isLoopbackHost(`${name}`) && areClientsHere && forwarded === undefined;
}

const accepts = (header = ''): boolean => /\btext\/html\b/i.test(header);

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? '');

function htmlOf(text: string, script: string, nonce: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="dark">
<title>The program has crashed</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">
body { margin: 0; background: #000 }
pre { margin: 5vmin; padding: 1.5em; border-top: 4px solid #f55; background: #181818; color: #eee;
  font: 14px/1.5 monospace; white-space: pre-wrap; overflow-wrap: anywhere }
</style>
<pre>${escapeHtml(text)}</pre>
<script nonce="${nonce}">${script}</script>
</html>
`;
}
