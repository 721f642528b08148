/**
 * Orders to a devwatch in the background, over a Unix socket: one connection per order, one JSON
 * object per line. The client sends `{"token", "verb", "params"}`. The answer is `{"result"}`, or
 * `{"streaming": true}` with any number of `{"item"}` and `{"end": true}`, or `{"error"}`.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { checkPrivate } from './private-folder.ts';
import type { BackgroundRecord } from './records.ts';
import { maxSocketPathBytes } from './socket-path.ts';

export interface ControlRequest {
  readonly verb: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Aborted when the client is gone, or the control is closed: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** What it throws is answered in words. */
export type ControlHandler = (request: ControlRequest) => Promise<object> | AsyncIterable<object>;

export interface ControlOptions {
  /** Of the socket, in a folder that is there and closed to others. */
  readonly path: string;
  readonly token: string;
  /** By verb. */
  readonly handlers: Readonly<Record<string, ControlHandler>>;
  /** How long a client may take for its request, in ms. Default: 5000. */
  readonly patience?: number;
  /** How often it is made sure that the socket is still there, in ms. Default: 10,000. */
  readonly checkEvery?: number;
}

export interface Control {
  readonly path: string;
  /**
   * Accepts nobody any more, removes the socket, ends streams, and resolves when all others have
   * their answer, after 1 s at the latest. A handler that awaits it waits for itself that long.
   */
  close(): Promise<void>;
}

/** Whom an order goes to. */
export type ControlTarget = Pick<BackgroundRecord, 'name' | 'pid' | 'socket' | 'token'>;

/** Bytes, the newline included. */
const largestRequest = 64 * 1024;
/** Characters in a line of an answer. */
const largestAnswer = 16 * 1024 * 1024;
const mostConnections = 32;
/** How long answers may take once the control closes, in ms. */
const closingTime = 1000;
/** How long a stream's first sign, or an answer, is waited for, in ms. */
const defaultTimeout = 5000;

/**
 * Listens for orders. What somebody left at the path is replaced if nobody answers there; that two
 * do so at once is for the caller to rule out, by the claim to the name.
 *
 * @throws UsageError when somebody answers there, and when the path is too long or its folder open to others.
 */
