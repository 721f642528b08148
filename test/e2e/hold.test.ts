/** Held ports: connections made during a restart wait for the next run, and nothing else changes for the program. */

import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { listPortHolders } from '../../src/process/sockets/port-holders.ts';
import { type App, start } from '../support/app.ts';
import { startDevwatch } from '../support/devwatch.ts';
import { until } from '../support/facts.ts';
import { openHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';
import { createProject } from '../support/project.ts';

/** A server that reports its address. From the second run on it listens once the file `go` exists. */
const server = (listen: string, version = 1): string => `
const fs = require('fs');
const { version, run } = { version: ${version}, run: Number(process.env.DEVWATCH_RUN) };
const say = (says) => require(process.env.TEST_DIAL)({ run, ...says });
function begin() {
  ${listen}
}
say({ begins: true });
if (run === 1) begin();
else { const look = () => fs.existsSync('go') ? begin() : setTimeout(look, 5); look(); }
`;

const plain = (
  where: string,
  create = 'http.createServer((request, response) => response.end("version " + version))',
) => `
  const http = require('http'), net = require('net');
  const server = ${create};
  server.listen(${where}, () => say({ address: server.address(), key: server._connectionKey, listening: server.listening }));`;

/** A server that is replaced by its next version, which listens only when it is told to. */
class Server implements AsyncDisposable {
  readonly app: App;
  #version = 1;

  constructor(app: App) {
    this.app = app;
  }

  static async start(text: string, flags: readonly string[] = []): Promise<Server> {
    const app = await start({ files: { 'server.js': text }, args: [...flags, 'server.js'] });
    await app.event('watching');
    return new Server(app);
  }

  /** Awaits the facts of the next caller that has sent this key, in this run if one is given. */
  async says(key: string, run?: number): Promise<Readonly<Record<string, unknown>>> {
    const { says } = await this.app.caller(({ says }) => key in says && (run === undefined || says.run === run));
    return says;
  }

  /** Saves the server. Resolves when the next run has begun; it listens after `go`. */
  async replace(listen: string): Promise<void> {
    this.#version += 1;
    this.app.write('server.js', server(listen, this.#version));
    await this.says('begins', this.#version);
  }

  go(): void {
    this.app.write('go', '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app[Symbol.asyncDispose]();
  }
}

type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** Sends a text over a raw connection. Resolves to the response; rejects if the connection fails. */
async function talk(
  target: Target,
  text = 'GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n',
): Promise<string> {
  const socket = net.connect(target);
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

const codeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'answered',
    (error: NodeJS.ErrnoException) => error.code ?? 'unknown',
  );

const portOf = (says: Readonly<Record<string, unknown>>): number => (says.address as net.AddressInfo).port;

describe('the next run answers a connection made between two runs', () => {
  test.each([
    ['on a port of the system’s choice', '0', '127.0.0.1'],
    ['on 127.0.0.1', '0, "127.0.0.1"', '127.0.0.1'],
    ['on ::1', '0, "::1"', '::1'],
    ['on localhost', '0, "localhost"', 'localhost'],
    ['on 0.0.0.0', '0, "0.0.0.0"', '127.0.0.1'],
    ['on ::', '{ port: 0, host: "::" }', '::1'],
    ['exclusively', '{ port: 0, exclusive: true }', '127.0.0.1'],
    ['on IPv6 only', '{ port: 0, host: "::", ipv6Only: true }', '::1'],
  ])('%s', async (_, where, host) => {
    await using session = await Server.start(server(plain(where)));
    const first = await session.says('address');
    const port = portOf(first);
    await session.replace(plain(where));
    const answer = talk({ host, port });
    session.go();
    expect(await answer).toContain('version 2');
    // The properties of its server are those of the first run.
    expect(await session.says('address', 2)).toEqual({ ...first, run: 2, pid: expect.any(Number) });
  });

  test('on a raw socket server', async () => {
    const echo = plain('0', 'net.createServer((socket) => socket.end("version " + version))');
    await using session = await Server.start(server(echo));
    const port = portOf(await session.says('address'));
    await session.replace(echo);
    const answer = talk({ host: '127.0.0.1', port }, '');
    session.go();
    expect(await answer).toBe('version 2');
  });

  test('on a Unix socket whose file the killed program has left behind', async () => {
    await using session = await Server.start(server(plain('"app.sock"')));
    await session.says('address');
    await session.replace(plain('"app.sock"'));
    const answer = talk({ path: session.app.at('app.sock') });
    session.go();
    expect(await answer).toContain('version 2');
  });

  test('on a Unix socket through several runs, and leaves no other files', async () => {
    await using session = await Server.start(server(plain('"app.sock"')));
    await session.says('address');
    session.go();
    for (const run of [2, 3, 4]) {
      await session.replace(plain('"app.sock"'));
      await session.says('address', run);
      expect(await talk({ path: session.app.at('app.sock') })).toContain(`version ${run}`);
    }
    expect(fs.readdirSync(session.app.path).sort()).toEqual(['app.sock', 'go', 'server.js']);
  });

  test('on each of several servers', async () => {
    const both = `const http = require('http'); let left = 2; const servers = ['a', 'b'].map((name) => http.createServer((request, response) => response.end(name + version)));
      for (const one of servers) one.listen(0, '127.0.0.1', () => --left === 0 && say({ ports: servers.map((it) => it.address().port) }));`;
    await using session = await Server.start(server(both));
    const { ports } = await session.says('ports');
    await session.replace(both);
    const answers = (ports as number[]).map((port) => talk({ host: '127.0.0.1', port }));
    session.go();
    expect((await Promise.all(answers)).map((text) => text.slice(-2))).toEqual(['a2', 'b2']);
  });

  test('after a crash', async () => {
    const crashes = plain(
      '0',
      'http.createServer((request, response) => { if (request.url === "/crash") process.exit(1); response.end("version " + run); })',
    );
    await using session = await Server.start(server(crashes));
    const port = portOf(await session.says('address'));
    await codeOf(talk({ host: '127.0.0.1', port }, 'GET /crash HTTP/1.1\r\nHost: x\r\n\r\n'));
    await session.app.event('crash');
    const answer = talk({ host: '127.0.0.1', port });
    session.go();
    expect(await answer).toContain('version 2');
  });
});

describe('a program behaves as without devwatch:', () => {
  test('a closed port is free at once, also for the program itself', async () => {
    const again = `const http = require('http'); const first = http.createServer().listen(0, '127.0.0.1', () => {
      const { port } = first.address();
      first.close(() => { require('net').connect(port, '127.0.0.1').on('error', ({ code }) => {
        const second = http.createServer((request, response) => response.end('second')).listen(port, '127.0.0.1', () => say({ code, address: second.address() }));
      }); });
    });`;
    await using session = await Server.start(server(again));
    const says = await session.says('address');
    expect(says.code).toBe('ECONNREFUSED');
    expect(await talk({ host: '127.0.0.1', port: portOf(says) })).toContain('second');
  });

  test('a port that the next run does not use is released', async () => {
    await using session = await Server.start(server(plain('0, "127.0.0.1"')));
    const port = portOf(await session.says('address'));
    await session.replace(plain('0, "::1"'));
    session.go();
    await session.says('address', 2);
    // The port is released when no further server has started for a moment.
    let code = '';
    while (code !== 'ECONNREFUSED') code = await codeOf(talk({ host: '127.0.0.1', port }, ''));
  });

  test('the next run may listen on the same port of another address', async () => {
    await using session = await Server.start(server(plain('0, "127.0.0.1"')));
    const port = portOf(await session.says('address'));
    await session.replace(plain(`${port}, "0.0.0.0"`));
    session.go();
    expect((await session.says('address', 2)).address).toMatchObject({ address: '0.0.0.0', port });
  });

  test('connections are refused after the program has exited, until a change', async () => {
    const ends = plain('0', 'http.createServer((request, response) => process.exit(0))');
    await using session = await Server.start(server(ends));
    const port = portOf(await session.says('address'));
    await codeOf(talk({ host: '127.0.0.1', port }));
    await session.app.event('exit');
    expect(await codeOf(talk({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
  });

  test('a Unix socket is created again after the program removes its file', async () => {
    const removes = `require('fs').rmSync('app.sock', { force: true });${plain('"app.sock"')}`;
    await using session = await Server.start(server(removes));
    await session.says('address');
    await session.replace(removes);
    session.go();
    await session.says('address', 2);
    expect(await talk({ path: session.app.at('app.sock') })).toContain('version 2');
  });

  test('the file of a Unix socket is removed when the program closes its server, even if an earlier run created it', async () => {
    const closes = `${plain('"app.sock"')} server.on('listening', () => run > 1 && server.close());`;
    await using session = await Server.start(server(closes));
    await session.says('address');
    session.go();
    await session.replace(closes);
    await session.says('address', 2);
    await until(() => !fs.existsSync(session.app.at('app.sock')));
  });

  test('a program whose permissions forbid pipes can close its servers', async () => {
    const name = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
    const flags = [
      name,
      '--allow-fs-read=*',
      ...(process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : []),
    ];
    const closes = `${plain('0')} server.on('listening', () => server.close(() => say({ closed: true })));`;
    await using session = await Server.start(server(closes), flags);
    expect(await session.says('closed')).toMatchObject({ closed: true });
  });

  test('the workers of a cluster serve connections', async () => {
    const cluster = `const cluster = require('cluster'), http = require('http');
      if (cluster.isPrimary) cluster.fork().on('listening', (worker, address) => say({ address: worker }));
      else http.createServer((request, response) => response.end('version ' + version)).listen(0);`;
    await using session = await Server.start(cluster.includes('isPrimary') ? clustered(cluster) : '');
    const first = await session.says('address');
    expect(await talk({ host: '127.0.0.1', port: portOf(first) })).toContain('version 1');
    session.app.write('server.js', clustered(cluster, 2));
    const second = await session.says('address', 2);
    expect(await talk({ host: '127.0.0.1', port: portOf(second) })).toContain('version 2');
  });

  test('only its own deprecations are printed or thrown', async () => {
    const flags = ['--pending-deprecation', '--throw-deprecation'];
    await using session = await Server.start(server(plain('0, "127.0.0.1"')), flags);
    const first = portOf(await session.says('address'));
    await session.replace(plain('0, "127.0.0.1"'));
    session.go();
    expect(portOf(await session.says('address', 2))).toBe(first);
    expect(session.app.otherLines).toEqual([]);
  });

  test('with --no-hold connections between two runs are refused', async () => {
    await using session = await Server.start(server(plain('0, "127.0.0.1"')), ['--no-hold']);
    const port = portOf(await session.says('address'));
    await session.replace(plain('0, "127.0.0.1"'));
    expect(await codeOf(talk({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
  });

  test('connections are refused after devwatch has exited', async () => {
    await using session = await Server.start(server(plain('0, "127.0.0.1"')));
    const port = portOf(await session.says('address'));
    await session.app.end('SIGTERM');
    expect(await codeOf(talk({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
  });
});

const clustered = (text: string, version = 1): string =>
  `const version = ${version}; const say = (says) => require(process.env.TEST_DIAL)({ run: version, ...says });\n${text}`;

test.each([
  ['started as a script', ['server.py']],
  ['started by a line', ['--exec', 'python3 server.py']],
])(
  'a Python server %s inherits the socket of --hold=<port>, and connections wait during its restarts',
  async (_, words) => {
    const port = await freePort();
    const python = (version: number): string => `
import os, socket, json
assert os.environ['LISTEN_PID'] == str(os.getpid()) and os.environ['LISTEN_FDS'] == '1'
home = socket.create_connection(('127.0.0.1', int(os.environ['TEST_HOME'])))
home.sendall((json.dumps({'pid': os.getpid(), 'version': ${version}}) + '\\n').encode())
while ${version} > 1 and not os.path.exists('go'): pass
assert os.get_blocking(3) and os.readlink('/proc/self/fd/0').startswith(('pipe:', 'socket:'))
server = socket.socket(fileno=3)
while True:
    client, _ = server.accept()
    client.sendall(b'version ${version}')
    client.close()
`;
    await using home = await openHome();
    await using project = createProject({ 'server.py': python(1) });
    await using devwatch = startDevwatch([`--hold=${port}`, ...words], { cwd: project.path, env: home.env });
    await home.caller();
    await devwatch.event('watching');
    expect(await talk({ host: '127.0.0.1', port }, '')).toBe('version 1');
    project.write('server.py', python(2));
    await home.caller();
    const answer = talk({ host: '127.0.0.1', port }, '');
    project.write('go', '');
    expect(await answer).toBe('version 2');
    await devwatch.end('SIGTERM');
    expect(await codeOf(talk({ host: '127.0.0.1', port }, ''))).toBe('ECONNREFUSED');
  },
);

test('devwatch names a port of --hold=<port> that it cannot open, and runs the program', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await using app = await start({ args: [`--hold=${port}`, '--exec', 'sleep 60'] });
  const { message } = await app.event('problem');
  expect(message).toMatch(new RegExp(`^port ${port} cannot be held: .*EADDRINUSE`));
  await app.event('start');
  server.close();
});

test('devwatch passes on input that arrives before the port of --hold=<port> is open', async () => {
  await using home = await openHome();
  const reads = `
import json, os, socket, sys
home = socket.create_connection(('127.0.0.1', int(os.environ['TEST_HOME'])))
home.sendall((json.dumps({'pid': os.getpid(), 'line': sys.stdin.readline()}) + '\\n').encode())
`;
  await using project = createProject({ 'reads.py': reads });
  const port = await freePort();
  await using devwatch = startDevwatch(['--stdin', 'pipe', `--hold=${port}`, 'reads.py'], {
    cwd: project.path,
    env: home.env,
  });
  devwatch.process.stdin?.write('hello\n');
  expect((await home.caller()).says.line).toBe('hello\n');
});

describe('a restart', () => {
  /** Responds once the file `answer` exists. */
  const slow = plain(
    '0, "127.0.0.1"',
    `http.createServer((request, response) => {
      say({ request: true });
      const look = () => fs.existsSync('answer') ? response.end('version ' + version) : setTimeout(look, 5);
      look();
    })`,
  );

  test('waits until a request in flight has been answered', async () => {
    await using session = await Server.start(server(slow), ['--drain', '20s']);
    const says = await session.says('address');
    const port = portOf(says);
    const agent = new http.Agent({ keepAlive: true });
    const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get({ port, host: '127.0.0.1', agent }, resolve).on('error', reject);
    });
    await session.says('request');
    session.app.write('server.js', server(slow, 2));
    // The program stops listening when it drains.
    await until(() => !listPortHolders(port).includes(Number(says.pid)));
    fs.writeFileSync(session.app.at('answer'), '');
    const { headers, statusCode } = await answer;
    expect(statusCode).toBe(200);
    // The client sends its next request to the next run.
    expect(headers.connection).toBe('close');
    session.go();
    await session.says('address', 2);
    agent.destroy();
  });

  test('does not wait for a request that takes longer than --drain', async () => {
    await using session = await Server.start(server(slow), ['--drain', '1']);
    const port = portOf(await session.says('address'));
    const answer = talk({ host: '127.0.0.1', port });
    await session.says('request');
    session.app.write('server.js', server(slow, 2));
    expect(await answer).toBe('');
  });

  test('leaves the server unchanged for the signal handler of the program', async () => {
    const tidy = `${plain('0, "127.0.0.1"')}
      process.on('SIGTERM', () => { const address = server.address(); server.close(() => say({ closed: address, listening: server.listening })); });`;
    await using session = await Server.start(server(tidy), ['--kill-timeout', '100']);
    const { address } = await session.says('address');
    session.app.write('server.js', server(tidy, 2));
    expect(await session.says('closed')).toMatchObject({ closed: address, listening: false });
  });
});

describe('a part of the program that inherits no sockets can listen on the port:', () => {
  const listens = "require('net').createServer().listen(Number(process.env.WANTED), () => say({ listens: true }));";

  test.each([
    [
      'a worker thread',
      `const { Worker } = require('worker_threads');
      new Worker(${JSON.stringify(`const say = (says) => require(process.env.TEST_DIAL)(says);\n${listens}`)}, { eval: true });`,
    ],
    [
      'a child process whose failure ends the program',
      `require('child_process').fork('./child.js').on('exit', (code) => process.exit(code));`,
    ],
  ])('%s', async (_, script) => {
    await using session = await Server.start(server(plain('0')));
    const port = portOf(await session.says('address'));
    session.app.write('child.js', `const say = (says) => require(process.env.TEST_DIAL)(says);\n${listens}`);
    session.app.write('server.js', `process.env.WANTED = '${port}';\n${script}`);
    expect(await session.says('listens')).toMatchObject({ listens: true });
  });
});

describe('the program receives one signal', () => {
  /** Records each signal, and runs until it is killed. */
  const stubborn = (listen: string): string => `
    process.on('SIGUSR2', () => fs.appendFileSync('asked', 'SIGUSR2 '));
    ${listen}`;
  /** Reports a request before it is handled. */
  const answers = (text: string): string =>
    plain('0, "127.0.0.1"', `http.createServer((_, response) => { fs.writeFileSync('request', ''); ${text} })`);

  test.each([
    ['when no request is in flight', plain('0, "127.0.0.1"'), '20s'],
    ['when a request takes too long', answers(''), '1'],
    [
      'when it is too busy to be drained in time',
      answers('for (const end = Date.now() + 500; Date.now() < end; ); response.end();'),
      '1',
    ],
  ])('%s', async (_, listen, drain) => {
    const flags = ['--drain', drain, '--signal', 'SIGUSR2', '--kill-timeout', '1s'];
    await using session = await Server.start(server(stubborn(listen)), flags);
    const port = portOf(await session.says('address'));
    if (drain === '1') {
      void codeOf(talk({ host: '127.0.0.1', port }));
      await until(() => fs.existsSync(session.app.at('request')));
    }
    await session.replace(stubborn(listen));
    expect(fs.readFileSync(session.app.at('asked'), 'utf8')).toBe('SIGUSR2 ');
  });
});

test('neither the program nor its children see an IPC channel', async () => {
  const look = `const { fork } = require('child_process');
    const see = '({ send: typeof process.send, connected: process.connected, channel: typeof process.channel, disconnect: typeof process.disconnect, fd: process.env.NODE_CHANNEL_FD, mode: process.env.NODE_CHANNEL_SERIALIZATION_MODE })';
    ${plain('0')}
    const child = require('child_process').spawnSync(process.execPath, ['-p', 'JSON.stringify(' + see + ')'], { encoding: 'utf8' });
    say({ own: eval(see), child: JSON.parse(child.stdout), listeners: process.listenerCount('message') });`;
  await using session = await Server.start(server(look));
  const nothing = { send: 'undefined', channel: 'undefined', disconnect: 'undefined' };
  expect(await session.says('own')).toMatchObject({ own: nothing, child: nothing, listeners: 0 });
});

test('child processes of the program do not inherit held ports', async () => {
  const spawns = `${plain('0')}
    say({ descriptors: require('child_process').execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' }) });`;
  await using session = await Server.start(server(spawns));
  await session.says('address');
  await session.replace(spawns);
  session.go();
  const { descriptors } = await session.says('descriptors', 2);
  expect(descriptors).not.toMatch(/ [3-9] -> socket/);
});

test('a port that comes late is held as long as it takes, and the program is up when it listens', async () => {
  // If a busy machine makes both come together, the lower port is the program's own.
  const [late = 0, early = 0] = [await freePort(), await freePort()].sort((one, other) => one - other);
  const twoServers = (version: number): string => `
    const http = require('http');
    http.createServer().listen(${early}, '127.0.0.1', () => require(process.env.TEST_DIAL)({ version: ${version} }));
    // Later than a port that the run before did not listen on is held.
    setTimeout(() => http.createServer((_, response) => response.end('version ${version}')).listen(${late}, '127.0.0.1'), 600);`;
  await using app = await start({ files: { 'server.js': twoServers(1) }, args: ['server.js'] });
  expect((await app.event('ready')).port).toBe(early);
  expect(await app.event('address')).toMatchObject({ run: 1, port: late, url: `http://localhost:${late}` });
  await app.event('watching');
  app.write('server.js', twoServers(2));
  await app.caller(({ says }) => says.version === 2);
  const answer = talk({ host: '127.0.0.1', port: late });
  expect(await app.event('ready')).toMatchObject({ run: 2, port: late });
  expect(await answer).toMatch(/version 2$/);
});
