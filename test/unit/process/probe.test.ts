/** Single probes of real servers on the loopback, in each way in which a server can hang. */

import { getEventListeners } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseProbe } from '../../../src/config/probe-url.ts';
import { probeHttp, probeTcp } from '../../../src/process/probe.ts';
import { freePort } from '../../support/ports.ts';

/** A self-signed certificate for `localhost`, valid for a hundred years. */
const selfSigned = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeQBd7PlWlMSLq0bm
Uos/SetenMmDd6bS0G3QhAon0EChRANCAAR3bSju4nZSovDKEW1Rd8BiFzeyqfse
w55agDa1DvmI7gXh32Ye4UucSo1KqQuIKdlAitiUZpBeT8ZfbNqb52zn
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUViLcQHfw5Yl3pnxnROG5GKiKrbYwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMyMjMyNTJaGA8yMTI2MTAzMDIyMzI1
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHdt
KO7idlKi8MoRbVF3wGIXN7Kp+x7DnlqANrUO+YjuBeHfZh7hS5xKjUqpC4gp2UCK
2JRmkF5Pxl9s2pvnbOejUzBRMB0GA1UdDgQWBBQs3sj9E3aiOD7BgfAH4fHZc3iy
AjAfBgNVHSMEGDAWgBQs3sj9E3aiOD7BgfAH4fHZc3iyAjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQD1rDae37GTC+uLrPPIlSq24+B8XOCUnP9m
4u7Hyf+UvQIhAJLApkwmxB8c+80Tp8bAG8ZmgCP8RpGTbnLZOz5ozn6z
-----END CERTIFICATE-----
`,
};

const open = new Set<{ close(): void }>();

afterEach(() => {
  for (const server of open) server.close();
  open.clear();
});

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.add(server);
  return (server.address() as AddressInfo).port;
}

const address = (port: number) => new URL(`http://127.0.0.1:${port}/health?full`);

/** A server that calls `onRequest` with each connection; `asked` resolves after the first request. */
async function rawServer(onRequest: (socket: net.Socket) => void) {
  let onAsked = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    onAsked = resolve;
  });
  let closed = 0;
  const requests: string[] = [];
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed += 1;
    });
    socket.once('data', (data) => {
      requests.push(data.toString());
      onRequest(socket);
      onAsked();
    });
  });
  return { url: address(await listen(server)), asked, requests, closed: () => closed };
}

async function httpServer(onRequest: http.RequestListener) {
  const requests: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    requests.push(request);
    onRequest(request, response);
  });
  return { url: address(await listen(server)), requests };
}

const never = (): AbortSignal => new AbortController().signal;

describe('parseProbe', () => {
  test.each([
    ['http://localhost', 'http://localhost/'],
    ['http://127.0.0.1:3000/health?full=1', 'http://127.0.0.1:3000/health?full=1'],
    ['HTTPS://[::1]:8443/', 'https://[::1]:8443/'],
  ])('reads %s', (text, url) => {
    expect(parseProbe(text)).toEqual({ kind: 'http', url: new URL(url) });
  });

  test.each([
    ['tcp://localhost:5432', 'localhost', 5432],
    ['tcp://10.0.0.1:1/', '10.0.0.1', 1],
    ['tcp://[::1]:80', '::1', 80],
  ])('reads %s', (text, host, port) => {
    expect(parseProbe(text)).toEqual({ kind: 'tcp', host, port });
  });

  test('reads event-loop', () => {
    expect(parseProbe('event-loop')).toEqual({ kind: 'event-loop' });
  });

  test.each([
    '',
    '3000',
    'localhost:3000',
    'http:localhost',
    'http://',
    'http://localhost:70000',
    'http://localhost:0',
    'ftp://localhost',
    'tcp://localhost',
    'tcp://:80',
    'tcp://localhost:0',
    'tcp://localhost:70000',
    'tcp://localhost:80/path',
    'tcp://user@localhost:80',
    'event-loops',
  ])('rejects %j', (text) => {
    expect(parseProbe(text)).toBeUndefined();
  });
});

