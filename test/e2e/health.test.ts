/** Health checks, the limits of memory and time, readiness checks, and hooks. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type App, start } from '../support/app.ts';
import { until } from '../support/facts.ts';
import { dialHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';

/** A server that answers in the mode that it receives from home, and reports how many requests it has had. */
const server = `
const http = require('http');
let mode = 'fine', asked = 0;
const server = http.createServer((request, response) => {
  asked += 1;
  if (mode === 'fine') response.end('fine');
  else if (mode === '500') { response.statusCode = 500; response.end(); }
  else if (mode === 'reset') request.socket.resetAndDestroy();
  else if (mode === 'slow-headers') { request.socket.write('HTTP/1.1 200 OK\\r\\n'); setInterval(() => request.socket.write('a: b\\r\\n'), 20); }
  else if (mode === 'late') setTimeout(() => response.end('late'), 50);
  if (mode === 'late' && asked === 5) require(process.env.TEST_DIAL)({ asked });
});
const home = require(process.env.TEST_DIAL)({ run: Number(process.env.DEVWATCH_RUN), port: Number(process.argv[2]) });
home.on('data', (lines) => {
  asked = 0;
  for (mode of String(lines).trim().split('\\n')) {
    if (mode === 'blocked') for (;;);
    if (mode === 'closed') server.close();
  }
});
server.listen(Number(process.argv[2]), '127.0.0.1');
`;

// Without a standby, which inherits the socket: until it is gone, a server that closes still accepts connections.
const settings = (probe: string, more: object = {}): string =>
  JSON.stringify({
    standby: false,
    health: { probe, interval: 100, timeout: 100, failures: 2, grace: 20_000, ...more },
  });

describe.sequential('a health check restarts a server that', () => {
  // On a busy machine the first of the two failures may be a slow answer.
  test.each([
    ['blocked', 'is blocked', 'http', /no answer from http:\S+ for (2 × )?100 ms$/],
    ['silent', 'accepts and does not answer', 'http', /no answer from http:\S+ for (2 × )?100 ms$/],
    ['slow-headers', 'drips its answer', 'http', /no answer from http:\S+ for (2 × )?100 ms$/],
    ['closed', 'listens no more', 'http', /http:\S+ refused (the connection|connections 2 times)$/],
    ['500', 'answers 500', 'http', /http:\S+ answered 500( 2 times)?$/],
    ['reset', 'resets connections', 'http', /http:\S+ reset the connection( 2 times)?$/],
    ['closed', 'listens no more, asked by tcp', 'tcp', /tcp:\S+ refused (the connection|connections 2 times)$/],
    ['blocked', 'blocks its event loop', 'event-loop', /its event loop has been blocked for (2 × )?100 ms$/],
  ])('%s: it %s', async (mode, _, kind, reason) => {
    const port = await freePort();
    const probe = kind === 'event-loop' ? kind : `${kind}://127.0.0.1:${port}${kind === 'http' ? '/' : ''}`;
    await using app = await start({
      files: { 'server.js': server, '.watchrc': settings(probe) },
      args: ['server.js', String(port)],
    });
    const first = await app.caller();
    await app.event('ready');
    first.send(mode);
    const { outcome, next } = await app.event('crash');
    expect(outcome).toMatchObject({ code: null, signal: null, reason: expect.stringMatching(reason) });
    expect(next.kind).toBe('restart');
    expect((await app.caller()).says.run).toBe(2);
    await first.gone;
    await app.event('ready');
  });
});

test.sequential('a health check leaves a server alone that is slow but answers in time', async () => {
  const port = await freePort();
  const health = settings(`http://127.0.0.1:${port}/`, { timeout: 20_000 });
  await using app = await start({
    files: { 'server.js': server, '.watchrc': health },
    args: ['server.js', String(port)],
  });
  const first = await app.caller();
  await app.event('ready');
  first.send('late');
  // Five checks have been answered.
  await app.caller(({ says }) => says.asked === 5);
  expect(app.events.filter(({ event }) => event === 'crash')).toEqual([]);
});

test('a health check that is added to the settings starts with the next run', async () => {
  await using app = await start({ files: { 'server.js': dialHome(), '.watchrc': '{}' }, args: ['server.js'] });
  await app.caller();
  await app.event('watching');
  app.write('.watchrc', settings('event-loop', { timeout: 20_000 }));
  expect(await app.event('start', ({ run }) => run === 2)).toMatchObject({ cause: 'settings' });
});

test('a program that is being debugged has no health checks', async () => {
  const asked = `require('http').createServer((request, response) => { require(process.env.TEST_DIAL)({ asked: true }); response.end(); }).listen(Number(process.argv[2]), '127.0.0.1'); ${dialHome({ begins: true })}`;
  const port = await freePort();
  const health = settings(`http://127.0.0.1:${port}/`, { interval: 20, timeout: 20_000 });
  await using app = await start({
    files: { 'server.js': asked, '.watchrc': health },
    args: ['--inspect=0', '--no-standby', 'server.js', String(port)],
  });
  await app.event('ready');
  // A program without a debugger gets many checks until its third run is up.
  for (const run of [2, 3]) {
    app.write('server.js', `${asked}// ${run}`);
    await app.event('ready', (ready) => ready.run === run);
  }
  expect(app.callers.filter(({ says }) => says.asked === true)).toEqual([]);
});

