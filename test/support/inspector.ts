/** A client of Node's inspector, such as the debugger of an editor. */

import http from 'node:http';

export interface Debugger {
  /** The id of the program that is debugged. */
  readonly target: string;
  /** Resolves when the program has gone, or the debugger has disconnected. */
  readonly closed: Promise<void>;
  disconnect(): void;
}

/** Connects a debugger to the inspector on a port; resolves when it has been accepted. */
export async function attachDebugger(port: number): Promise<Debugger> {
  const [{ id }] = JSON.parse(await get(port, '/json/list'));
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
  const headers = { ...upgrade, 'Sec-WebSocket-Key': 'ZGV2d2F0Y2ggcmVjaXBlcw==' };
  const request = http.get({ port, path: `/${id}`, headers });
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', ({ statusCode }) => reject(new Error(`not accepted: ${statusCode}`)));
    request.on('upgrade', (_, socket) => {
      const closed = new Promise<void>((close) => socket.on('close', () => close()).resume());
      // The program may have been killed.
      socket.on('error', () => {});
      resolve({ target: id, closed, disconnect: () => socket.destroy() });
    });
  });
}

const get = (port: number, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = http.get({ port, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