export async function openControl({
  path: file,
  token,
  handlers,
  patience = defaultTimeout,
  checkEvery = 10_000,
}: ControlOptions): Promise<Control> {
  if (Buffer.byteLength(file) > maxSocketPathBytes) {
    throw new UsageError(`${file}: is too long for a socket (${maxSocketPathBytes} bytes at most)`);
  }
  checkPrivate(path.dirname(file));
  await removeStale(file);
  const connections = new Set<net.Socket>();
  const closing = new AbortController();
  // More listen to it than Node thinks are sound: every connection does.
  setMaxListeners(0, closing.signal);
  let server = await listen(file, accept);
  // systemd removes a user's XDG_RUNTIME_DIR with the last login, and cleaners of /tmp what is old.
  let checking = false;
  const check = setInterval(async () => {
    if (checking || fs.existsSync(file)) return;
    checking = true;
    try {
      // First, for it removes whatever has its path.
      server.close();
      fs.mkdirSync(path.dirname(file), { mode: 0o700 });
    } catch {
      // It is there, or cannot be made before the next login.
    }
    try {
      checkPrivate(path.dirname(file));
      const next = await listen(file, accept);
      if (closing.signal.aborted) next.close();
      else server = next;
    } catch {
      // At the next look, perhaps.
    }
    checking = false;
  }, checkEvery);
  check.unref();

  function accept(socket: net.Socket): void {
    // A client that resets the connection is gone like any other.
    socket.on('error', () => {});
    if (connections.size >= mostConnections) {
      refuse(socket, 'too many connections');
      return;
    }
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    const onLine = (line: Buffer) => void answer(socket, line, { token, handlers, closing: closing.signal });
    readRequest(socket, { patience, closing: closing.signal, onLine });
  }

  return {
    path: file,
    async close() {
      clearInterval(check);
      closing.abort();
      server.close();
      const late = setTimeout(() => {
        for (const socket of connections) socket.destroy();
      }, closingTime);
      // Not by `once`, which fails when they do.
      await Promise.all([...connections].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
      clearTimeout(late);
    },
  };
}

async function removeStale(file: string): Promise<void> {
  const stats = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new UsageError(`${file}: is there and no socket · remove it`);
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
  throw new UsageError(`${file}: somebody already listens there`);
}

async function listen(file: string, accept: (socket: net.Socket) => void): Promise<net.Server> {
  // Half open: else Node itself would close before a refusal is sent.
  const server = net.createServer({ allowHalfOpen: true }, accept);
  const listening = once(server, 'listening');
  const umask = process.umask(0o177);
  try {
    server.listen(file);
  } finally {
    process.umask(umask);
  }
  try {
    await listening;
  } catch (error) {
    throw new UsageError(`${file}: nobody can listen there (${codeOf(error)})`);
  }
  // Out of descriptors: whoever comes next may have more luck.
  server.on('error', () => {});
  return server;
}

interface Reception {
  /** Milliseconds. */
  readonly patience: number;
  readonly closing: AbortSignal;
  /** Called with the request, once, unless there is none. */
  onLine(line: Buffer): void;
}

function readRequest(socket: net.Socket, { patience, closing, onLine }: Reception): void {
  const chunks: Buffer[] = [];
  let length = 0;
  const finish = (): void => {
    clearTimeout(late);
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', finish);
    closing.removeEventListener('abort', onClosing);
  };
  const stop = (reason: string): void => {
    finish();
    refuse(socket, reason);
  };
  const onEnd = (): void => stop('a request is a line');
  const onClosing = (): void => stop('is about to end');
  const onData = (chunk: Buffer): void => {
    const end = chunk.indexOf(10);
    length += end < 0 ? chunk.length : end + 1;
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (length > largestRequest) {
      stop(`a request has ${largestRequest} bytes at most`);
    } else if (end >= 0) {
      finish();
      // What else comes is nothing to us, but only who reads sees the end.
      socket.resume();
      onLine(Buffer.concat(chunks));
    }
  };
  const late = setTimeout(() => stop('no request came in time'), patience);
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('close', finish);
  closing.addEventListener('abort', onClosing);
}

/** Says why, and closes; does not wait until it has been read. */
function refuse(socket: net.Socket, error: string): void {
  socket.end(`${JSON.stringify({ error })}\n`, () => socket.destroy());
}

interface Desk {
  readonly token: string;
  readonly handlers: Readonly<Record<string, ControlHandler>>;
  readonly closing: AbortSignal;
}

async function answer(socket: net.Socket, line: Buffer, { token, handlers, closing }: Desk): Promise<void> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  socket.once('close', leave);
  // Who is gone looks the same as who has no more to say, and would be kept until the answer.
  socket.once('end', () => socket.destroy());
  closing.addEventListener('abort', leave);
  const send = (message: object): boolean => socket.write(`${JSON.stringify(message)}\n`);
  try {
    const { verb, params } = parseRequest(line, token);
    const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined;
    if (handler === undefined) throw new UsageError(`there is no "${verb.slice(0, 80)}"`);
    const answering = handler({ verb, params, signal: leaving.signal });
    if (!(Symbol.asyncIterator in answering)) {
      send({ result: await answering });
    } else {
      send({ streaming: true });
      await sendAll(answering, send, socket, leaving.signal);
      send({ end: true });
    }
    socket.end(() => socket.destroy());
  } catch (error) {
    refuse(socket, messageOf(error));
  } finally {
    closing.removeEventListener('abort', leave);
  }
}

/** As fast as the client reads, until the end or until it leaves. */
async function sendAll(
  items: AsyncIterable<object>,
  send: (message: object) => boolean,
  socket: net.Socket,
  leaving: AbortSignal,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = await unless(leaving, iterator.next());
    if (next === undefined) {
      // It may have no end but this one.
      void iterator.return?.()?.catch(() => {});
      return;
    }
    if (next.done === true) return;
    if (!send({ item: next.value })) await unless(leaving, new Promise((resolve) => socket.once('drain', resolve)));
  }
}

