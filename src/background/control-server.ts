/** Answers requests to a devwatch in the background; see control-protocol.ts. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { on, once, setMaxListeners } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type Clock, systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { defaultTimeoutMs, encode, isObject, maxRequestBytes } from './control-protocol.ts';
import { checkPrivate, makePrivate } from './private-folder.ts';

export interface ControlRequest {
  readonly verb: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Aborted when the client is gone, or the server closes: the answer is no longer needed. */
  readonly signal: AbortSignal;
}

/** Returns one answer, or a stream of items that ends when `signal` is aborted. A thrown error's message is sent. */
export type ControlHandler = (request: ControlRequest) => Promise<object> | AsyncIterable<object>;

export interface ControlOptions {
  /** Path of the socket, in a folder that exists and is closed to others. */
  readonly path: string;
  readonly token: string;
  readonly handlers: Readonly<Record<string, ControlHandler>>;
  /** For the time that a client has to send its request. */
  readonly clock?: Clock;
  /** Interval of checks that the socket still exists. Default: 10,000. */
  readonly checkIntervalMs?: number;
}

const maxConnections = 32;
/** Time for a client to read why it was refused. */
const refusalTimeoutMs = 1000;
/** Time for answers once the server closes. */
const closeTimeoutMs = 1000;

export class ControlServer {
  readonly #options: ControlOptions;
  readonly #connections = new Set<net.Socket>();
  readonly #closing = new AbortController();
  #check: NodeJS.Timeout | undefined;
  #server: net.Server | undefined;
  #isReopening = false;

