/** Sends requests to a devwatch in the background; see control-protocol.ts. */

import net from 'node:net';
import path from 'node:path';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { defaultTimeoutMs, encode, isObject, maxAnswerLength } from './control-protocol.ts';
import { checkPrivate } from './private-folder.ts';
import type { BackgroundRecord } from './records.ts';

/** The devwatch that a request goes to. */
export type ControlTarget = Pick<BackgroundRecord, 'name' | 'pid' | 'socket' | 'token'>;

interface RequestOptions {
  readonly params?: object;
  /** Time until the first message. Default: 5000. */
  readonly timeoutMs?: number;
  /** Closes the connection when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Sends a request that has one answer. @throws UsageError if there is no answer in time, or the answer is an error */
export async function request(target: ControlTarget, verb: string, options?: RequestOptions): Promise<object> {
  for await (const message of exchange(target, verb, options)) {
    if (isObject(message.result)) return message.result;
    throw new UsageError(`${target.name}: "${verb}" has no single answer`);
  }
  throw new UsageError(`${target.name} closed the connection without an answer (pid ${target.pid})`);
}

/** Sends a request that has any number of answers. Ends when the signal is aborted. @throws UsageError on other ends */
export async function* stream(
  target: ControlTarget,
  verb: string,
  options?: RequestOptions,
): AsyncGenerator<object, void> {
  for await (const message of exchange(target, verb, options)) {
    if (isObject(message.result)) return yield message.result;
    if (isObject(message.item)) yield message.item;
    if (message.end === true) return;
  }
  if (options?.signal?.aborted) return;
  throw new UsageError(`${target.name} has ended, or closed the connection (pid ${target.pid})`);
}

async function* exchange(
  { name, pid, socket: file, token }: ControlTarget,
  verb: string,
  { params = {}, timeoutMs = defaultTimeoutMs, signal }: RequestOptions = {},
): AsyncGenerator<Record<string, unknown>, void> {
  if (signal?.aborted) return;
  const silent = `${name} does not answer (pid ${pid})`;
  try {
    // The token must not be sent to a socket of another user.
    checkPrivate(path.dirname(file));
  } catch (error) {
    throw new UsageError(`${silent}: ${messageOf(error)}`);
  }
  const socket = net.connect({ path: file, ...(signal && { signal }) });
  const timer = setTimeout(() => socket.destroy(new UsageError(`${silent} within ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    socket.setEncoding('utf8');
    socket.write(encode({ token, verb, params }));
    for await (const line of linesOf(socket)) {
      clearTimeout(timer);
      const message: unknown = JSON.parse(line);
      if (!isObject(message)) throw new UsageError(`${name} sent an invalid answer (pid ${pid})`);
      if (typeof message.error === 'string') throw new UsageError(`${name}: ${message.error}`);
      yield message;
    }
  } catch (error) {
    if (signal?.aborted) return;
    throw error instanceof UsageError ? error : new UsageError(`${silent}: ${codeOf(error) ?? messageOf(error)}`);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

async function* linesOf(socket: net.Socket): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of socket) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxAnswerLength) throw new Error('the answer is too long');
    yield* lines;
  }
}
