/**
 * Reloads the pages that a browser shows: they hold a stream of server-sent events open, on loopback only. While no page
 * connects and no file changes, the process does not wake up.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { maxTimerMs } from '../shared/clock.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { isLoopbackHost, loopback } from './loopback.ts';
import { clientScript } from './page-script.ts';

const loopbackOrigin = new RegExp(String.raw`^[a-z][a-z\d+.-]*://${loopback}$`, 'i');

/** A page reconnects after this time when devwatch is gone. */
const reconnectMs = 500;
/** A page that leaves more unread is disconnected; it reconnects, and then receives what it has missed. */
const maxUnsentBytes = 64 * 1024;
/** More changed style sheets than this are sent as a change of all. */
const maxNamedStyles = 100;
/** A pattern that matches every address. */
const allStyles = '/';
/** Browsers open 6 connections to a server for all tabs; one must stay free, or the next tab waits for its script. */
const maxStreamsPerBrowser = 5;

type EventType = 'hello' | 'reload' | 'styles' | 'rest' | 'crash' | 'up';

/** Does not keep the process alive. */
export class LiveReloadServer {
  readonly #servers: http.Server[] = [];
  #port = 0;
  /** The user agent of each open stream, the oldest first. */
  readonly #streams = new Map<http.ServerResponse, string>();
  /** Distinguishes this server's event ids from those of an earlier devwatch on the same port. */
  readonly #instance = randomBytes(4).toString('hex');
  #latest = 0;
  #latestReload = 0;
  #latestStyles = 0;
  /** The text about a crash that pages show, as JSON; undefined while the program is not down by a crash. */
  #crash: string | undefined;
  #closing: Promise<unknown> | undefined;

  /**
   * Listens on 127.0.0.1, and on ::1 if the machine has it. Port 0 is any free port.
   *
   * @throws UsageError if the port is taken or forbidden
   */
  static async open(port: number): Promise<LiveReloadServer> {
    const live = new LiveReloadServer();
    await live.#listen('127.0.0.1', port);
    try {
      // Browsers resolve localhost to either address.
      await live.#listen('::1', live.port);
    } catch (error) {
      if (port !== 0 && error instanceof UsageError && codeOf(error.cause) === 'EADDRINUSE') {
        await live.close();
        throw error;
      }
    }
    return live;
  }

  get port(): number {
    return this.#port;
  }

  /** `http://127.0.0.1:35729`; the client script is at `/client.js`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Shows this text in every open page, and in those that are opened, until `up`. */
  showCrash(text: string): void {
    this.#latest += 1;
    this.#crash = JSON.stringify(text);
    this.#sendAll(this.#event('crash', this.#crash));
  }

