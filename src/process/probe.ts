/**
 * Asks a program once whether it lives. Only the address that was configured is contacted: no
 * proxy, no redirect. What is open when the answer is in is closed, and nothing of it keeps
 * devwatch's own process alive.
 */

import type { Socket } from 'node:net';
import type { ProbeFailure, ProbeResult } from '../supervise/health.ts';

const timedOut: ProbeResult = { ok: false, kind: 'timeout' };
const closed: ProbeResult = { ok: false, kind: 'closed' };

/** For a body to end, in ms: programs that lose a reader halfway through a short answer may complain. */
const bodyTime = 50;

/**
 * Asks with GET; the head of the response is the answer, and any status below 500 a good one.
 * A certificate is not checked: the question is whether the server lives, not who it is.
 */
export async function probeHttp(url: URL, signal: AbortSignal): Promise<ProbeResult> {
  const secure = url.protocol === 'https:';
  const request: typeof import('node:https').request = (await (secure ? import('node:https') : import('node:http')))
    .request;
  if (signal.aborted) return timedOut;
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let answer: ProbeResult | undefined;
    let bodyTimer: NodeJS.Timeout | undefined;
    // An agent of its own: nothing is kept open, and the proxies of the environment are the global one's.
    const asked = request(url, { agent: false, rejectUnauthorized: false, headers: { 'user-agent': 'devwatch' } });

    function finish(result: ProbeResult): void {
      clearTimeout(bodyTimer);
      signal.removeEventListener('abort', onAbort);
      asked.destroy();
      resolve(answer ?? result);
    }
    const onAbort = (): void => finish(timedOut);
    const onClose = (): void => finish(closed);

    signal.addEventListener('abort', onAbort);
    asked.on('socket', releaseLoop);
    asked.on('error', (error) => finish(failureOf(error)));
    asked.on('close', onClose);
    asked.on('response', (response) => {
      const status = response.statusCode ?? 0;
      answer =
        status >= 500
          ? { ok: false, kind: 'status', detail: String(status) }
          : { ok: true, ms: performance.now() - startedAt };
      bodyTimer = setTimeout(onClose, bodyTime).unref();
      response.on('error', onClose);
      response.on('close', onClose);
      response.resume();
    });
    asked.end();
  });
}

/** Connects. The kernel answers in the place of a program that is blocked: this only shows that it listens. */
export async function probeTcp(
  address: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { connect } = await import('node:net');
  if (signal.aborted) return timedOut;
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const socket = connect({ host: address.host, port: address.port });

    function finish(result: ProbeResult): void {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    }
    const onAbort = (): void => finish(timedOut);

    signal.addEventListener('abort', onAbort);
    releaseLoop(socket);
    socket.on('connect', () => finish({ ok: true, ms: performance.now() - startedAt }));
    socket.on('error', (error) => finish(failureOf(error)));
    socket.on('close', () => finish(closed));
  });
}

function releaseLoop(socket: Socket): void {
  socket.unref();
  // For a name with several addresses, each is tried with a handle of its own.
  socket.on('connectionAttempt', () => socket.unref());
}

function failureOf(error: NodeJS.ErrnoException): ProbeResult {
  // A name with several addresses fails in several ways; one that refuses is where a server would be.
  const each: readonly NodeJS.ErrnoException[] = error instanceof AggregateError ? error.errors : [error];
  const refused = each.find(({ code }) => code === 'ECONNREFUSED');
  return { ok: false, ...failureOfOne(refused ?? each[0] ?? error) };
}

function failureOfOne({ code, syscall, message }: NodeJS.ErrnoException): ProbeFailure {
  if (code === 'ECONNREFUSED') return { kind: 'refused' };
  if (code === 'ETIMEDOUT') return { kind: 'timeout' };
  // Node reports a proper end before the answer under the same code, but then no call has failed.
  if (code === 'ECONNRESET') return { kind: syscall === undefined ? 'closed' : 'reset' };
  if (code === 'EPIPE') return { kind: 'reset' };
  if (code?.startsWith('HPE_')) return { kind: 'reset', detail: code };
  return { kind: 'unreachable', detail: code ?? message };
}
