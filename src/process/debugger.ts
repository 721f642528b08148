/** Finds out whether a debugger is connected to a program. Such a program may be paused, and answers nothing then. */

import type { TcpSocket } from './platform/interface.ts';
import { platform } from './platform.ts';

/** The inspector answers in a thread of its own, also while the program is paused. */
const answerTimeoutMs = 500;

/**
 * Returns the port of an inspector of Node with a client, opened by a flag, SIGUSR1 or the program; undefined if there is
 * none, or the sockets of processes are unknown.
 *
 * @param pids the processes of the program
 * @param served ports of the program's own servers, which are not asked
 */
export async function findDebugger(
  pids: readonly number[],
  served: ReadonlySet<number> = new Set(),
): Promise<number | undefined> {
  const own = platform.sockets.tcpSocketsOf(pids);
  const candidates = own.filter(
    ({ port, state }) =>
      state === 'listening' &&
      !served.has(port) &&
      own.some((other) => other.state === 'connected' && other.port === port),
  );
  const found = await Promise.all(candidates.map(isInspector));
  return candidates.find((_, index) => found[index])?.port;
}

async function isInspector({ host, port }: TcpSocket): Promise<boolean> {
  const http = await import('node:http');
  return new Promise((resolve) => {
    const options = { host, port, path: '/json/version', agent: false, timeout: answerTimeoutMs };
    const request = http.get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('close', () => resolve(text.includes('"Protocol-Version"')));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
    request.on('socket', (socket) => socket.unref());
  });
}