/** What the promise gives, or undefined as soon as the signal is aborted: a handler need not heed it. */
function unless<Value>(signal: AbortSignal, promise: Promise<Value>): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const leave = (): void => resolve(undefined);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave);
    // Promise.race would hold on to every one of an endless stream.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

function parseRequest(line: Buffer, token: string): { verb: string; params: Readonly<Record<string, unknown>> } {
  let request: unknown;
  try {
    request = JSON.parse(line.toString('utf8'));
  } catch {
    throw new UsageError('a request is JSON');
  }
  if (!isObject(request) || typeof request.token !== 'string' || !isEqual(request.token, token)) {
    throw new UsageError('the token is wrong');
  }
  const { verb, params = {} } = request;
  if (typeof verb !== 'string' || !isObject(params))
    throw new UsageError('a request has a "verb", and "params" if any');
  return { verb, params };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** In a time that tells nothing about either, lengths included. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/**
 * One order, one answer.
 *
 * @param timeout for all of it, in ms. Default: 5000.
 * @throws UsageError when it does not answer, or answers that it cannot.
 */
export async function ask(
  target: ControlTarget,
  verb: string,
  params: object = {},
  { timeout = defaultTimeout, signal }: Partial<Conversation> = {},
): Promise<object> {
  for await (const message of converse(target, verb, params, { timeout, signal })) {
    if (isObject(message.result)) return message.result;
    throw new UsageError(`${target.name}: "${verb}" has no single answer`);
  }
  throw new UsageError(`${target.name} hung up without an answer (pid ${target.pid})`);
}

/**
 * One order, any number of answers; a single one, if that is all there is. Ends without an error
 * when `signal` is aborted.
 *
 * @throws UsageError when there is no sign of it for 5 s, when it hangs up, or answers that it cannot.
 */
export async function* stream(
  target: ControlTarget,
  verb: string,
  params: object = {},
  signal?: AbortSignal,
): AsyncGenerator<object, void> {
  for await (const message of converse(target, verb, params, { timeout: defaultTimeout, signal })) {
    if (isObject(message.result)) return yield message.result;
    if (isObject(message.item)) yield message.item;
    if (message.end === true) return;
  }
  if (!isAborted(signal)) {
    throw new UsageError(`${target.name} has ended, or hung up (pid ${target.pid})`);
  }
}

interface Conversation {
  /** Until the first message, in ms. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

async function* converse(
  { name, pid, socket: file, token }: ControlTarget,
  verb: string,
  params: object,
  { timeout, signal }: Conversation,
): AsyncGenerator<Record<string, unknown>, void> {
  if (isAborted(signal)) return;
  const silent = `${name} does not answer (pid ${pid})`;
  try {
    // The token is for nobody else.
    checkPrivate(path.dirname(file));
  } catch (error) {
    throw new UsageError(`${silent}: ${messageOf(error)}`);
  }
  const socket = net.connect(file);
  const late = setTimeout(() => socket.destroy(new UsageError(`${silent} within ${timeout / 1000} s`)), timeout);
  const leave = (): void => void socket.destroy();
  signal?.addEventListener('abort', leave);
  try {
    socket.setEncoding('utf8');
    socket.write(`${JSON.stringify({ token, verb, params })}\n`);
    for await (const line of linesOf(socket)) {
      clearTimeout(late);
      const message: unknown = JSON.parse(line);
      if (!isObject(message)) throw new UsageError(`${name} answers what nobody understands (pid ${pid})`);
      if (typeof message.error === 'string') throw new UsageError(`${name}: ${message.error}`);
      yield message;
    }
  } catch (error) {
    if (isAborted(signal)) return;
    throw error instanceof UsageError ? error : new UsageError(`${silent}: ${codeOf(error) ?? messageOf(error)}`);
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', leave);
    socket.destroy();
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

async function* linesOf(socket: net.Socket): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of socket) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > largestAnswer) throw new Error('too long an answer');
    yield* lines;
  }
}
