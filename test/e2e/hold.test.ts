/** Held ports: a connection that is made during a restart waits, and nothing else is different. */

import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { listPortHolders } from '../../src/process/sockets/port-holders.ts';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { until } from '../support/facts.ts';
import { type Home, openHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';
import { createProject, type Project } from '../support/project.ts';

/** Says where it listens; from the second run on it begins to listen when the file `go` is there. */
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

class Session implements AsyncDisposable {
  readonly project: Project;
  readonly home: Home;
  readonly devwatch: Devwatch;
  #version = 1;

  constructor(project: Project, home: Home, devwatch: Devwatch) {
    this.project = project;
    this.home = home;
    this.devwatch = devwatch;
  }

  static async start(text: string, flags: readonly string[] = []): Promise<Session> {
    const home = await openHome();
    const project = createProject({ 'server.js': text });
    const devwatch = startDevwatch([...flags, 'server.js'], { cwd: project.path, env: home.env });
    const session = new Session(project, home, devwatch);
    await devwatch.event('watching');
    return session;
  }

  says(key: string, run?: number): Promise<Readonly<Record<string, unknown>>> {
    return this.home
      .until(({ says }) => key in says && (run === undefined || says.run === run))
      .then((caller) => caller.says);
  }

  /** Saves the server; resolves when the next run has begun, which does not listen before `go`. */
  async replace(listen: string): Promise<void> {
    this.#version += 1;
    this.project.write('server.js', server(listen, this.#version));
    await this.says('begins', this.#version);
  }

  go(): void {
    fs.writeFileSync(this.project.at('go'), '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.devwatch[Symbol.asyncDispose]();
    await this.project[Symbol.asyncDispose]();
    await this.home[Symbol.asyncDispose]();
  }
}

type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** What a raw connection brings until the other side ends it; rejects as the connection does. */
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

describe('a connection that is made between two runs is answered by the second', () => {
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
    await using session = await Session.start(server(plain(where)));
    const first = await session.says('address');
    const port = portOf(first);
    await session.replace(plain(where));
    const answer = talk({ host, port });
    session.go();
    expect(await answer).toContain('version 2');
    // What it finds out of its server is what it was before.
    expect(await session.says('address', 2)).toEqual({ ...first, run: 2, pid: expect.any(Number) });
  });

  test('by a raw socket server', async () => {
    const echo = plain('0', 'net.createServer((socket) => socket.end("version " + version))');
    await using session = await Session.start(server(echo));
    const port = portOf(await session.says('address'));
    await session.replace(echo);
    const answer = talk({ host: '127.0.0.1', port }, '');
    session.go();
    expect(await answer).toBe('version 2');
  });

  test('on a Unix socket, whose file the program was killed without removing', async () => {
    await using session = await Session.start(server(plain('"app.sock"')));
    await session.says('address');
    await session.replace(plain('"app.sock"'));
    const answer = talk({ path: session.project.at('app.sock') });
    session.go();
    expect(await answer).toContain('version 2');
  });

  test('on a Unix socket through several runs, without a trace beside it', async () => {
    await using session = await Session.start(server(plain('"app.sock"')));
    await session.says('address');
    session.go();
    for (const run of [2, 3, 4]) {
      await session.replace(plain('"app.sock"'));
      await session.says('address', run);
      expect(await talk({ path: session.project.at('app.sock') })).toContain(`version ${run}`);
    }
    expect(fs.readdirSync(session.project.path).sort()).toEqual(['app.sock', 'go', 'server.js']);
  });

  test('on each of several servers', async () => {
    const both = `const http = require('http'); let left = 2; const servers = ['a', 'b'].map((name) => http.createServer((request, response) => response.end(name + version)));
      for (const one of servers) one.listen(0, '127.0.0.1', () => --left === 0 && say({ ports: servers.map((it) => it.address().port) }));`;
    await using session = await Session.start(server(both));
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
    await using session = await Session.start(server(crashes));
    const port = portOf(await session.says('address'));
    await codeOf(talk({ host: '127.0.0.1', port }, 'GET /crash HTTP/1.1\r\nHost: x\r\n\r\n'));
    await session.devwatch.event('crash');
    const answer = talk({ host: '127.0.0.1', port });
    session.go();
    expect(await answer).toContain('version 2');
  });
});

describe('as without devwatch', () => {
  test('a port that the program closes is free at once, also for the program itself', async () => {
    const again = `const http = require('http'); const first = http.createServer().listen(0, '127.0.0.1', () => {
      const { port } = first.address();
      first.close(() => { require('net').connect(port, '127.0.0.1').on('error', ({ code }) => {
        const second = http.createServer((request, response) => response.end('second')).listen(port, '127.0.0.1', () => say({ code, address: second.address() }));
      }); });
    });`;
    await using session = await Session.start(server(again));
    const says = await session.says('address');
    expect(says.code).toBe('ECONNREFUSED');
    expect(await talk({ host: '127.0.0.1', port: portOf(says) })).toContain('second');
  });

  test('a port that the next run does not listen on is let go', async () => {
    await using session = await Session.start(server(plain('0, "127.0.0.1"')));
    const port = portOf(await session.says('address'));
    await session.replace(plain('0, "::1"'));
    session.go();
    await session.says('address', 2);
    // Asked again and again: it is let go when no further server has come for a moment.
    let code = '';
    while (code !== 'ECONNREFUSED') code = await codeOf(talk({ host: '127.0.0.1', port }, ''));
  });

  test('the next run may listen on the same port of another address', async () => {
    await using session = await Session.start(server(plain('0, "127.0.0.1"')));
    const port = portOf(await session.says('address'));
    await session.replace(plain(`${port}, "0.0.0.0"`));
    session.go();
    expect((await session.says('address', 2)).address).toMatchObject({ address: '0.0.0.0', port });
  });

  test('a program that waits for a change after its end is not connected to', async () => {
    const ends = plain('0', 'http.createServer((request, response) => process.exit(0))');
    await using session = await Session.start(server(ends));
    const port = portOf(await session.says('address'));
    await codeOf(talk({ host: '127.0.0.1', port }));
    await session.devwatch.event('exit');
    expect(await codeOf(talk({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
  });

  test('a Unix socket that the program removes before it listens is made again', async () => {
    const removes = `require('fs').rmSync('app.sock', { force: true });${plain('"app.sock"')}`;
    await using session = await Session.start(server(removes));
    await session.says('address');
    await session.replace(removes);
    session.go();
    await session.says('address', 2);
    expect(await talk({ path: session.project.at('app.sock') })).toContain('version 2');
  });

  test('the file of a Unix socket goes when the program closes the server, which an earlier run made', async () => {
    const closes = `${plain('"app.sock"')} server.on('listening', () => run > 1 && server.close());`;
    await using session = await Session.start(server(closes));
    await session.says('address');
    session.go();
    await session.replace(closes);
    await session.says('address', 2);
    await until(() => !fs.existsSync(session.project.at('app.sock')));
  });

  test('a program that may not make pipes closes its servers', async () => {
    const name = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
    const flags = [
      name,
      '--allow-fs-read=*',
      ...(process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : []),
    ];
    const closes = `${plain('0')} server.on('listening', () => server.close(() => say({ closed: true })));`;
    await using session = await Session.start(server(closes), flags);
    expect(await session.says('closed')).toMatchObject({ closed: true });
  });

  test('a cluster serves as without devwatch', async () => {
    const cluster = `const cluster = require('cluster'), http = require('http');
      if (cluster.isPrimary) cluster.fork().on('listening', (worker, address) => say({ address: worker }));
      else http.createServer((request, response) => response.end('version ' + version)).listen(0);`;
    await using session = await Session.start(cluster.includes('isPrimary') ? clustered(cluster) : '');
    const first = await session.says('address');
    expect(await talk({ host: '127.0.0.1', port: portOf(first) })).toContain('version 1');
    session.project.write('server.js', clustered(cluster, 2));
    const second = await session.says('address', 2);
    expect(await talk({ host: '127.0.0.1', port: portOf(second) })).toContain('version 2');
  });

  test('deprecations that are printed or thrown are those of the program alone', async () => {
    const flags = ['--pending-deprecation', '--throw-deprecation'];
    await using session = await Session.start(server(plain('0, "127.0.0.1"')), flags);
    const first = portOf(await session.says('address'));
    await session.replace(plain('0, "127.0.0.1"'));
    session.go();
    expect(portOf(await session.says('address', 2))).toBe(first);
    expect(session.devwatch.otherLines).toEqual([]);
  });

  test('--no-hold: a connection between two runs is refused', async () => {
    await using session = await Session.start(server(plain('0, "127.0.0.1"')), ['--no-hold']);
    const port = portOf(await session.says('address'));
    await session.replace(plain('0, "127.0.0.1"'));
    expect(await codeOf(talk({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
  });

  test('when devwatch ends, nobody is left waiting', async () => {
    await using session = await Session.start(server(plain('0, "127.0.0.1"')));
    const port = portOf(await session.says('address'));
    await session.devwatch.end('SIGTERM');
    expect(await codeOf(talk({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
  });
});

const clustered = (text: string, version = 1): string =>
  `const version = ${version}; const say = (says) => require(process.env.TEST_DIAL)({ run: version, ...says });\n${text}`;

test('--hold=port: a Python server takes the socket, and connections wait through its restarts', async () => {
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
  await using devwatch = startDevwatch([`--hold=${port}`, 'server.py'], { cwd: project.path, env: home.env });
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
});

test('what is piped in before the port is open reaches the program', async () => {
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

describe('at a restart', () => {
  /** Answers when the file `answer` is there. */
  const slow = plain(
    '0, "127.0.0.1"',
    `http.createServer((request, response) => {
      say({ request: true });
      const look = () => fs.existsSync('answer') ? response.end('version ' + version) : setTimeout(look, 5);
      look();
    })`,
  );

  test('a request under way is answered before the program ends', async () => {
    await using session = await Session.start(server(slow), ['--drain', '20s']);
    const says = await session.says('address');
    const port = portOf(says);
    const agent = new http.Agent({ keepAlive: true });
    const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get({ port, host: '127.0.0.1', agent }, resolve).on('error', reject);
    });
    await session.says('request');
    session.project.write('server.js', server(slow, 2));
    // It has been told when it no longer listens itself.
    await until(() => !listPortHolders(port).includes(Number(says.pid)));
    fs.writeFileSync(session.project.at('answer'), '');
    const { headers, statusCode } = await answer;
    expect(statusCode).toBe(200);
    // What the client wants next it asks of the next run.
    expect(headers.connection).toBe('close');
    session.go();
    await session.says('address', 2);
    agent.destroy();
  });

  test('one that takes longer than --drain is not waited for', async () => {
    await using session = await Session.start(server(slow), ['--drain', '1']);
    const port = portOf(await session.says('address'));
    const answer = talk({ host: '127.0.0.1', port });
    await session.says('request');
    session.project.write('server.js', server(slow, 2));
    expect(await answer).toBe('');
  });

  test('the program’s own handler of the signal finds its server as it was', async () => {
    const tidy = `${plain('0, "127.0.0.1"')}
      process.on('SIGTERM', () => { const address = server.address(); server.close(() => say({ closed: address, listening: server.listening })); });`;
    await using session = await Session.start(server(tidy), ['--kill-timeout', '100']);
    const { address } = await session.says('address');
    session.project.write('server.js', server(tidy, 2));
    expect(await session.says('closed')).toMatchObject({ closed: address, listening: false });
  });
});

describe('a part of the program that inherits nothing gets the port', () => {
  const listens = "require('net').createServer().listen(Number(process.env.WANTED), () => say({ listens: true }));";

  test.each([
    [
      'a worker thread',
      `const { Worker } = require('worker_threads');
      new Worker(${JSON.stringify(`const say = (says) => require(process.env.TEST_DIAL)(says);\n${listens}`)}, { eval: true });`,
    ],
    [
      'a child, whose failure ends the program',
      `require('child_process').fork('./child.js').on('exit', (code) => process.exit(code));`,
    ],
  ])('%s', async (_, script) => {
    await using session = await Session.start(server(plain('0')));
    const port = portOf(await session.says('address'));
    session.project.write('child.js', `const say = (says) => require(process.env.TEST_DIAL)(says);\n${listens}`);
    session.project.write('server.js', `process.env.WANTED = '${port}';\n${script}`);
    expect(await session.says('listens')).toMatchObject({ listens: true });
  });
});

describe('the program is asked once to end', () => {
  /** Notes down each time; goes on until it is killed. */
  const stubborn = (listen: string): string => `
    process.on('SIGUSR2', () => fs.appendFileSync('asked', 'SIGUSR2 '));
    ${listen}`;
  /** Tells of a request at once, whatever it then does with it. */
  const answers = (text: string): string =>
    plain('0, "127.0.0.1"', `http.createServer((_, response) => { fs.writeFileSync('request', ''); ${text} })`);

  test.each([
    ['when nothing is under way', plain('0, "127.0.0.1"'), '20s'],
    ['when what is under way takes too long', answers(''), '1'],
    [
      'when it hears of that too late',
      answers('for (const end = Date.now() + 500; Date.now() < end; ); response.end();'),
      '1',
    ],
  ])('%s', async (_, listen, drain) => {
    const flags = ['--drain', drain, '--signal', 'SIGUSR2', '--kill-timeout', '1s'];
    await using session = await Session.start(server(stubborn(listen)), flags);
    const port = portOf(await session.says('address'));
    if (drain === '1') {
      void codeOf(talk({ host: '127.0.0.1', port }));
      await until(() => fs.existsSync(session.project.at('request')));
    }
    await session.replace(stubborn(listen));
    expect(fs.readFileSync(session.project.at('asked'), 'utf8')).toBe('SIGUSR2 ');
  });
});

test('the program sees no channel, and neither do its children', async () => {
  const look = `const { fork } = require('child_process');
    const see = '({ send: typeof process.send, connected: process.connected, channel: typeof process.channel, disconnect: typeof process.disconnect, fd: process.env.NODE_CHANNEL_FD, mode: process.env.NODE_CHANNEL_SERIALIZATION_MODE })';
    ${plain('0')}
    const child = require('child_process').spawnSync(process.execPath, ['-p', 'JSON.stringify(' + see + ')'], { encoding: 'utf8' });
    say({ own: eval(see), child: JSON.parse(child.stdout), listeners: process.listenerCount('message') });`;
  await using session = await Session.start(server(look));
  const nothing = { send: 'undefined', channel: 'undefined', disconnect: 'undefined' };
  expect(await session.says('own')).toMatchObject({ own: nothing, child: nothing, listeners: 0 });
});

test('nothing of a held port is left to whom it does not belong to', async () => {
  const spawns = `${plain('0')}
    say({ descriptors: require('child_process').execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' }) });`;
  await using session = await Session.start(server(spawns));
  await session.says('address');
  await session.replace(spawns);
  session.go();
  const { descriptors } = await session.says('descriptors', 2);
  expect(descriptors).not.toMatch(/ [3-9] -> socket/);
});
