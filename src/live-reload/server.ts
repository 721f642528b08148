/**
 * Reloads the pages that a browser shows: they hold a stream of server-sent events open, on
 * loopback only. Nothing wakes up here while nothing happens.
 */

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type net from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { clientScript } from './page-script.ts';

export interface LiveReload {
  /** `http://127.0.0.1:35729`; the client script is `/client.js` there. */
  readonly url: string;
  readonly port: number;
  /** Tells every open page: the new generation answers. */
  reload(): void;
  /**
   * Only these style sheets changed (absolute paths): pages swap those links that end with the name
   * of one of them, or all their links if none does.
   */
  swapStyles(paths: readonly string[]): void;
  /** Ends all streams; resolves once the port is free. */
  close(): Promise<void>;
}

export interface LiveReloadOptions {
  /** 0: any free one. */
  readonly port: number;
}

const loopback = String.raw`(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?`;
const loopbackHost = new RegExp(`^${loopback}$`, 'i');
const loopbackOrigin = new RegExp(String.raw`^[a-z][a-z\d+.-]*://${loopback}$`, 'i');

/** How soon, in ms, a page comes back after devwatch has gone. */
const retry = 500;
/** Bytes that may wait for a page that does not read them. It comes back and is told what it missed. */
const unsentLimit = 64 * 1024;
/** More changed style sheets than this are told as a change of all. */
const longestList = 100;
/** A pattern that every address matches. */
const allStyles = '/';
/**
 * Browsers open 6 connections to one server for all tabs together, and streams hold theirs: one
 * must be left, or the next tab waits for the client script for ever.
 */
const streamsPerBrowser = 5;
/** The longest interval that Node has, in ms. */
const never = 2 ** 31 - 1;

/**
 * Listens on 127.0.0.1 and, where there is one, on ::1, too. Does not keep the process alive.
 * @throws UsageError when the port is taken or may not be used.
 */
export async function openLiveReload({ port: wanted }: LiveReloadOptions): Promise<LiveReload> {
  /** The open streams, the longest open first, and which browser each is from. */
  const streams = new Map<http.ServerResponse, string>();
  const instance = randomBytes(4).toString('hex');
  let latest = 0;
  let latestReload = 0;
  let closing: Promise<void> | undefined;

  const latestId = (): string => `${instance}.${latest}`;

  // Always with data: an event without is none, and Firefox then takes no note of its id.
  const eventOf = (type: 'hello' | 'reload' | 'styles' | 'rest', data: string = allStyles): string =>
    `event: ${type}\nid: ${latestId()}\ndata: ${data}\n\n`;

  function tellAll(event: string): void {
    for (const stream of [...streams.keys()]) {
      if (stream.writableLength > unsentLimit) {
        streams.delete(stream);
        stream.destroy();
      } else {
        stream.write(event);
      }
    }
  }

  /** What brings a page up to date that knows of the events up to this id; empty if it knows of none yet. */
  function catchUp(lastId: string): string {
    const [from, number] = lastId.split('.');
    if (lastId === '' || lastId === latestId()) return eventOf('hello');
    // What went on under an earlier devwatch, and between the two, is unknown.
    return from !== instance || Number(number) < latestReload ? eventOf('reload') : eventOf('styles');
  }

  function stream({ headers, url = '' }: http.IncomingMessage, response: http.ServerResponse): void {
    // The header is newer: with it the browser comes back by itself to the same address.
    const lastId = headers['last-event-id'] ?? url.split('?')[1] ?? '';
    const browser = headers['user-agent'] ?? '';
    response.on('close', () => streams.delete(response));
    response.on('error', () => {});
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${retry}\n${catchUp(String(lastId))}`);
    streams.set(response, browser);
    const [longestOpen, ...others] = [...streams.keys()].filter((open) => streams.get(open) === browser);
    if (longestOpen !== undefined && others.length >= streamsPerBrowser) {
      streams.delete(longestOpen);
      longestOpen.end(eventOf('rest'));
    }
  }

  function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    // Both would set timers for the time after the answer.
    response.shouldKeepAlive = false;
    response.sendDate = false;
    const { host = '', origin } = request.headers;
    const allowed = origin === undefined || loopbackOrigin.test(origin);
    if (origin !== undefined && allowed) response.setHeader('access-control-allow-origin', origin);
    const file = request.url?.split('?')[0];
    if (!loopbackHost.test(host)) {
      // Names that somebody else has pointed at this machine (DNS rebinding) are not ours.
      refuse(response, 403, 'Only loopback names are answered.');
    } else if (file !== '/client.js' && file !== '/events') {
      refuse(response, 404, 'There are only /client.js and /events.');
    } else if (request.method !== 'GET') {
      response.setHeader('allow', 'GET');
      refuse(response, 405, 'Only GET is answered.');
    } else if (file === '/client.js') {
      response.writeHead(200, {
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': 'no-store',
        // For pages that are isolated from other origins (COEP).
        'cross-origin-resource-policy': 'cross-origin',
      });
      response.end(clientScript(`http://${host}`, latestId(), Date.now()));
    } else if (!allowed) {
      refuse(response, 403, 'Only pages from loopback names are told.');
    } else {
      stream(request, response);
    }
  }

  const first = await listen(answer, '127.0.0.1', wanted);
  const servers = [first];
  const { port } = first.address() as net.AddressInfo;
  try {
    // A browser may take localhost for either.
    servers.push(await listen(answer, '::1', port));
  } catch (error) {
    if (wanted !== 0 && error instanceof UsageError && codeOf(error.cause) === 'EADDRINUSE') {
      await closeServer(first);
      throw error;
    }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    reload() {
      latest += 1;
      latestReload = latest;
      tellAll(eventOf('reload'));
    },
    swapStyles(paths) {
      latest += 1;
      tellAll(eventOf('styles', patternOf(paths)));
    },
    close() {
      closing ??= (async () => {
        for (const stream of streams.keys()) stream.end();
        await Promise.all(servers.map(closeServer));
      })();
      return closing;
    },
  };
}

/** @throws UsageError whose cause is the system's error. */
function listen(answer: http.RequestListener, host: string, port: number): Promise<http.Server> {
  // By default, Node looks every 30 s for requests that are not complete.
  const server = http.createServer({ connectionsCheckingInterval: never }, answer);
  server.on('connection', (socket) => socket.unref());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(host, port, error)));
    server.listen(port, host, () => {
      // Later ones are connections that could not be accepted; their pages come back.
      server.on('error', () => {});
      server.unref();
      resolve(server);
    });
  });
}

function cannotListen(host: string, port: number, cause: Error): UsageError {
  const message =
    codeOf(cause) === 'EADDRINUSE'
      ? `port ${port} for live reload is taken; end what listens there, maybe another devwatch, or choose another port`
      : `live reload cannot listen on port ${port} of ${host} (${messageOf(cause)}); choose another port`;
  return new UsageError(message, { cause });
}

function closeServer(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function refuse(response: http.ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${reason}\n`);
}

/** A pattern for the addresses that end with the name of one of these files, whatever query follows. */
function patternOf(files: readonly string[]): string {
  if (files.length === 0 || files.length > longestList) return allStyles;
  const names = files.map((file) => path.posix.basename(pathToFileURL(file).pathname));
  return `/(${names.map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})([?#]|$)`;
}
