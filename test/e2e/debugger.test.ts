/** Programs that are being debugged. */

import { describe, expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { attachDebugger } from '../support/inspector.ts';

/** Reports the port of its inspector, which it opens itself if there is no flag for that. */
const server = (rest: string): string => `
  const inspector = require('inspector');
  if (inspector.url() === undefined) inspector.open(0);
  require('http').createServer((request, response) => response.end()).listen(0, () => {
    require(process.env.TEST_DIAL)({ port: Number(new URL(inspector.url()).port) });
  });
  ${rest}`;

describe('a restart does not wait for the debugger', () => {
  const exits = 'process.on("SIGTERM", () => process.exit());';

  test.each([
    ['of a program that exits at the stop signal', ['--inspect=0'], exits, ['killed']],
    ['of one that has opened the inspector itself', ['--no-hold'], exits, ['killed']],
    ['of one without a handler', ['--inspect=0'], '', []],
  ])('%s', async (_, flags, rest, effects) => {
    const args = [...flags, '--no-standby', '--kill-timeout', '1m', 'server.js'];
    await using app = await start({ files: { 'server.js': server(rest) }, args });
    const first = await app.caller();
    await attachDebugger(Number(first.says.port));
    await app.event('watching');
    app.write('server.js', `${server(rest)}//`);
    await app.caller();
    expect(first.isAlive()).toBe(false);
    const debugged = app.events.flatMap((event) => (event.event === 'debugged' ? [event.effect] : []));
    expect(debugged).toEqual(effects);
  });
});

test('a program at a breakpoint is not restarted by its health checks', async () => {
  const settings = JSON.stringify({ health: { probe: 'event-loop', interval: 30, timeout: 30, failures: 1 } });
  // A blocked event loop stands for a breakpoint, which needs a whole debugger.
  const blocks = 'process.on("SIGUSR2", () => { for (;;); });';
  await using app = await start({ files: { 'server.js': server(blocks), '.watchrc': settings }, args: ['server.js'] });
  const first = await app.caller();
  const connected = await attachDebugger(Number(first.says.port));
  process.kill(first.pid, 'SIGUSR2');
  expect(await app.event('debugged')).toMatchObject({ run: 1, effect: 'spared' });
  connected.disconnect();
  expect((await app.event('crash')).outcome.reason).toMatch(/^its event loop has been blocked/);
});

test('a slow end is explained by what the program has open', async () => {
  const sse = `
    const http = require('http');
    const server = http.createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': begin\\n\\n');
    });
    process.on('SIGTERM', () => server.close());
    server.listen(0, () => require(process.env.TEST_DIAL)({ port: server.address().port }));`;
  await using app = await start({ files: { 'server.js': sse }, args: ['--kill-timeout', '1m', 'server.js'] });
  const { pid, says } = await app.caller();
  // A response that nothing refers to any more is closed.
  const streams = await Promise.all([1, 2].map(() => fetch(`http://localhost:${says.port}`)));
  await app.event('watching');
  // The next run must not wait as well when the test ends.
  app.write('server.js', '');
  const { waitsFor } = await app.event('slowStop');
  process.kill(pid, 'SIGKILL');
  expect(waitsFor.work).toMatchObject({ eventStreams: 2, responses: 0, connections: 0, servers: [], timers: 0 });
  expect(streams).toHaveLength(2);
});
