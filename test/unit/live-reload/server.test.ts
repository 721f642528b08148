import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import vm from 'node:vm';
import { afterEach, describe, expect, test } from 'vitest';
import { clientScript } from '../../../src/live-reload/page-script.ts';
import { LiveReloadServer } from '../../../src/live-reload/server.ts';
import { readText } from '../../support/text.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(port = 0): Promise<LiveReloadServer> {
  const live = await LiveReloadServer.open(port);
  cleanups.push(() => live.close());
  return live;
}

type Headers = Readonly<Record<string, string>>;

interface Request {
  readonly path: string;
  readonly headers?: Headers;
  readonly method?: string;
  readonly address?: string;
}

async function get(port: number, { path, headers = {}, method = 'GET', address = '127.0.0.1' }: Request) {
  const request = http.request({ port, host: address, path, method, headers, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  cleanups.push(() => response.destroy());
  return response;
}

interface ServerEvent {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** Connects as a page does. */
async function connect(port: number, { headers = {}, query = '' }: { headers?: Headers; query?: string } = {}) {
  const response = await get(port, { path: `/events${query}`, headers });
  const events: ServerEvent[] = [];
  let text = '';
  let wake = (): void => {};
  let isEnded = false;
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
      events.push({ event: field('event'), id: field('id'), data: field('data') });
    }
    wake();
  });
  response.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    response.once('close', () => {
      isEnded = true;
      resolve();
      wake();
    });
  });
  return {
    response,
    closed,
    /** Resolves to the next event; rejects if the stream ends before. */
    async next(): Promise<ServerEvent> {
      for (;;) {
        const event = events.shift();
        if (event !== undefined) return event;
        if (isEnded) throw new Error('the stream has ended');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

async function namesOf(...pages: { next(): Promise<ServerEvent> }[]): Promise<string[]> {
  return Promise.all(pages.map(async (page) => (await page.next()).event));
}

describe('the client script', () => {
  const script = clientScript('http://my-own-app.localhost:35729', 'deadbeef.1000', Date.now());

  test('is at most 2 kB', () => {
    expect(Buffer.byteLength(script)).toBeLessThanOrEqual(2048);
  });

  test('defines no global variable', () => {
    const world = vm.createContext({ EventSource: class extends EventTarget {}, performance, addEventListener() {} });
    const before = vm.runInContext('Object.getOwnPropertyNames(globalThis)', world);
    vm.runInContext(script, world);
    expect(vm.runInContext('Object.getOwnPropertyNames(globalThis)', world)).toEqual(before);
  });

  test('contains the address at which it was requested', async () => {
    const { port } = await open();
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `a.b.localhost:${port}`, `[::1]:${port}`]) {
      const response = await get(port, { path: '/client.js', headers: { host } });
      expect(response.statusCode).toBe(200);
      expect(response.headers).toMatchObject({
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': 'no-store',
      });
      let text = '';
      for await (const chunk of response) text += chunk;
      expect(text).toContain(`'http://${host}/events?'`);
    }
  });
});

describe('a page', () => {
  test('receives each reload, as all others do', async () => {
    const live = await open();
    const pages = [await connect(live.port), await connect(live.port)];
    expect(pages[0]?.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    expect(await namesOf(...pages)).toEqual(['hello', 'hello']);
    live.reload();
    live.reload();
    expect(await namesOf(...pages)).toEqual(['reload', 'reload']);
    expect(await namesOf(...pages)).toEqual(['reload', 'reload']);
  });

  test('receives a pattern for the addresses of changed style sheets', async () => {
    const live = await open();
    const page = await connect(live.port);
    await page.next();
    live.swapStyles(['/project/a b.css', '/project/c+(1).css']);
    const { event, data } = await page.next();
    expect(event).toBe('styles');
    const pattern = new RegExp(data);
    for (const address of ['/a%20b.css', '/x/a%20b.css?v=1', '/c+(1).css', '/c+(1).css#x']) {
      expect(`http://localhost:3000${address}`).toMatch(pattern);
    }
    for (const address of ['/xa%20b.css', '/a%20bxcss', '/a%20b.css/x', '/a%20b.css.map', '/']) {
      expect(`http://localhost:3000${address}`).not.toMatch(pattern);
    }
  });

  test.each([0, 101, 50_000])('replaces all style sheets when %i have changed', async (count) => {
    const live = await open();
    const page = await connect(live.port);
    await page.next();
    live.swapStyles(Array.from({ length: count }, (_, index) => `/${index}.css`));
    expect('http://localhost:3000/any.css').toMatch(new RegExp((await page.next()).data));
  });

  test('can connect to ::1 if the machine has it', async ({ skip }) => {
    const probe = net.createServer().listen(0, '::1');
    const has = await Promise.race([once(probe, 'listening').then(() => true), once(probe, 'error').then(() => false)]);
    probe.close();
    if (!has) skip('this machine has no ::1');
    const live = await open();
    const response = await get(live.port, {
      path: '/client.js',
      address: '::1',
      headers: { host: `localhost:${live.port}` },
    });
    expect(response.statusCode).toBe(200);
  });

  test('that does not read is disconnected, and the others are not', async () => {
    const live = await open();
    const slow = await connect(live.port);
    const page = await connect(live.port);
    await namesOf(slow, page);
    slow.response.pause();
    const files = Array.from({ length: 100 }, (_, index) => `/${index}${'x'.repeat(240)}.css`);
    // The kernel buffers some MB for a socket that is not read.
    const events = 1000;
    for (let event = 0; event < events; event += 1) {
      live.swapStyles(files);
      expect((await page.next()).event).toBe('styles');
    }
    slow.response.resume();
    await slow.closed;
    let received = 0;
    await expect(
      (async () => {
        for (;;) {
          await slow.next();
          received += 1;
        }
      })(),
    ).rejects.toThrow('the stream has ended');
    expect(received).toBeLessThan(events);
  });

  test('gives up its connection before its browser runs out of them', async () => {
    const live = await open();
    const headers = { 'user-agent': 'one' };
    const other = await connect(live.port, { headers: { 'user-agent': 'another' } });
    const pages = [];
    for (let count = 0; count < 6; count += 1) pages.push(await connect(live.port, { headers }));
    expect(await namesOf(other, ...pages)).toEqual(Array(7).fill('hello'));
    const [oldest, ...rest] = pages;
    expect((await oldest?.next())?.event).toBe('rest');
    await oldest?.closed;
    live.reload();
    expect(await namesOf(other, ...rest)).toEqual(Array(6).fill('reload'));
  });
});

describe('a page of a program that has crashed', () => {
  test('receives the text, also if it is opened later, until the program is up', async () => {
    const live = await open();
    const page = await connect(live.port);
    await page.next();
    live.showCrash('TypeError: x\n    at </script>');
    const { event, data } = await page.next();
    expect([event, JSON.parse(data)]).toEqual(['crash', 'TypeError: x\n    at </script>']);
    const later = await connect(live.port);
    expect(await namesOf(later)).toEqual(['hello']);
    expect(await later.next()).toMatchObject({ event: 'crash', data });

    live.up();
    live.up();
    live.reload();
    expect(await namesOf(page, later)).toEqual(['up', 'up']);
    expect(await namesOf(page, later)).toEqual(['reload', 'reload']);
    const last = await connect(live.port);
    expect(await namesOf(last)).toEqual(['hello']);
    live.reload();
    expect(await namesOf(last)).toEqual(['reload']);
  });
});

describe('a page that reconnects', () => {
  async function leaveAndReturn(live: LiveReloadServer, change: () => void, by: 'header' | 'query'): Promise<string> {
    const page = await connect(live.port);
    const { id } = await page.next();
    page.response.destroy();
    change();
    const again = await connect(
      live.port,
      by === 'header' ? { headers: { 'last-event-id': id }, query: '?older.0' } : { query: `?${id}` },
    );
    const [first] = await namesOf(again);
    return first ?? '';
  }

  test.each(['header', 'query'] as const)('receives what it has missed, by its %s', async (by) => {
    const live = await open();
    expect(await leaveAndReturn(live, () => {}, by)).toBe('hello');
    expect(await leaveAndReturn(live, () => live.reload(), by)).toBe('reload');
    expect(await leaveAndReturn(live, () => {}, by)).toBe('hello');
    expect(await leaveAndReturn(live, () => live.swapStyles(['/a.css']), by)).toBe('styles');
    expect(await leaveAndReturn(live, () => live.showCrash('x'), by)).toBe('hello');
    expect(await leaveAndReturn(live, () => live.up(), by)).toBe('reload');
    const both = (): void => {
      live.reload();
      live.swapStyles(['/a.css']);
    };
    expect(await leaveAndReturn(live, both, by)).toBe('reload');
  });

  test('to another devwatch reloads', async () => {
    const first = await open();
    const page = await connect(first.port);
    const { id } = await page.next();
    await first.close();
    await page.closed;
    const second = await open(first.port);
    const again = await connect(second.port, { headers: { 'last-event-id': id } });
    expect((await again.next()).event).toBe('reload');
  });

  test('after a reload does not reload again', async () => {
    const live = await open();
    live.reload();
    const page = await connect(live.port, { query: '?other.0' });
    const { event, id } = await page.next();
    expect(event).toBe('reload');
    const again = await connect(live.port, { query: `?${id}` });
    expect((await again.next()).event).toBe('hello');
  });
});

describe('the server', () => {
  test.each([
    'example.com',
    'localhost.example.com',
    'notlocalhost',
    '127.0.0.1.example.com',
    '127.example.com',
    '192.168.0.1',
    '[::2]',
    "a'b.localhost",
    '127.0.0.1@example.com',
  ])('refuses the host name %j', async (name) => {
    const { port } = await open();
    for (const path of ['/client.js', '/events', '/']) {
      const response = await get(port, { path, headers: { host: `${name}:${port}` } });
      expect(response.statusCode).toBe(403);
    }
  });

  test.each(['https://example.com', 'http://localhost.example.com', 'null', 'http://127.0.0.1@example.com'])(
    'refuses a page from %s',
    async (origin) => {
      const { port } = await open();
      const response = await get(port, { path: '/events', headers: { origin } });
      expect(response.statusCode).toBe(403);
      expect(response.headers).not.toHaveProperty('access-control-allow-origin');
      const script = await get(port, { path: '/client.js', headers: { origin } });
      expect(script.headers).not.toHaveProperty('access-control-allow-origin');
    },
  );

  test.each(['http://localhost:3000', 'https://app.localhost', 'http://127.0.0.2:80', 'http://[::1]:8080'])(
    'accepts a page from %s',
    async (origin) => {
      const { port } = await open();
      for (const path of ['/client.js', '/events']) {
        const response = await get(port, { path, headers: { origin } });
        expect(response.statusCode).toBe(200);
        expect(response.headers['access-control-allow-origin']).toBe(origin);
      }
    },
  );

  test('refuses everything but GET of its two files', async () => {
    const { port } = await open();
    expect((await get(port, { path: '/' })).statusCode).toBe(404);
    expect((await get(port, { path: '/client.js/..' })).statusCode).toBe(404);
    for (const method of ['POST', 'HEAD', 'OPTIONS', 'DELETE']) {
      for (const path of ['/client.js', '/events']) {
        const response = await get(port, { path, method });
        expect(response.statusCode).toBe(405);
        expect(response.headers.allow).toBe('GET');
      }
    }
  });
});

describe('the port', () => {
  test('is part of the URL', async () => {
    const live = await open();
    expect(live.url).toBe(`http://127.0.0.1:${live.port}`);
  });

  test.each(['127.0.0.1', '::1'])('that is taken on %s is reported, and no socket stays open', async (address) => {
    const other = net.createServer().listen(0, address);
    await once(other, 'listening');
    cleanups.push(() => other.close());
    const { port } = other.address() as net.AddressInfo;
    await expect(LiveReloadServer.open(port)).rejects.toThrow(
      `port ${port} for live reload is taken · stop the process that listens there, perhaps another devwatch, or choose another port`,
    );
    other.close();
    await once(other, 'close');
    await open(port);
  });

  test('is free after close(), which ends all streams and other connections', async () => {
    const live = await open();
    const pages = [await connect(live.port), await connect(live.port)];
    await namesOf(...pages);
    // Browsers open connections ahead of requests.
    const silent = net.connect(live.port, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    live.reload();
    await Promise.all([live.close(), live.close()]);
    expect(await namesOf(...pages)).toEqual(['reload', 'reload']);
    await Promise.all(pages.map((page) => page.closed));
    if (!silent.closed) await once(silent, 'close');
    live.reload();
    live.swapStyles(['/a.css']);
    const next = net.createServer().listen(live.port, '127.0.0.1');
    await once(next, 'listening');
    next.close();
  });
});

test('a page that disconnects during an event does no harm', async () => {
  const live = await open();
  for (let count = 0; count < 20; count += 1) {
    const page = await connect(live.port);
    await page.next();
    page.response.destroy();
    live.reload();
    await turn();
    live.reload();
  }
});

test('an open page does not keep the process alive', async () => {
  const program = `
    import { LiveReloadServer } from './src/live-reload/server.ts';
    const { port } = await LiveReloadServer.open(0);
    console.log('at ' + port + ';');
    process.stdin.resume();
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  const [, port] = await readText(child.stdout).next(/at (\d+);/);
  const page = await connect(Number(port));
  await page.next();
  child.stdin.end();
  expect(await once(child, 'exit')).toEqual([0, null]);
  await page.closed;
});