test('failures that failOn does not name count as answers', async () => {
  const port = await freePort();
  const health = settings(`http://127.0.0.1:${port}/`, { failOn: ['refused'] });
  await using app = await start({
    files: { 'server.js': server, '.watchrc': health },
    args: ['server.js', String(port)],
  });
  const first = await app.caller();
  await app.event('ready');
  first.send('500');
  first.send('closed');
  const { outcome } = await app.event('crash');
  expect(outcome.reason).toMatch(/refused connections 2 times/);
});

test('--max-memory restarts a program whose processes take more', async () => {
  const grows = `const kept = []; for (let i = 0; i < 30; i += 1) kept.push(Buffer.alloc(2 ** 23, 1));
    ${dialHome({ grown: true })} setInterval(() => kept, 1e6);`;
  await using app = await start({ files: { 'server.js': grows }, args: ['--max-memory', '200M', 'server.js'] });
  await app.caller();
  const { outcome } = await app.event('crash');
  expect(outcome.reason).toMatch(/^it takes \d+ MB of memory, more than 200 MB$/);
  await app.caller();
});

test('--timeout stops a run that takes longer, and a change starts the next run', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['--timeout', '300', 'server.js'] });
  const { outcome, next } = await app.event('crash');
  expect(outcome.reason).toBe('it has taken longer than 300 ms');
  expect(next).toEqual({ kind: 'wait', for: 'change', gaveUp: false });
  await app.event('gone');
  app.write('server.js', dialHome({ second: true }));
  expect(await app.event('start', ({ run }) => run === 2)).toMatchObject({ cause: 'change' });
});

describe('a program is up', () => {
  const listens = `require('http').createServer((request, response) => response.end()).listen(Number(process.argv[2]), '127.0.0.1');`;

  test('when it listens, by default', async () => {
    const port = await freePort();
    await using app = await start({ files: { 'server.js': listens }, args: ['server.js', String(port)] });
    expect(await app.event('ready')).toMatchObject({ run: 1, port });
    app.write('server.js', `${listens}\n`);
    expect(await app.event('ready')).toMatchObject({ run: 2, port });
  });

  test('when it listens without held ports', async () => {
    const port = await freePort();
    await using app = await start({ files: { 'server.js': listens }, args: ['--no-hold', 'server.js', String(port)] });
    expect(await app.event('ready')).toMatchObject({ run: 1, port });
  });

  test('when it answers at an address', async () => {
    const port = await freePort();
    const later = `setTimeout(() => { ${listens} }, 100);`;
    await using app = await start({
      files: { 'server.js': later },
      args: ['--ready', `http://127.0.0.1:${port}/`, 'server.js', String(port)],
    });
    expect(await app.event('ready')).toMatchObject({ run: 1, port });
  });

  test('when it sends the message', async () => {
    const sends = `process.send('loading'); process.send({ type: 'ready' });${dialHome()}`;
    await using app = await start({ files: { 'server.js': sends }, args: ['--ready', 'message', 'server.js'] });
    expect(await app.event('ready')).toMatchObject({ run: 1 });
  });

  test('when it prints a text, which is passed on', async () => {
    await using app = await start({
      files: { '.watchrc': '{ "ready": "/listening on \\\\d+/i" }' },
      args: ['--exec', 'printf "Listening"; printf " on 42\\n"; exec sleep 60'],
    });
    expect(await app.event('ready')).toMatchObject({ run: 1 });
    await until(() => app.stdout() === 'Listening on 42\n');
  });

  test.each([
    [['--ready', 'listen', '--exec', 'sleep 60'], /ready "listen" only works for scripts run directly by Node/],
    [
      ['--health', 'event-loop', '--exec', 'sleep 60'],
      /health "event-loop" only works for scripts run directly by Node/,
    ],
    [['--live-reload', '--exec', 'sleep 60'], /"liveReload" needs "ready"/],
    [['--health', 'localhost', 'server.js'], /--health takes http:\/\/…, https:\/\/…, tcp:\/\/host:port or event-loop/],
    [['--ready', '/(/', 'server.js'], /--ready has a bad pattern/],
  ])('devwatch refuses %j with an explanation', async (args, message) => {
    await using app = await start({ files: { 'server.js': '' }, args });
    expect(await app.exited).toMatchObject({ code: 2 });
    expect(app.otherLines.join('\n')).toMatch(message);
  });
});

