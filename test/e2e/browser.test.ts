import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LiveReloadServer } from '../../src/live-reload/server.ts';
import { start } from '../support/app.ts';
import { freePort } from '../support/ports.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openLive(port = 0): Promise<LiveReloadServer> {
  const live = await LiveReloadServer.open(port);
  cleanups.push(() => live.close());
  return live;
}

interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

function createGate(): Gate {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

/** A program under development: a page that counts its requests, and its style sheet. */
async function openSite(head: (script: string) => string, live: LiveReloadServer) {
  const site = {
    port: 0,
    colour: 'red',
    served: 0,
    /** The style sheet, and the end of the page, are sent once these resolve. */
    style: Promise.resolve(),
    end: Promise.resolve(),
  };
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://localhost');
    if (pathname === '/') {
      site.served += 1;
      response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store' });
      const links = '<link rel="stylesheet" href="/assets/style.css?v=1"><link rel="icon" href="data:,">';
      response.write(`<!doctype html>${links}${head(`${live.url}/client.js`)}<p>${site.served}</p>`);
      await site.end;
      response.end();
    } else if (pathname === '/assets/style.css') {
      const { colour } = site;
      await site.style;
      response.writeHead(200, { 'content-type': 'text/css', 'cache-control': 'max-age=3600' });
      response.end(`p { color: ${colour} }`);
    } else {
      response.writeHead(404).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  site.port = (server.address() as net.AddressInfo).port;
  return site;
}

const classic = (script: string): string => `<script src="${script}"></script>`;

const red = 'rgb(255, 0, 0)';
const green = 'rgb(0, 128, 0)';
const blue = 'rgb(0, 0, 255)';

const colourOf = (page: Page): Promise<unknown> => page.evaluate('getComputedStyle(document.querySelector("p")).color');
const shows = (page: Page, count: number): Promise<unknown> =>
  page.waitForFunction(`document.querySelector("p")?.textContent === "${count}"`);
const hasColour = (page: Page, colour: string): Promise<unknown> =>
  page.waitForFunction(`getComputedStyle(document.querySelector("p")).color === "${colour}"`);
const linksIn = (page: Page): Promise<unknown> =>
  page.evaluate('document.querySelectorAll("link[rel=stylesheet]").length');

const hasOneLink = (page: Page): Promise<unknown> =>
  page.waitForFunction('document.querySelectorAll("link[rel=stylesheet]").length === 1');

/** Does something that loads the page, and waits until the page has connected. */
async function untilConnected(page: Page, act: () => Promise<unknown>): Promise<void> {
  await Promise.all([page.waitForResponse((response) => response.url().includes('/events?')), act()]);
}

/** Set by .ci/run, which installs the browser: without it the tests fail there. Elsewhere `npm test` needs no Debian packages. */
const isRequired = process.env.TEST_REQUIRES_ALL_PROGRAMS === '1';
const describeIfInstalled = isRequired || fs.existsSync(executablePath) ? describe.sequential : describe.skip;

describeIfInstalled(`live reload in a browser (needs Debian's chromium at ${executablePath})`, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });
  afterAll(() => browser?.close());

  async function openPage(): Promise<Page> {
    const context = await browser.newContext();
    cleanups.push(() => context.close());
    return context.newPage();
  }

  test.each([
    ['a plain script', classic],
    ['async', (script: string) => `<script async src="${script}"></script>`],
    ['defer', (script: string) => `<script defer src="${script}"></script>`],
    ['a module', (script: string) => `<script type="module" src="${script}"></script>`],
  ])('reloads the page each time, with %s', async (_, head) => {
    const live = await openLive();
    const site = await openSite(head, live);
    const page = await openPage();
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    await untilConnected(page, () => page.goto(`http://127.0.0.1:${site.port}`));
    await shows(page, 1);
    for (const count of [2, 3]) {
      await untilConnected(page, async () => live.reload());
      await shows(page, count);
    }
    expect(site.served).toBe(3);
    expect(noise).toEqual([]);
  });

  test('shows the newest page after two reloads at once', async () => {
    const live = await openLive();
    const site = await openSite(classic, live);
    const page = await openPage();
    await untilConnected(page, () => page.goto(`http://app.localhost:${site.port}`));
    live.reload();
    live.reload();
    await page.waitForFunction(`document.querySelector("p")?.textContent > 1`);
    live.reload();
    await page.waitForFunction(`document.querySelector("p")?.textContent > 2`);
  });

  test('replaces a style sheet without a reload, and keeps the old one until the new one is loaded', async () => {
    const live = await openLive();
    const site = await openSite(classic, live);
    const page = await openPage();
    await untilConnected(page, () => page.goto(`http://127.0.0.1:${site.port}`));
    await page.evaluate('window.mine = 1');
    expect(await colourOf(page)).toBe(red);

    site.colour = 'green';
    live.swapStyles(['/x/style.css']);
    await hasColour(page, green);

    // A second change while the new style sheet is being loaded.
    const gates = [createGate(), createGate()];
    for (const [index, gate] of gates.entries()) {
      site.style = gate.passed;
      site.colour = ['red', 'blue'][index] ?? '';
      await Promise.all([page.waitForRequest(/style\.css/), live.swapStyles(['/x/style.css'])]);
      expect(await colourOf(page)).toBe(green);
    }
    expect(await linksIn(page)).toBe(2);
    for (const gate of gates) gate.open();
    await hasColour(page, blue);
    await hasOneLink(page);

    // No link has this name: the file may be the source of any of them.
    site.colour = 'green';
    live.swapStyles(['/x/colours.scss']);
    await hasColour(page, green);
    await hasOneLink(page);
    expect(await page.evaluate('window.mine')).toBe(1);
    expect(await page.evaluate('document.querySelector("link[rel=stylesheet]").href')).toMatch(
      /\/assets\/style\.css\?v=1&devwatch=\w+\.4$/,
    );
    expect(site.served).toBe(1);
  });

  test('reloads the page when devwatch is back on its port', async () => {
    const live = await openLive();
    const site = await openSite(classic, live);
    const page = await openPage();
    await untilConnected(page, () => page.goto(`http://localhost:${site.port}`));
    const refused = page.waitForEvent('requestfailed', (request) => request.url().includes('/events?'));
    await live.close();
    await refused;
    const again = await openLive(live.port);
    await shows(page, 2);
    await untilConnected(page, () => page.reload());
    again.reload();
    await shows(page, 4);
  });

  test('reloads a page that was still being loaded', async () => {
    const live = await openLive();
    const site = await openSite((script) => `<script defer src="${script}"></script>`, live);
    const page = await openPage();
    const gate = createGate();
    site.end = gate.passed;
    await Promise.all([
      page.waitForEvent('requestfinished', (request) => request.url().includes('/client.js')),
      page.goto(`http://127.0.0.1:${site.port}`, { waitUntil: 'commit' }),
    ]);
    live.reload();
    gate.open();
    await shows(page, 2);
  });

  test('does not reload the page again and again because of a cached script', async () => {
    const live = await openLive();
    const site = await openSite(classic, live);
    const kept = await (await fetch(`${live.url}/client.js`)).text();
    live.reload();
    const page = await openPage();
    await page.route('**/client.js', (route) => route.fulfill({ contentType: 'text/javascript', body: kept }));
    await untilConnected(page, () => page.goto(`http://127.0.0.1:${site.port}`));
    await untilConnected(page, async () => live.reload());
    await shows(page, 2);
    expect(site.served).toBe(2);
  });

  test('serves a tenth tab, and updates the first one when it is shown', async () => {
    const live = await openLive();
    const site = await openSite(classic, live);
    const first = await openPage();
    const pages = [first];
    for (let count = 1; count < 10; count += 1) pages.push(await first.context().newPage());
    for (const page of pages) await untilConnected(page, () => page.goto(`http://127.0.0.1:${site.port}`));
    live.reload();
    await Promise.all(
      pages.slice(5).map((page) => page.waitForFunction('document.querySelector("p")?.textContent > 10')),
    );
    await shows(first, 1);
    await first.evaluate('void document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))');
    await first.waitForFunction('document.querySelector("p")?.textContent > 10');
  });

  const textInOverlay = 'document.querySelector("devwatch-crash")?.shadowRoot.textContent';
  const hasOverlay = (page: Page, text: string): Promise<unknown> =>
    page.waitForFunction(`${textInOverlay} === ${JSON.stringify(text)}`);
  const hasNoOverlay = (page: Page): Promise<unknown> =>
    page.waitForFunction('document.querySelector("devwatch-crash") === null');

  test('shows a crash above the page, as text alone, until it is dismissed or the program is up', async () => {
    const live = await openLive();
    const site = await openSite(
      (script) => `<style>html > :not(body) { display: none; position: static }</style>${classic(script)}`,
      live,
    );
    const page = await openPage();
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    await untilConnected(page, () => page.goto(`http://127.0.0.1:${site.port}`));
    const text = 'TypeError: <img src=x onerror=alert(1)>\n    at </script> & "x"';
    live.showCrash(text);
    await hasOverlay(page, text);
    const box = await page.locator('devwatch-crash').boundingBox();
    expect(box).toMatchObject({ x: 0, y: 0, ...page.viewportSize() });

    await page.locator('devwatch-crash pre').click();
    await hasOverlay(page, text);
    await page.mouse.click(2, 2);
    await hasNoOverlay(page);
    live.showCrash('second');
    live.showCrash('third');
    await hasOverlay(page, 'third');
    expect(await page.locator('devwatch-crash').count()).toBe(1);
    await page.keyboard.press('Escape');
    await hasNoOverlay(page);

    await untilConnected(page, () => page.reload());
    await hasOverlay(page, 'third');
    live.up();
    await hasNoOverlay(page);
    expect(noise).toEqual([]);
    expect(site.served).toBe(2);
  });

  test('shows a crash on the port of the program, and the program itself as soon as it is up', async () => {
    const serve = (version: number, head = ''): string => `${head}
      const live = process.env.LIVE;
      require('http').createServer((request, response) => {
        response.setHeader('content-type', 'text/html');
        response.end('<!doctype html><link rel="icon" href="data:,"><script src="' + live + '"></script><p>${version}</p>');
      }).listen(Number(process.env.PORT), '127.0.0.1');`;
    const port = await freePort();
    const livePort = await freePort();
    await using app = await start({
      files: { 'server.js': serve(1) },
      args: [`--live-reload=${livePort}`, 'server.js'],
      env: { PORT: String(port), LIVE: `http://127.0.0.1:${livePort}/client.js` },
    });
    await app.event('watching');
    await app.event('ready');
    const page = await openPage();
    await untilConnected(page, () => page.goto(`http://127.0.0.1:${port}`));
    await shows(page, 1);

    app.write('server.js', serve(2, 'null.x;\n'));
    await page.waitForFunction(`${textInOverlay}?.includes("server.js:1:6")`);
    await app.event('gone', ({ run }) => run === 2);
    const answer = await page.reload();
    expect(answer?.status()).toBe(503);
    expect(await page.textContent('pre')).toContain("TypeError: Cannot read properties of null (reading 'x')");

    app.write('server.js', serve(3, 'throw "another";\n'));
    // This page forbids scripts other than its own.
    await page.locator('pre', { hasText: "'another' was thrown" }).waitFor();
    app.write('server.js', serve(4));
    await page.locator('p', { hasText: '4' }).waitFor();
    expect(await page.evaluate('document.querySelector("devwatch-crash")')).toBeNull();
  });
});