describe('an HTTP probe', () => {
  test.each([200, 204, 301, 304, 401, 404, 499])('succeeds with status %i', async (status) => {
    const { url, requests } = await httpServer((_, response) => response.writeHead(status).end());
    expect(await probeHttp(url, never())).toEqual({ ok: true, ms: expect.any(Number) });
    const [request] = requests;
    expect(request?.method).toBe('GET');
    expect(request?.url).toBe('/health?full');
    expect(request?.headers).toEqual({ host: url.host, 'user-agent': 'devwatch', connection: 'close' });
  });

  test.each([500, 503, 599])('fails with status %i', async (status) => {
    const { url } = await httpServer((_, response) => response.writeHead(status).end('wait'));
    expect(await probeHttp(url, never())).toEqual({ ok: false, kind: 'status', detail: String(status) });
  });

  test('succeeds with a redirect, and does not follow it', async () => {
    const elsewhere = await httpServer((_, response) => response.end());
    const { url, requests } = await httpServer((_, response) =>
      response.writeHead(302, { location: elsewhere.url.href }).end(),
    );
    expect(await probeHttp(url, never())).toMatchObject({ ok: true });
    await turn();
    expect(requests).toHaveLength(1);
    expect(elsewhere.requests).toHaveLength(0);
  });

  test('succeeds with the head of the response, however slow the body is', async () => {
    const { url, closed } = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly the beginning');
    });
    expect(await probeHttp(url, never())).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(closed()).toBe(1));
  });

  test('reads a short response in two parts to its end', async () => {
    const seen: string[] = [];
    const { url } = await rawServer(async (socket) => {
      socket.on('end', () => seen.push('hung up'));
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1');
      for (let pass = 0; pass < 10; pass += 1) await turn();
      seen.push('all sent');
      socket.write('2');
    });
    expect(await probeHttp(url, never())).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(seen).toEqual(['all sent', 'hung up']));
  });

  test('keeps its result if it is aborted after the head', async () => {
    const { url, asked, closed } = await rawServer((socket) => {
      socket.write('HTTP/1.1 500 Oh\r\ncontent-length: 1000\r\n\r\n');
    });
    const controller = new AbortController();
    const result = probeHttp(url, controller.signal);
    await asked;
    for (let pass = 0; pass < 20; pass += 1) await turn();
    controller.abort();
    expect(await result).toEqual({ ok: false, kind: 'status', detail: '500' });
    await vi.waitFor(() => expect(closed()).toBe(1));
  });

  test.each<[string, (socket: net.Socket) => void]>([
    ['accepts and stays silent', () => undefined],
    ['stops in the middle of the head', (socket) => socket.write('HTTP/1.1 200 OK\r\nx: ')],
    [
      'sends its head byte by byte',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nx: ');
        const timer = setInterval(() => socket.write('.'), 1);
        socket.on('close', () => clearInterval(timer));
      },
    ],
    ['sends only 100 Continue', (socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
  ])('ends on abort when a server %s', async (_, onRequest) => {
    const { url, asked, closed } = await rawServer(onRequest);
    const controller = new AbortController();
    const result = probeHttp(url, controller.signal);
    let settled = false;
    result.finally(() => {
      settled = true;
    });
    await asked;
    for (let pass = 0; pass < 20; pass += 1) await turn();
    expect(settled).toBe(false);
    controller.abort();
    expect(await result).toEqual({ ok: false, kind: 'timeout' });
    await vi.waitFor(() => expect(closed()).toBe(1));
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  test.each<[string, (socket: net.Socket) => void, object]>([
    ['closes the connection without a response', (socket) => socket.end(), { kind: 'closed' }],
    [
      'closes the connection in the middle of the head',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nx: '),
      { kind: 'closed' },
    ],
    ['resets the connection', (socket) => socket.resetAndDestroy(), { kind: 'reset' }],
    ['does not speak HTTP', (socket) => socket.end('220 smtp\r\n'), { kind: 'reset', detail: 'HPE_INVALID_CONSTANT' }],
  ])('fails when a server %s', async (_, onRequest, failure) => {
    const { url } = await rawServer(onRequest);
    expect(await probeHttp(url, never())).toEqual({ ok: false, ...failure });
  });

  test('fails for a port without a listener', async () => {
    expect(await probeHttp(address(await freePort()), never())).toEqual({ ok: false, kind: 'refused' });
  });

  test('fails for a name with several addresses and no listener', async () => {
    const url = new URL(`http://localhost:${await freePort()}/`);
    expect(await probeHttp(url, never())).toEqual({ ok: false, kind: 'refused' });
  });

  test('fails for an unreachable address', async () => {
    // The kernel rejects a TCP connection to the broadcast address without using the network.
    const result = await probeHttp(new URL('http://255.255.255.255/'), never());
    expect(result).toEqual({ ok: false, kind: 'unreachable', detail: expect.stringMatching(/^E[A-Z]+$/) });
  });

  test('contacts nothing if it is aborted before it starts, or at once', async () => {
    const { url, requests } = await httpServer((_, response) => response.end());
    expect(await probeHttp(url, AbortSignal.abort())).toEqual({ ok: false, kind: 'timeout' });
    const controller = new AbortController();
    const result = probeHttp(url, controller.signal);
    controller.abort();
    expect(await result).toEqual({ ok: false, kind: 'timeout' });
    await turn();
    expect(requests).toHaveLength(0);
  });

  test.each([1, 2, 3, 4, 6, 8, 12, 20])(
    'leaves nothing open if it is aborted after %i turns of the loop or promises',
    async (turns) => {
      const { url } = await rawServer(() => undefined);
      for (const pause of [() => Promise.resolve(), turn]) {
        const controller = new AbortController();
        const result = probeHttp(url, controller.signal);
        for (let pass = 0; pass < turns; pass += 1) await pause();
        controller.abort();
        expect(await result).toEqual({ ok: false, kind: 'timeout' });
      }
    },
  );
});

describe('an HTTPS probe', () => {
  const secureServer = async (onRequest: http.RequestListener): Promise<URL> => {
    const port = await listen(https.createServer(selfSigned, onRequest));
    return new URL(`https://127.0.0.1:${port}/`);
  };

  test('accepts a self-signed certificate', async () => {
    const url = await secureServer((_, response) => response.end('hello'));
    expect(await probeHttp(url, never())).toMatchObject({ ok: true });
  });

  test('fails with a status of 500 and more', async () => {
    const url = await secureServer((_, response) => response.writeHead(502).end());
    expect(await probeHttp(url, never())).toEqual({ ok: false, kind: 'status', detail: '502' });
  });

  test('ends on abort when the server never completes the handshake', async () => {
    const { url, asked, closed } = await rawServer(() => undefined);
    const controller = new AbortController();
    const result = probeHttp(new URL(`https://${url.host}/`), controller.signal);
    await asked;
    controller.abort();
    expect(await result).toEqual({ ok: false, kind: 'timeout' });
    await vi.waitFor(() => expect(closed()).toBe(1));
  });

  test('fails when the server closes the connection in place of the handshake', async () => {
    const { url } = await rawServer((socket) => socket.end());
    expect(await probeHttp(new URL(`https://${url.host}/`), never())).toEqual({ ok: false, kind: 'closed' });
  });

  test('fails when the server speaks HTTP', async () => {
    const { url } = await httpServer((_, response) => response.end());
    expect(await probeHttp(new URL(`https://${url.host}/`), never())).toMatchObject({ ok: false, kind: 'unreachable' });
  });
});

describe('a TCP probe', () => {
  test('succeeds when a server listens, even if it sends nothing', async () => {
    const port = await listen(net.createServer((socket) => socket.on('error', () => undefined).resume()));
    expect(await probeTcp({ host: '127.0.0.1', port }, never())).toEqual({ ok: true, ms: expect.any(Number) });
  });

  test.each(['127.0.0.1', 'localhost'])('fails for a port of %s without a listener', async (host) => {
    expect(await probeTcp({ host, port: await freePort() }, never())).toEqual({ ok: false, kind: 'refused' });
  });

  test('contacts nothing if it is aborted before it starts, or at once', async () => {
    const port = await listen(net.createServer((socket) => socket.on('error', () => undefined).resume()));
    const target = { host: '127.0.0.1', port };
    expect(await probeTcp(target, AbortSignal.abort())).toEqual({ ok: false, kind: 'timeout' });
    const controller = new AbortController();
    const result = probeTcp(target, controller.signal);
    controller.abort();
    expect(await result).toEqual({ ok: false, kind: 'timeout' });
  });
});

describe('probing', () => {
  /** Resources that keep the process alive, without timers: the test runner has some, and the probe's is unreferenced. */
  const resources = () =>
    process
      .getActiveResourcesInfo()
      .filter((name) => name !== 'Timeout')
      .sort();
  const sockets = () => resources().filter((name) => /TCP(Socket|Connect)|TLS/.test(name));
  const descriptors = () => fs.readdirSync('/proc/self/fd').length;
  const all = () => ({ resources: resources(), descriptors: descriptors() });

  async function untilClosed(done: () => boolean): Promise<void> {
    for (let pass = 0; pass < 10_000 && !done(); pass += 1) await turn();
  }

  test('does not keep the process alive', async () => {
    const server = net.createServer((socket) => {
      socket.unref();
      socket.on('error', () => undefined);
      socket.once('data', () => onAsked());
    });
    let onAsked = (): void => undefined;
    const port = await listen(server);
    server.unref();
    for (const scheme of ['http', 'https']) {
      const asked = new Promise<void>((resolve) => {
        onAsked = resolve;
      });
      const controller = new AbortController();
      const result = probeHttp(new URL(`${scheme}://127.0.0.1:${port}/`), controller.signal);
      await asked;
      expect(sockets()).toEqual([]);
      controller.abort();
      await result;
    }
  });

  test.skipIf(process.platform !== 'linux')('leaves nothing open after a thousand probes of all kinds', async () => {
    const silent = await rawServer(() => undefined);
    const reset = await rawServer((socket) => socket.resetAndDestroy());
    const endless = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n...'));
    const healthy = await httpServer((_, response) => response.end('fine'));
    const port = await listen(https.createServer(selfSigned, (_, response) => response.end('fine')));
    const freed = await freePort();
    const tcp = { host: '127.0.0.1', port: Number(healthy.url.port) };

    const abortSoon = async (url: URL, turns: number): Promise<unknown> => {
      const controller = new AbortController();
      const result = probeHttp(url, controller.signal);
      for (let pass = 0; pass < turns; pass += 1) await turn();
      controller.abort();
      return result;
    };
    const kinds: readonly ((index: number) => Promise<unknown>)[] = [
      () => probeHttp(healthy.url, never()),
      () => probeHttp(new URL(`https://127.0.0.1:${port}/`), never()),
      () => probeHttp(reset.url, never()),
      () => probeHttp(address(freed), never()),
      () => probeHttp(new URL(`http://localhost:${freed}/`), never()),
      (index) => abortSoon(silent.url, index % 7),
      (index) => abortSoon(endless.url, index % 7),
      (index) => abortSoon(new URL(`https://127.0.0.1:${port}/`), index % 7),
      () => probeTcp(tcp, never()),
      () => probeTcp({ host: '127.0.0.1', port: freed }, never()),
    ];
    const round = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 1) await kinds[index % kinds.length]?.(index);
    };
    // Resources that Node opens once and keeps, such as the threads of its pool, do not count.
    await round(70);
    await untilClosed(() => sockets().length === 0);
    for (let pass = 0; pass < 100; pass += 1) await turn();
    const before = all();
    await round(1000);
    await untilClosed(() => isDeepStrictEqual(all(), before));
    expect(all()).toEqual(before);
  });
});
