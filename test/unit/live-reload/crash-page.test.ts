/** The answers in place of a program that has crashed, on a real socket. */

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { answerWithCrash } from '../../../src/live-reload/crash-page.ts';
import { isLoopbackAddress } from '../../../src/live-reload/loopback.ts';
import { readText } from '../../support/text.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const secret = `TypeError: <img src=x onerror=alert(1)> & "it's"\n    at /shop/db.js:1:2`;

/** Answers on a port. A server of Node has the handle; it accepts nothing itself. */
async function answer(host = '127.0.0.1') {
  const owner = net.createServer().listen(0, host);
  await once(owner, 'listening');
  const { port } = owner.address() as net.AddressInfo;
  const { _handle: handle } = owner as unknown as { _handle: { close(): void } };
  const stop = answerWithCrash(handle, () => ({ text: secret, script: 'go()' }));
  cleanups.push(stop, () => handle.close());
  return { port, stop };
}

interface Request {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
}

async function ask(port: number, { method = 'GET', headers = {}, body }: Request = {}) {
  const request = http.request({ port, host: '127.0.0.1', method, headers, agent: false });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('a request to a program that has crashed', () => {
  test('of a browser gets a page that shows the reason as text, and reloads itself', async () => {
    const { port } = await answer();
    const { status, headers, text } = await ask(port, { headers: html });
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'retry-after': '1',
      'x-content-type-options': 'nosniff',
      connection: 'close',
    });
    expect(text).toContain(
      'TypeError: &lt;img src=x onerror=alert(1)&gt; &amp; &quot;it&#39;s&quot;\n    at /shop/db.js:1:2',
    );
    expect(text).not.toContain('<img');
    const [, nonce = ''] = /<script nonce="(.+?)">go\(\)<\/script>/.exec(text) ?? [];
    expect(nonce).not.toBe('');
    expect(headers['content-security-policy']).toContain(`default-src 'none'; style-src 'nonce-${nonce}'`);
    expect((await ask(port, { headers: html })).text).not.toContain(nonce);
  });

  test.each<[string, Request]>([
    ['of another client', {}],
    ['with a body', { method: 'POST', body: 'x'.repeat(3_000_000), headers: html }],
    ['for a WebSocket', { headers: { connection: 'Upgrade', upgrade: 'websocket' } }],
    ['that waits for leave to send its body', { method: 'PUT', headers: { expect: '100-continue' }, body: 'x' }],
  ])('%s gets the reason as plain text', async (_, request) => {
    const { port } = await answer();
    const { status, headers, text } = await ask(port, request);
    expect([status, headers['content-type'], text]).toEqual([503, 'text/plain; charset=utf-8', `${secret}\n`]);
  });

  test('by another name than that of this machine does not learn the reason', async () => {
    const { port } = await answer();
    for (const host of ['example.com', 'localhost.example.com:80', `192.168.0.1:${port}`]) {
      const { status, text } = await ask(port, { headers: { ...html, host } });
      expect([status, text]).toEqual([503, 'The program has crashed.\n']);
    }
    expect((await ask(port, { headers: { host: `app.localhost:${port}` } })).text).toBe(`${secret}\n`);
  });

  test.each<[string, http.OutgoingHttpHeaders]>([
    ['a tunnel', { 'x-forwarded-for': '203.0.113.7' }],
    ['a chain of proxies', { 'x-forwarded-for': '127.0.0.1, 203.0.113.7' }],
    ['a proxy that keeps the name', { 'x-forwarded-host': 'example.com' }],
    ['a proxy by the standard', { forwarded: 'for=203.0.113.7' }],
  ])('that %s forwards for another machine does not learn the reason', async (_, headers) => {
    const { port } = await answer();
    expect((await ask(port, { headers: { ...html, ...headers } })).text).toBe('The program has crashed.\n');
  });

  test('that a proxy forwards for this machine learns the reason', async () => {
    const { port } = await answer();
    const headers = { 'x-forwarded-for': '::1', 'x-forwarded-host': 'localhost:5173' };
    expect((await ask(port, { headers })).text).toBe(`${secret}\n`);
  });

  test('of another machine gets no answer', async ({ skip }) => {
    const own = Object.values(os.networkInterfaces()).flat();
    const other = own.find((one) => one?.family === 'IPv4' && !one.internal);
    if (other === undefined) return skip('this machine has no other address');
    const { port } = await answer('0.0.0.0');
    const socket = net.connect({ port, host: other.address }).on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    await once(socket, 'close');
    expect(text).toBe('');
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['192.168.0.1', false],
  ['::ffff:192.168.0.1', false],
  ['fe80::1', false],
  [undefined, false],
])('the address %s is of this machine: %s', (address, isLoopback) => {
  expect(isLoopbackAddress(address)).toBe(isLoopback);
});

describe('after the end', () => {
  const redirected = (path: string): RegExp =>
    new RegExp(`^HTTP/1\\.1 307 [\\s\\S]*\\r\\nlocation: ${path}\\r\\n[\\s\\S]*Connection: close\\r\\n`);

  test.each<[string, string, RegExp]>([
    ['is led to the next run', '/a?b', redirected('/a\\?b')],
    ['is not led to another host', '//example.com/', /^HTTP\/1\.1 503 (?![\s\S]*location:)/],
    ['is not led to another host by a backslash', '/\\example.com/', /^HTTP\/1\.1 503 (?![\s\S]*location:)/],
  ])('a request that had begun %s', async (_, path, answered) => {
    const { port, stop } = await answer();
    const socket = net.connect(port, '127.0.0.1');
    const text = readText(socket);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localh`);
    // Connections are accepted in their order, and this one has been answered.
    await ask(port);
    stop();
    socket.write('ost\r\n\r\n');
    await text.next(/\r\n\r\n/);
    expect(text.all).toMatch(answered);
  });

  test('a request that has been sent already is led to the next run, and an unused connection is closed', async () => {
    const { port, stop } = await answer();
    const socket = net.connect(port, '127.0.0.1');
    const unused = net.connect(port, '127.0.0.1');
    const text = readText(socket);
    await ask(port);
    // It is in the kernel, and devwatch has not read it.
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    stop();
    await text.next(/\r\n\r\n/);
    expect(text.all).toMatch(redirected('/'));
    await once(unused.resume(), 'close');
  });

  test('a new connection is not accepted', async () => {
    const { port, stop } = await answer();
    stop();
    const socket = net.connect(port, '127.0.0.1');
    const [error] = await once(socket, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
