/**
 * Probes a program once. Only the configured address is contacted: no proxy, no redirect. The connection is
 * closed when the result is known, and does not keep devwatch's own process alive.
 */

import type { Socket } from 'node:net';
import type { ProbeFailure, ProbeResult } from '../supervise/health.ts';

const closed: ProbeResult = { ok: false, kind: 'closed' };

/** Time to read the body, in ms: a program may log an error if its client disconnects within a short response. */
const bodyTimeoutMs = 50;

/**
 * Sends a GET request. A response with any status below 500 counts as healthy, as soon as its head arrives.
 * The certificate is not verified: a probe checks that the server responds, not its identity.
 */
export async function probeHttp(url: URL, signal: AbortSignal): Promise<ProbeResult> {
  const secure = url.protocol === 'https:';
  const request: typeof import('node:https').request = (await (secure ? import('node:https') : import('node:http')))
    .request;
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let result: ProbeResult | undefined;
    let bodyTimer: NodeJS.Timeout | undefined;
    const headers = { 'user-agent': 'devwatch' };
    // Without an agent nothing is kept open, and the environment's proxies, which the global agent uses, are ignored.
    const client = request(url, { agent: false, rejectUnauthorized: false, headers, signal });
    const finish = (fallback: ProbeResult): void => {
      clearTimeout(bodyTimer);
      client.destroy();
      resolve(result ?? fallback);
    };
    const onClose = (): void => finish(closed);
    client.on('socket', releaseLoop);
    client.on('error', (error) => finish(failureOf(error)));
    client.on('close', onClose);
    client.on('response', (response) => {
      const status = response.statusCode ?? 0;
      result =
        status >= 500
          ? { ok: false, kind: 'status', detail: String(status) }
          : { ok: true, ms: performance.now() - startedAt };
      bodyTimer = setTimeout(onClose, bodyTimeoutMs).unref();
      response.on('error', onClose);
      response.on('close', onClose);
      response.resume();
    });
    client.end();
  });
}

/** Connects. This only shows that the program listens: the kernel accepts connections for a blocked program. */
export async function probeTcp(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const socket = connect({ host, port, signal });
    const finish = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    releaseLoop(socket);
    socket.on('connect', () => finish({ ok: true, ms: performance.now() - startedAt }));
    socket.on('error', (error) => finish(failureOf(error)));
    socket.on('close', () => finish(closed));
  });
}

function releaseLoop(socket: Socket): void {
  socket.unref();
  // Each address of a name is tried with a handle of its own.
  socket.on('connectionAttempt', () => socket.unref());
}

function failureOf(error: NodeJS.ErrnoException): ProbeResult {
  // The addresses of one name can fail differently. A refused connection says most about the server.
  const errors: readonly NodeJS.ErrnoException[] = error instanceof AggregateError ? error.errors : [error];
  const refused = errors.find(({ code }) => code === 'ECONNREFUSED');
  return { ok: false, ...failureOfAddress(refused ?? errors[0] ?? error) };
}

function failureOfAddress({ code, syscall, message }: NodeJS.ErrnoException): ProbeFailure {
  if (code === 'ECONNREFUSED') return { kind: 'refused' };
  if (code === 'ETIMEDOUT' || code === 'ABORT_ERR') return { kind: 'timeout' };
  // Node uses the same code for an orderly close before the response, but then without a failed system call.
  if (code === 'ECONNRESET') return { kind: syscall === undefined ? 'closed' : 'reset' };
  if (code === 'EPIPE') return { kind: 'reset' };
  if (code?.startsWith('HPE_')) return { kind: 'reset', detail: code };
  return { kind: 'unreachable', detail: code ?? message };
}