  /** The program is no longer down: removes the text about a crash from the pages. */
  up(): void {
    if (this.#crash === undefined) return;
    this.#latest += 1;
    // For pages that miss the event.
    this.#latestReload = this.#latest;
    this.#crash = undefined;
    this.#sendAll(this.#event('up'));
  }

  /** The script for a page that itself shows the crash, and is asked for now. */
  get crashPageScript(): string {
    // It is a part of the page, and so never older.
    return clientScript(this.url, this.#latestId, Number.MAX_SAFE_INTEGER, true);
  }

  /** Reloads every open page. */
  reload(): void {
    this.#latest += 1;
    this.#latestReload = this.#latest;
    this.#sendAll(this.#event('reload'));
  }

  /**
   * Replaces style sheets without a reload: those links of each page that end with the name of one of the files
   * (absolute paths), or all its links if none does.
   */
  swapStyles(files: readonly string[]): void {
    this.#latest += 1;
    this.#latestStyles = this.#latest;
    this.#sendAll(this.#event('styles', patternOf(files)));
  }

  /** Ends all streams; resolves once the port is free. */
  close(): Promise<unknown> {
    for (const stream of this.#streams.keys()) stream.end();
    this.#closing ??= Promise.all(this.#servers.map(closeServer));
    return this.#closing;
  }

  /** @throws UsageError whose cause is the system's error */
  async #listen(host: string, port: number): Promise<void> {
    // By default Node wakes up every 30 s to look for incomplete requests.
    const options = { connectionsCheckingInterval: maxTimerMs };
    const server = http.createServer(options, (request, response) => this.#answer(request, response));
    server.on('connection', (socket) => socket.unref());
    try {
      await once(server.listen(port, host), 'listening');
    } catch (error) {
      throw cannotListen(host, port, error);
    }
    // Later errors are connections that could not be accepted; their pages reconnect.
    server.on('error', () => {});
    server.unref();
    this.#servers.push(server);
    this.#port = (server.address() as net.AddressInfo).port;
  }

  get #latestId(): string {
    return `${this.#instance}.${this.#latest}`;
  }

  /** Events always carry data: browsers drop those without, and Firefox then does not store their ids. */
  #event(type: EventType, data: string = allStyles): string {
    return `event: ${type}\nid: ${this.#latestId}\ndata: ${data}\n\n`;
  }

  #sendAll(event: string): void {
    for (const stream of [...this.#streams.keys()]) {
      if (stream.writableLength <= maxUnsentBytes) {
        stream.write(event);
      } else {
        this.#streams.delete(stream);
        stream.destroy();
      }
    }
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    // Keep-alive and the date header would set timers that outlast the response.
    response.shouldKeepAlive = false;
    response.sendDate = false;
    const { host = '', origin } = request.headers;
    const isAllowed = origin === undefined || loopbackOrigin.test(origin);
    if (origin !== undefined && isAllowed) response.setHeader('access-control-allow-origin', origin);
    const file = request.url?.split('?')[0];
    if (!isLoopbackHost(host)) {
      // Other names may have been pointed at this machine by an attacker (DNS rebinding).
      refuse(response, 403, 'Only loopback names are served.');
    } else if (file !== '/client.js' && file !== '/events') {
      refuse(response, 404, 'There are only /client.js and /events.');
    } else if (request.method !== 'GET') {
      response.setHeader('allow', 'GET');
      refuse(response, 405, 'Only GET is allowed.');
    } else if (file === '/client.js') {
      // For pages that are isolated from other origins (COEP).
      response.setHeader('cross-origin-resource-policy', 'cross-origin');
      response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-store' });
      response.end(clientScript(`http://${host}`, this.#latestId, Date.now()));
    } else if (!isAllowed) {
      refuse(response, 403, 'Only pages with a loopback origin receive events.');
    } else {
      this.#stream(request, response);
    }
  }

  #stream({ headers, url = '' }: http.IncomingMessage, response: http.ServerResponse): void {
    // The header is newer: the browser sends it when it reconnects to the same address.
    const lastId = headers['last-event-id'] ?? url.split('?')[1] ?? '';
    const browser = headers['user-agent'] ?? '';
    response.on('close', () => this.#streams.delete(response));
    response.on('error', () => {});
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${reconnectMs}\n${this.#event(this.#missedSince(String(lastId)))}`);
    if (this.#crash !== undefined) response.write(this.#event('crash', this.#crash));
    this.#streams.set(response, browser);
    const [oldest, ...others] = [...this.#streams.keys()].filter((open) => this.#streams.get(open) === browser);
    if (oldest !== undefined && others.length >= maxStreamsPerBrowser) {
      this.#streams.delete(oldest);
      oldest.end(this.#event('rest'));
    }
  }

  /** Returns the event that brings a page up to date. `lastId` is empty for a page that has received no event yet. */
  #missedSince(lastId: string): EventType {
    const [instance, number] = lastId.split('.');
    if (lastId === '' || lastId === this.#latestId) return 'hello';
    // Changes under an earlier devwatch, or between the two, are unknown.
    if (instance !== this.#instance || Number(number) < this.#latestReload) return 'reload';
    return Number(number) < this.#latestStyles ? 'styles' : 'hello';
  }
}

function cannotListen(host: string, port: number, cause: unknown): UsageError {
  const message =
    codeOf(cause) === 'EADDRINUSE'
      ? `port ${port} for live reload is taken · stop the process that listens there, perhaps another devwatch, or choose another port`
      : `live reload cannot listen on port ${port} of ${host} (${messageOf(cause)}) · choose another port`;
  return new UsageError(message, { cause });
}

function closeServer(server: http.Server): Promise<unknown> {
  const closed = once(server.close(), 'close');
  server.closeAllConnections();
  return closed;
}

function refuse(response: http.ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${reason}\n`);
}

/** Returns a pattern for the addresses that end with the name of one of these files, with any query or fragment. */
function patternOf(files: readonly string[]): string {
  if (files.length === 0 || files.length > maxNamedStyles) return allStyles;
  const names = files.map((file) => path.posix.basename(pathToFileURL(file).pathname));
  return `/(${names.map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})([?#]|$)`;
}