  private constructor(options: ControlOptions) {
    this.#options = options;
    // Each connection adds a listener; lift Node's limit of 10.
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * Listens for requests. Replaces a socket on which no process listens; the caller must hold the lock of the name, so
   * that no other process does. @throws UsageError if another process listens there, or the folder is open to others
   */
  static async open(options: ControlOptions): Promise<ControlServer> {
    checkPrivate(path.dirname(options.path));
    await removeStale(options.path);
    const server = new ControlServer(options);
    await server.#listen();
    server.#check = setInterval(() => void server.reopen(), options.checkIntervalMs ?? 10_000).unref();
    return server;
  }

  /** Removes the socket, ends streams, and resolves when all other requests are answered, after 1 s at the latest. */
  async close(): Promise<void> {
    clearInterval(this.#check);
    this.#closing.abort();
    this.#server?.close();
    // `once` would reject if a socket failed.
    const closed = [...this.#connections].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    await withDeadline(systemClock, closeTimeoutMs, Promise.all(closed));
    for (const socket of this.#connections) socket.destroy();
  }

  /** Listens again if the socket was removed: by systemd with the last login of the user, or by a cleaner of /tmp. */
  async reopen(): Promise<void> {
    const { path: file } = this.#options;
    const folder = path.dirname(file);
    if (this.#isReopening || fs.existsSync(file)) return;
    this.#isReopening = true;
    try {
      // This comes first, because it removes whatever is at the path.
      this.#server?.close();
      makePrivate(folder);
      await this.#listen();
    } catch {
      // The next check tries again: the folder may not be made before the next login.
    }
    this.#isReopening = false;
  }

  async #listen(): Promise<void> {
    // Half open, because Node would otherwise close the connection before a refusal is sent.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    const umask = process.umask(0o177);
    server.listen(this.#options.path);
    process.umask(umask);
    await once(server, 'listening').catch((error) => {
      throw new UsageError(`${this.#options.path}: cannot listen there (${codeOf(error)})`);
    });
    // Without a free descriptor a connection is lost; later ones may succeed.
    server.on('error', () => {});
    if (this.#closing.signal.aborted) server.close();
    else this.#server = server;
  }

  #accept(socket: net.Socket): void {
    // A client that resets the connection is gone like any other.
    socket.on('error', () => {});
    if (this.#connections.size >= maxConnections) {
      refuse(socket, 'too many connections');
      return;
    }
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    void this.#serve(socket);
  }

  async #serve(socket: net.Socket): Promise<void> {
    const { token, handlers, clock = systemClock } = this.#options;
    const closing = this.#closing.signal;
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    closing.addEventListener('abort', leave);
    const cancelTimeout = clock.after(defaultTimeoutMs, leave);
    try {
      const line = await readRequest(socket, leaving.signal).catch((error) => {
        if (!leaving.signal.aborted) throw error;
        throw new UsageError(closing.aborted ? 'is stopping' : 'no request arrived in time');
      });
      cancelTimeout();
      // Discard further input, but keep reading to notice the disconnect.
      socket.resume();
      socket.once('close', leave);
      // A client that is gone looks like one that has finished sending, and would be kept until the answer.
      socket.once('end', () => socket.destroy());
      const { verb, params } = parseRequest(line, token);
      const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined;
      if (handler === undefined) throw new UsageError(`unknown verb "${verb.slice(0, 80)}"`);
      const answer = handler({ verb, params, signal: leaving.signal });
      if (Symbol.asyncIterator in answer) await sendItems(answer, socket, leaving.signal);
      else socket.write(encode({ result: await answer }));
      socket.end(() => socket.destroy());
    } catch (error) {
      refuse(socket, messageOf(error));
    } finally {
      cancelTimeout();
      closing.removeEventListener('abort', leave);
    }
  }
}

async function removeStale(file: string): Promise<void> {
  const stats = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new UsageError(`${file}: exists and is not a socket · remove it`);
  const socket = net.connect(file);
  try {
    await once(socket, 'connect');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    if (codeOf(error) !== 'ECONNREFUSED') throw new UsageError(`${file}: ${messageOf(error)}`);
    return fs.rmSync(file, { force: true });
  } finally {
    socket.destroy();
  }
  throw new UsageError(`${file}: another process already listens there`);
}

/** Reads the first line. @throws UsageError if it is too long or incomplete, and an error when the signal is aborted */
async function readRequest(socket: net.Socket, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // The socket's own iterator would destroy it after the first line.
  for await (const [data] of on(socket, 'data', { signal, close: ['end', 'close'] })) {
    const chunk: Buffer = data;
    const end = chunk.indexOf(10);
    length += end < 0 ? chunk.length : end + 1;
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (length > maxRequestBytes) throw new UsageError(`a request has ${maxRequestBytes} bytes at most`);
    if (end >= 0) return Buffer.concat(chunks);
  }
  throw new UsageError('expected one line of JSON');
}

/**
 * Sends the reason and closes the connection once the client has, or after a while. What the client sends until then is
 * read: it would get an error instead of the reason if nobody did.
 */
function refuse(socket: net.Socket, error: string): void {
  const timer = setTimeout(() => socket.destroy(), refusalTimeoutMs).unref();
  socket.once('end', () => socket.destroy()).once('close', () => clearTimeout(timer));
  socket.resume();
  socket.end(encode({ error }));
}

/** Sends items as fast as the client reads, until they end or the client leaves. */
async function sendItems(items: AsyncIterable<object>, socket: net.Socket, leaving: AbortSignal): Promise<void> {
  socket.write(encode({ streaming: true }));
  for await (const item of items) {
    if (!socket.write(encode({ item }))) await once(socket, 'drain', { signal: leaving }).catch(() => {});
    if (leaving.aborted) break;
  }
  socket.write(encode({ end: true }));
}

function parseRequest(line: Buffer, token: string): Pick<ControlRequest, 'verb' | 'params'> {
  let request: unknown;
  try {
    request = JSON.parse(line.toString('utf8'));
  } catch {
    throw new UsageError('expected one line of JSON');
  }
  if (!isObject(request) || typeof request.token !== 'string' || !isEqual(request.token, token)) {
    throw new UsageError('the token is wrong');
  }
  const { verb, params = {} } = request;
  if (typeof verb !== 'string' || !isObject(params))
    throw new UsageError('a request needs a "verb", and "params" must be an object');
  return { verb, params };
}

/** Compares in a time that reveals nothing about either text, lengths included. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
