/** Held ports and the tools that people use with ports: they see and do what they would without devwatch. */

import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { listPortHolders } from '../../src/process/sockets/port-holders.ts';
import { type App, start } from '../support/app.ts';
import { freePort } from '../support/ports.ts';

/** Ends each process that listens on a port, as `kill-port` and `fuser -k` do, and returns their pids. */
const kill = `
const fs = require('fs');
function killPort(port) {
  const suffix = ':' + port.toString(16).toUpperCase().padStart(4, '0');
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => fs.readFileSync(file, 'utf8').split('\\n'));
  const links = rows.map((row) => row.trim().split(/\\s+/)).filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === '0A').map((fields) => 'socket:[' + fields[9] + ']');
  const has = (pid) => { try { return fs.readdirSync('/proc/' + pid + '/fd').some((fd) => { try { return links.includes(fs.readlinkSync('/proc/' + pid + '/fd/' + fd)); } catch { return false; } }); } catch { return false; } };
  const pids = fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).filter(has);
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
  return { links: links.length, pids };
}`;

/** Reports the result of a connection to a port. */
const probe = `
const probe = (port) => new Promise((resolve) => require('net').connect(port, '127.0.0.1')
  .on('connect', function () { this.destroy(); resolve('connected'); }).on('error', ({ code, message }) => resolve({ code, message })));`;

/** Listens on a port at each address for a moment, which shows whether it is free. */
const listens = `
const listen = (port, host, waits) => new Promise((resolve, reject) => {
  const server = require('net').createServer().unref().on('error', reject);
  server.listen({ port, host }, () => {
    server.close(waits ? resolve : undefined);
    if (!waits) resolve();
  });
});
const isFree = async (port, hosts, waits = true) => {
  for (const host of hosts) {
    try { await listen(port, host, waits); } catch ({ code }) { return code + ' at ' + host; }
  }
  return 'free';
};`;

/** Looks for the users of its port in this way, and listens from the second run on once the file `go` exists. */
const server = (port: number, version: number, look: string): string => `
${kill}
${probe}
${listens}
const say = (says) => require(process.env.TEST_DIAL)({ run: Number(process.env.DEVWATCH_RUN), ...says });
const begin = async () => {
  const found = ${look};
  require('http').createServer((_, response) => response.end('version ${version}'))
    .listen(${port}, async () => say({ found, after: await probe(${port}) }));
};
const begins = () => process.env.DEVWATCH_RUN === '1' || fs.existsSync('go') ? begin() : setTimeout(begins, 5);
say({ begins: true });
begins();
`;

async function ask(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

const says = async (app: App, run: number, key: string) =>
  (await app.caller((caller) => caller.says.run === run && key in caller.says)).says;

describe('a program that ends whatever listens on its port before it listens itself', () => {
  test('finds nothing, neither by itself nor through a hook, and no connection is refused', async () => {
    const port = await freePort();
    const app = await start({
      files: {
        'server.js': server(port, 1, `killPort(${port})`),
        'kill.js': `${kill}\nrequire(process.env.TEST_DIAL)({ hook: killPort(${port}) });`,
        '.watchrc': '{ "script": "server.js", "on": { "restart": "node kill.js" } }',
      },
    });
    await using _ = app;
    const first = await says(app, 1, 'found');
    expect(first.found).toEqual({ links: 0, pids: [] });
    await app.event('watching');
    // The standby has not got the socket.
    await app.event('standby');
    expect(listPortHolders(port)).toEqual([first.pid]);

    app.write('server.js', server(port, 2, `killPort(${port})`));
    await says(app, 2, 'begins');
    // The port is held, and no process has it.
    const hook = await app.caller((caller) => 'hook' in caller.says);
    expect(hook.says.hook).toEqual({ links: 1, pids: [] });
    const answer = ask(port);
    app.write('go', '');
    expect((await says(app, 2, 'found')).found).toEqual({ links: 1, pids: [] });
    expect(await answer).toMatch(/version 2$/);

    // From outside, the program itself is ended, as without devwatch.
    for (const pid of listPortHolders(port)) process.kill(pid, 'SIGKILL');
    await app.event('crash');
    expect(await ask(port)).toMatch(/version 2$/);
    await says(app, 3, 'found');
  });
});

describe('a program that connects to find out whether its port is free', () => {
  test('finds it free until it listens, and no connection is refused', async () => {
    const port = await freePort();
    const look = `await probe(${port})`;
    await using app = await start({ files: { 'server.js': server(port, 1, look) }, args: ['server.js'] });
    const refused = { code: 'ECONNREFUSED', message: `connect ECONNREFUSED 127.0.0.1:${port}` };
    expect(await says(app, 1, 'found')).toMatchObject({ found: refused, after: 'connected' });
    await app.event('watching');
    app.write('server.js', server(port, 2, look));
    await says(app, 2, 'begins');
    const answer = ask(port);
    app.write('go', '');
    expect(await says(app, 2, 'found')).toMatchObject({ found: refused, after: 'connected' });
    expect(await answer).toMatch(/version 2$/);
  });
});

describe('a program that listens to find out whether its port is free', () => {
  test.each([
    ['at the address that it serves', 'isFree(port, [undefined])'],
    ['at all addresses', "isFree(port, [undefined, '0.0.0.0', '127.0.0.1', '::1'])"],
    ['without waiting until that is over', "isFree(port, ['127.0.0.1', undefined, 'localhost'], false)"],
  ])('%s finds it free, and no connection is refused or lost', async (_, look) => {
    const port = await freePort();
    const looks = `await ${look.replace('port', String(port))}`;
    await using app = await start({ files: { 'server.js': server(port, 1, looks) }, args: ['server.js'] });
    expect(await says(app, 1, 'found')).toMatchObject({ found: 'free' });
    await app.event('watching');
    app.write('server.js', server(port, 2, looks));
    await says(app, 2, 'begins');
    const answers = [ask(port), ask(port)];
    app.write('go', '');
    expect(await says(app, 2, 'found')).toMatchObject({ found: 'free', after: 'connected' });
    for (const answer of answers) expect(await answer).toMatch(/version 2$/);
  });

  test('serves at another address than the run before', async () => {
    const port = await freePort();
    const look = `await isFree(${port}, ['127.0.0.1'])`;
    const local = (version: number) =>
      server(port, version, look).replace(`.listen(${port}, `, `.listen(${port}, '127.0.0.1', `);
    await using app = await start({ files: { 'server.js': server(port, 1, look) }, args: ['server.js'] });
    await says(app, 1, 'found');
    await app.event('watching');
    app.write('go', '');
    app.write('server.js', local(2));
    expect(await says(app, 2, 'found')).toMatchObject({ found: 'free', after: 'connected' });
    expect(await app.event('ready', ({ run }) => run === 2)).toMatchObject({ port });
    expect(await ask(port)).toMatch(/version 2$/);
  });
});