describe('hooks', () => {
  /** A hook that dials home. */
  const hook = `require(process.env.TEST_DIAL)({ ...process.env, hook: process.env.DEVWATCH_EVENT }).end();`;
  const all = (...names: string[]): string =>
    JSON.stringify({ on: Object.fromEntries(names.map((name) => [name, ['node', 'hook.cjs']])) });

  test('run at their events, with the event in their environment', async () => {
    const files = {
      'server.js': `${dialHome({ program: true })}require('http').createServer().listen(0);`,
      'hook.cjs': hook,
      '.watchrc': all('start', 'ready', 'change', 'restart', 'crash', 'exit'),
    };
    await using app = await start({ files, args: ['--restart', 'never', 'server.js'] });
    const of = (name: string) => app.caller(({ says }) => says.hook === name).then(({ says }) => says);
    const [program] = await Promise.all([app.caller(({ says }) => says.program === true), app.event('watching')]);
    await until(() => app.callers.filter(({ says }) => says.hook !== undefined).length === 2);
    const early = app.callers.map(({ says }) => says).filter(({ hook: name }) => name !== undefined);
    expect(early.map(({ hook: name }) => name).sort()).toEqual(['ready', 'start']);
    expect(early.find(({ hook: name }) => name === 'ready')).toMatchObject({
      DEVWATCH_RUN: '1',
      DEVWATCH_PORT: expect.stringMatching(/^\d+$/),
    });
    program.send('crash');
    expect(await of('crash')).toMatchObject({ DEVWATCH_RUN: '1', DEVWATCH_CODE: '1' });
    app.write('server.js', dialHome({ program: true }));
    expect(await of('change')).toMatchObject({ DEVWATCH_CHANGED: app.at('server.js') });
    const again =
      app.callers.find(({ says }) => says.hook === 'restart') ??
      (await app.caller(({ says }) => says.hook === 'restart'));
    expect(again.says).toMatchObject({ DEVWATCH_RUN: '2', DEVWATCH_REASON: 'change' });
  });

  test('--on-ready runs a command when the program is up', async () => {
    const files = { 'server.js': `require('http').createServer().listen(0);`, 'hook.cjs': hook };
    await using app = await start({ files, args: ['--on-ready', 'node hook.cjs', 'server.js'] });
    expect((await app.caller()).says.hook).toBe('ready');
  });

  test('neither delay a restart nor outlive devwatch when they hang', async () => {
    const files = { 'server.js': dialHome({ run: 1 }), 'hook.cjs': dialHome({ hook: true }), '.watchrc': all('start') };
    await using app = await start({ files, args: ['server.js'] });
    const callers = [await app.caller(), await app.caller()];
    await app.event('watching');
    app.write('server.js', dialHome({ run: 2 }));
    expect((await app.caller(({ says }) => says.run === 2)).says.run).toBe(2);
    const hanging = callers.find(({ says }) => says.hook === true);
    expect(hanging?.isAlive()).toBe(true);
    await app.end('SIGTERM');
    await hanging?.gone;
  });

  test('that cannot be started are reported', async () => {
    await using app = await start({
      files: { 'server.js': dialHome(), '.watchrc': '{ "on": { "start": "no-such-command" } }' },
      args: ['server.js'],
    });
    const { message } = await app.event('problem');
    expect(message).toBe('on.start: "no-such-command" was not found');
  });
});

/** Listens to what pages are told. Each call of `hears` waits for one more event. */
async function listenAsPage(app: App) {
  const { url } = await app.event('liveReload');
  await app.event('watching');
  const response = await fetch(url.replace('client.js', 'events'));
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let heard = '';
  return {
    async hears(event: string): Promise<void> {
      while (!heard.includes(`event: ${event}`)) heard += (await reader.read()).value ?? '';
      heard = '';
    },
    [Symbol.asyncDispose]: () => reader.cancel(),
  };
}

test('--live-reload notifies pages of a run that is up, and of style sheets, which cause no restart', async () => {
  const files = { 'server.js': `${dialHome()}require('http').createServer().listen(0);`, 'public/style.css': 'a {}' };
  await using app = await start({ files, args: ['--live-reload=0', 'server.js'] });
  await using page = await listenAsPage(app);
  fs.writeFileSync(app.at('public/style.css'), 'a { color: red }');
  await page.hears('styles');
  expect(await app.event('pages')).toMatchObject({ styles: true });
  app.write('server.js', `${files['server.js']}\n`);
  await page.hears('reload');
  // The save of a page has started no run.
  expect(await app.event('start', ({ run }) => run > 1)).toMatchObject({ changes: [{ path: app.at('server.js') }] });
});

test('--on-change signals a program that reloads itself, and its pages reload', async () => {
  const files = {
    'server.js': `${dialHome()}process.on('SIGHUP', () => { ${dialHome({ isReloaded: true })} });require('http').createServer().listen(0);`,
    'a.conf': '',
  };
  const args = ['--on-change', 'signal:SIGHUP', '--ext', 'conf', '--live-reload=0', 'server.js'];
  await using app = await start({ files, args });
  const { pid } = await app.caller();
  await using page = await listenAsPage(app);
  await app.event('ready');
  app.write('a.conf', 'port 1');
  expect(await app.caller()).toMatchObject({ pid, says: { isReloaded: true } });
  await page.hears('reload');
  expect(await app.event('signal')).toMatchObject({ signal: 'SIGHUP', changes: [{ path: app.at('a.conf') }] });
});
