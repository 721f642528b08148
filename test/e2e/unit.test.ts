/** devwatch under systemd: units, readiness through NOTIFY_SOCKET, sockets from LISTEN_FDS. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../src/shared/errors.ts';
import { start } from '../support/app.ts';
import { cli, type Devwatch, runDevwatch, startDevwatch } from '../support/devwatch.ts';
import { parentOf, until } from '../support/facts.ts';
import { dialHome, type Home, openHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';
import { createProject, type Project } from '../support/project.ts';

describe('devwatch unit', () => {
  const started = (text: string): string | undefined => /^ExecStart=(.*)$/m.exec(text)?.[1];
  const node = process.execPath;

  test('prints a unit that runs the script in this folder, with its arguments unchanged', async () => {
    await using project = createProject({ 'server.js': '' });
    const words = ['unit', '--name', 'web', '--kill-timeout', '20s', 'server.js', '--write', 'a b'];
    const { code, stdout, stderr } = await runDevwatch(words, { cwd: project.path });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(started(stdout)).toBe(`${node} ${cli} --name web --kill-timeout 20s server.js --write "a b"`);
    expect(stdout).toContain(`\nWorkingDirectory=${project.path}\n`);
    expect(stdout).toContain('user/web.service\n');
    expect(stdout).toContain('\nTimeoutStopSec=26\n');
    expect(stdout).not.toContain('ListenStream');
  });

  test('prints a unit for the script of the settings, with the name of the package', async () => {
    await using project = createProject({
      'package.json': '{"name": "@shop/web"}',
      '.watchrc': '{"script": "server.js", "exitOnCrash": true}',
      'server.js': '',
    });
    const { stdout } = await runDevwatch(['unit'], { cwd: project.path });
    expect(started(stdout)).toBe(`${node} ${cli}`);
    expect(stdout).toContain('user/shop-web.service\n');
    expect(stdout).not.toContain('RestartPreventExitStatus');
  });

  test('prints a unit for a program that runs in the background, by its name', async () => {
    await using home = await openHome();
    await using project = createProject({ 'app/server.js': dialHome(), 'app/.watchrc': '{"killTimeout": "8s"}' });
    await using state = createProject({});
    const options = { cwd: project.path, env: { ...home.env, XDG_STATE_HOME: state.path } };
    expect((await runDevwatch(['start', '--name', 'web', '--cwd', 'app', 'server.js', 'x'], options)).code).toBe(0);
    const elsewhere = { ...options, cwd: state.path };
    const { stdout } = await runDevwatch(['unit', '--socket=3000', 'web'], elsewhere);
    expect(started(stdout)).toBe(`${node} ${cli} --name web --cwd app server.js x`);
    expect(stdout).toContain(`\nWorkingDirectory=${project.path}\n`);
    expect(stdout).toContain('\nTimeoutStopSec=14\n');
    expect(stdout).toContain('\nListenStream=127.0.0.1:3000\n');
    fs.renameSync(project.path, `${project.path}-moved`);
    const gone = await runDevwatch(['unit', 'web'], elsewhere);
    fs.renameSync(`${project.path}-moved`, project.path);
    const message = `devwatch: web was started in ${project.path}, which cannot be entered (ENOENT)\n`;
    expect(gone).toMatchObject({ code: 2, stdout: '', stderr: message });
    await runDevwatch(['stop', 'web'], options);
  });

  test('uses the path by which devwatch was called, and warns where that is temporary', async () => {
    await using project = createProject({ 'server.js': '', 'cache/_npx/1/.keep': '' });
    const link = project.at('cache/_npx/1/link');
    fs.symlinkSync(cli, link);
    const { stdout, stderr } = spawnSync(node, [link, 'unit', 'server.js'], { cwd: project.path, encoding: 'utf8' });
    expect(started(stdout)).toBe(`${node} ${link} server.js`);
    expect(stderr).toMatch(/^devwatch: .*npx's cache, which npm may delete/);
  });

  test('--write writes the units where systemd looks for them, and systemd-analyze accepts them', async () => {
    await using project = createProject({ "it's 100% $a/server.js": '', 'run/.keep': '' });
    fs.chmodSync(project.at('run'), 0o700);
    const env = { XDG_CONFIG_HOME: project.at('config dir'), XDG_RUNTIME_DIR: project.at('run') };
    const cwd = project.at("it's 100% $a");
    const words = ['unit', '--write', '--socket', '127.0.0.1:3000', '--name', 'web', 'server.js'];
    const odd = ['"quoted" \\ 100%', '$HOME', ';', '', 'ü\n\t'];
    const { code, stdout } = await runDevwatch([...words, ...odd], { cwd, env });
    expect(code).toBe(0);
    const folder = project.at('config dir/systemd/user');
    expect(fs.readdirSync(folder).sort()).toEqual(['web.service', 'web.socket']);
    expect(stdout).toContain(`wrote ${folder}/web.service\nwrote ${folder}/web.socket\nnow run:\n`);
    expect(stdout).toContain('systemctl --user enable --now web.socket\n');
    const files = ['web.service', 'web.socket'].map((name) => path.join(folder, name));
    const verify = ['verify', '--user', '--man=no', ...files];
    const { status, output } = spawnSync('systemd-analyze', verify, {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    expect({ status, output: output.join('') }).toEqual({ status: 0, output: '' });
  });

  test('prints a unit for each of several programs, in their order', async () => {
    await using project = createProject({
      '.watchrc': '{"apps": {"web": {"script": "web.js", "after": ["db"]}, "db": "db.js"}}',
      'web.js': '',
      'db.js': '',
      'run/.keep': '',
    });
    fs.chmodSync(project.at('run'), 0o700);
    const env = { XDG_CONFIG_HOME: project.at('config'), XDG_RUNTIME_DIR: project.at('run') };
    const { code, stdout } = await runDevwatch(['unit', '--write'], { cwd: project.path, env });
    expect([code, stdout]).toEqual([0, expect.stringContaining('enable --now web.service db.service\n')]);
    const unit = (name: string): string => fs.readFileSync(project.at(`config/systemd/user/${name}.service`), 'utf8');
    expect(started(unit('web'))).toBe(`${node} ${cli} --only web`);
    expect(started(unit('db'))).toBe(`${node} ${cli} --only db`);
    expect(unit('web')).toContain('\nWants=db.service\nAfter=db.service\n');
    expect(unit('db')).not.toContain('Wants=');
    const files = ['web', 'db'].map((name) => project.at(`config/systemd/user/${name}.service`));
    const { status, output } = spawnSync('systemd-analyze', ['verify', '--user', '--man=no', ...files], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    expect({ status, output: output.join('') }).toEqual({ status: 0, output: '' });
    expect(await runDevwatch(['unit', '--socket', '3000'], { cwd: project.path })).toMatchObject({
      code: 2,
      stderr: 'devwatch: --socket is for one program · devwatch unit --only <name> --socket <port>\n',
    });
  });

  test('--write replaces only units that devwatch has written', async () => {
    await using project = createProject({
      'server.js': '',
      'other.js': '',
      'config/systemd/user/mine.service': '[Service]\nExecStart=/bin/true\n',
    });
    const options = { cwd: project.path, env: { XDG_CONFIG_HOME: project.at('config') } };
    const write = (...words: string[]) => runDevwatch(['unit', '--write', ...words], options);
    await write('--name', 'web', 'server.js');
    expect((await write('--name', 'web', 'other.js')).code).toBe(0);
    const unit = (name: string): string => fs.readFileSync(project.at(`config/systemd/user/${name}`), 'utf8');
    expect(unit('web.service')).toContain(' other.js\n');
    const refused = await write('--socket', '3000', '--name', 'mine', 'server.js');
    expect(refused).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('mine.service: exists'),
    });
    expect(unit('mine.service')).toBe('[Service]\nExecStart=/bin/true\n');
    expect(fs.readdirSync(project.at('config/systemd/user')).sort()).toEqual(['mine.service', 'web.service']);
  });

  test('--write writes nothing where another user could replace it', async () => {
    await using project = createProject({ 'server.js': '', 'config/x': '' });
    fs.chmodSync(project.at('config'), 0o777);
    const options = { cwd: project.path, env: { XDG_CONFIG_HOME: project.at('config') } };
    const { code, stderr } = await runDevwatch(['unit', '--write', 'server.js'], options);
    expect(code).toBe(2);
    expect(stderr).toContain(`${project.at('config')}: is open to other users (mode 777)`);
    expect(fs.readdirSync(project.at('config'))).toEqual(['x']);
  });

  test.each([
    [['unit', 'no-such'], /^devwatch: no-such: no such file or command/],
    [['unit'], /^devwatch: nothing to run/],
    [['unit', '--socket', 'web', 'server.js'], /--socket takes a port.*"web"/],
    [['unit', '--socket'], /--socket needs a value/],
    [['unit', '--write=yes', 'server.js'], /--write takes no value/],
    [['unit', '--name', '--write', 'server.js'], /--name needs a value/],
    [['unit', '--nmae', 'web', 'server.js'], /did you mean --name\?/],
    [['unit', '--name', '../web', 'server.js'], /"\.\.\/web" cannot be a name/],
  ])('%j prints the mistake and no unit', async (words, message) => {
    await using project = createProject({ 'server.js': '' });
    const { code, stdout, stderr } = await runDevwatch(words, { cwd: project.path });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

/** The service manager's end of NOTIFY_SOCKET: prints each message as a JSON array of lines, and closes the pipe of a barrier. */
const manager = `
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(sys.argv[1])
print('[]', flush=True)
while True:
    message, descriptors, _, _ = socket.recv_fds(server, 4096, 8)
    print(json.dumps(message.decode().splitlines()), flush=True)
    for descriptor in descriptors: os.close(descriptor)
`;

class Manager implements AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly #process: ChildProcess;
  readonly #messages: AsyncIterator<string>;
  readonly #folder: Project;

  constructor() {
    this.#folder = createProject({});
    this.env = { NOTIFY_SOCKET: this.#folder.at('notify') };
    this.#process = spawn('python3', ['-c', manager, this.#folder.at('notify')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#messages = readline
      .createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })
      [Symbol.asyncIterator]();
  }

  static async open(): Promise<Manager> {
    const opened = new Manager();
    await opened.#messages.next();
    return opened;
  }

  /** Returns the next message that is not a barrier. */
  async next(): Promise<string[]> {
    for (;;) {
      const lines = JSON.parse((await this.#messages.next()).value) as string[];
      if (lines[0] !== 'BARRIER=1') return lines;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A server that reports which of these variables it has. */
const listens = (port: number, version = 1): string =>
  `require('http').createServer((request, response) => response.end('version ${version}')).listen(${port}, '127.0.0.1');
  const seen = Object.keys(process.env).filter((name) => /^(NOTIFY_SOCKET|LISTEN_)/.test(name));
  require(process.env.TEST_DIAL)({ version: ${version}, seen });`;

describe('NOTIFY_SOCKET', () => {
  test('receives the readiness, the changes and the end of the program, which does not see it', async () => {
    await using systemd = await Manager.open();
    const port = await freePort();
    // With --env-file, the environment is built in another place (process/launch/environment.ts).
    await using app = await start({
      files: { 'server.js': listens(port), '.env': 'A=1' },
      args: ['--env-file', '.env', '--env-file=.env', 'server.js'],
      env: { ...systemd.env },
    });
    expect(await systemd.next()).toEqual(['READY=1', `STATUS=is up · port ${port}`]);
    const first = await app.caller();
    expect(first.says.seen).toEqual([]);
    first.send('crash');
    expect(await systemd.next()).toEqual(['STATUS=crashed: exit 1 · starts again']);
    expect(await systemd.next()).toEqual([`STATUS=is up · port ${port}`]);
    expect((await app.end('SIGTERM')).signal).toBe('SIGTERM');
    expect(await systemd.next()).toEqual(['STOPPING=1', 'STATUS=is stopping']);
    expect(app.events.filter(({ event }) => event === 'warning')).toEqual([]);
  });

  test('receives the end when the program causes it', async () => {
    await using systemd = await Manager.open();
    await using app = await start({
      files: { 'crashes.js': 'process.exit(7);' },
      args: ['--exit-on-crash', 'crashes.js'],
      env: systemd.env,
    });
    expect(await systemd.next()).toEqual(['STATUS=crashed: exit 7']);
    expect(await systemd.next()).toEqual(['STOPPING=1', 'STATUS=is stopping']);
    expect((await app.exited).code).toBe(7);
  });

  test('receives that a program without a port is running', async () => {
    await using systemd = await Manager.open();
    await using project = createProject({ 'worker.js': 'setInterval(() => {}, 1e9);' });
    await using _devwatch = startDevwatch(['worker.js'], { cwd: project.path, env: systemd.env });
    expect(await systemd.next()).toEqual(['READY=1', 'STATUS=is running']);
  });

  test.each([
    ['without systemd-notify', { PATH: '/nowhere' }, /systemd-notify is not in PATH/],
    ['with a socket on which no process listens', {}, /Failed to notify/],
  ])('%s: devwatch warns that it cannot notify the manager, and goes on', async (_, env, message) => {
    await using app = await start({
      files: { 'server.js': `require('http').createServer().listen(0);` },
      args: ['server.js'],
      env: { ...env, NOTIFY_SOCKET: '/nowhere/notify' },
    });
    const warning = await app.event('warning');
    expect(warning.message).toMatch(/^the service manager is not notified that the program is up: /);
    expect(warning.message).toMatch(message);
    await app.event('watching');
    expect((await app.end('SIGTERM')).signal).toBe('SIGTERM');
  });
});

/** A devwatch that systemd-socket-activate starts at the first connection. */
class Activated implements AsyncDisposable {
  readonly home: Home;
  readonly project: Project;
  readonly devwatch: Devwatch;

  constructor(home: Home, project: Project, devwatch: Devwatch) {
    this.home = home;
    this.project = project;
    this.devwatch = devwatch;
  }

  static async open(
    files: Readonly<Record<string, string>>,
    addresses: readonly (number | string)[],
    args: readonly string[],
    flags: readonly string[] = [],
  ): Promise<Activated> {
    const home = await openHome();
    const project = createProject(files);
    // systemd-socket-activate passes on only the variables that are named.
    const names = Object.keys({ ...process.env, ...home.env }).filter((name) => /^[A-Za-z_]\w*$/.test(name));
    const at = addresses.map((address) =>
      typeof address === 'string' && !/^[\d.:[\]]+$/.test(address) ? project.at(address) : address,
    );
    const devwatch = startDevwatch(args, {
      cwd: project.path,
      env: home.env,
      via: [
        'systemd-socket-activate',
        ...flags,
        ...at.flatMap((address) => ['-l', String(address)]),
        ...names.flatMap((name) => ['-E', name]),
      ],
    });
    const isListening = (): boolean =>
      devwatch.otherLines.filter((line) => line.startsWith('Listening on ')).length === addresses.length;
    await until(isListening);
    return new Activated(home, project, devwatch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without a connection it is still systemd-socket-activate, which the signal terminates.
    await this.devwatch[Symbol.asyncDispose]();
    await this.project[Symbol.asyncDispose]();
    await this.home[Symbol.asyncDispose]();
  }
}

type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/** Connects; returns everything that arrives until the other side closes the connection. */
async function talk(target: Target): Promise<string> {
  const socket = net.connect(target);
  await once(socket, 'connect');
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

/** A server that sends its version at every connection. From version 2 on it listens once the file `go` exists. */
const answers = (version: number, where: string, more = ''): string => `
  const fs = require('fs'), net = require('net');
  const seen = Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'));
  require(process.env.TEST_DIAL)({ version: ${version}, seen });
  ${more}
  const server = net.createServer((socket) => socket.end('version ${version}'));
  const begin = () => fs.existsSync('go') || ${version} === 1 ? server.listen(${where}) : setTimeout(begin, 5);
  begin();
`;

/** Saves version 2, connects before it listens, and lets it listen. */
async function answerOfNext(session: Activated, target: Target, file: string, text: string): Promise<string> {
  session.project.write(file, text);
  await session.home.caller(({ says }) => says.version === 2);
  const answer = talk(target);
  session.project.write('go', '');
  return answer;
}

describe('LISTEN_FDS', () => {
  describe('a Node program gets the socket, and connections wait for its first and its next run:', () => {
    test.each([
      ['a port', (port: number) => `${port}`, (port: number) => `${port}`],
      ['a port, by IPv4', (port: number) => `${port}`, (port: number) => `${port}, '0.0.0.0'`],
      ['a port, by IPv6', (port: number) => `${port}`, (port: number) => `{ port: ${port}, host: '::' }`],
      ['a port, for this machine', (port: number) => `${port}`, (port: number) => `${port}, 'localhost'`],
      ['an address', (port: number) => `127.0.0.1:${port}`, (port: number) => `${port}, '127.0.0.1'`],
      ['an address, by its port', (port: number) => `127.0.0.1:${port}`, (port: number) => `${port}`],
    ])('%s', async (_, address, where) => {
      const port = await freePort();
      const target = { host: '127.0.0.1', port };
      await using session = await Activated.open(
        { 'server.js': answers(1, where(port)) },
        [address(port)],
        ['server.js'],
      );
      expect(await talk(target)).toBe('version 1');
      expect((await session.home.caller()).says.seen).toEqual([]);
      expect(await answerOfNext(session, target, 'server.js', answers(2, where(port)))).toBe('version 2');
      expect((await session.devwatch.end('SIGTERM')).signal).toBe('SIGTERM');
    });

    test('a Unix socket, whose file is kept when the program closes a server', async () => {
      const tries = `const trial = net.createServer().listen('app.sock', () => trial.close(() => fs.writeFileSync('tried', '')));`;
      const files = { 'server.js': answers(1, `'app.sock'`, tries) };
      await using session = await Activated.open(files, ['app.sock'], ['server.js']);
      const target = { path: session.project.at('app.sock') };
      expect(await talk(target)).toBe('version 1');
      await until(() => fs.existsSync(session.project.at('tried')));
      expect(await answerOfNext(session, target, 'server.js', answers(2, `'app.sock'`))).toBe('version 2');
    });

    test('with --no-hold', async () => {
      const port = await freePort();
      const target = { host: '127.0.0.1', port };
      const files = { 'server.js': answers(1, `${port}`) };
      await using session = await Activated.open(files, [port], ['--no-hold', 'server.js']);
      expect(await talk(target)).toBe('version 1');
      expect(await answerOfNext(session, target, 'server.js', answers(2, `${port}`))).toBe('version 2');
    });

    test('from a standby', async () => {
      const port = await freePort();
      const target = { host: '127.0.0.1', port };
      await using session = await Activated.open({ 'server.js': answers(1, `${port}`) }, [port], ['server.js']);
      expect(await talk(target)).toBe('version 1');
      await session.devwatch.event('standby');
      expect(await answerOfNext(session, target, 'server.js', answers(2, `${port}`))).toBe('version 2');
      expect((await session.devwatch.event('start', ({ run }) => run === 2)).standby).toBe(true);
    });

    test('also after it has tested several times whether the port is free', async () => {
      const port = await freePort();
      const tries = `const wait = server => new Promise((resolve) => server.on('listening', resolve));
        (async () => {
          for (const host of [undefined, '0.0.0.0', '::', '127.0.0.1', 'localhost']) {
            const trial = net.createServer().listen({ port: ${port}, host });
            await wait(trial);
            await new Promise((resolve) => trial.close(resolve));
          }
          net.createServer((socket) => socket.end('at last')).listen(${port});
        })();`;
      const text = `const net = require('net'); ${tries}`;
      await using _session = await Activated.open({ 'server.js': text }, [port], ['server.js']);
      expect(await talk({ host: '127.0.0.1', port })).toBe('at last');
    });

    test('in the workers of a cluster', async () => {
      const port = await freePort();
      const text = `const cluster = require('cluster');
        if (cluster.isPrimary) cluster.fork();
        else require('net').createServer((socket) => socket.end('a worker')).listen(${port});`;
      await using _session = await Activated.open({ 'server.js': text }, [port], ['server.js']);
      expect(await talk({ host: '127.0.0.1', port })).toBe('a worker');
    });

    test('after it has exited, and devwatch waits for a change', async () => {
      const port = await freePort();
      const target = { host: '127.0.0.1', port };
      await using session = await Activated.open({ 'server.js': answers(1, `${port}`) }, [port], ['server.js']);
      expect(await talk(target)).toBe('version 1');
      (await session.home.caller()).send('exit');
      await session.devwatch.event('exit');
      const answer = talk(target);
      session.project.write('go', '');
      session.project.write('server.js', answers(2, `${port}`));
      expect(await answer).toBe('version 2');
    });
  });

  test('a program that is not Node gets all sockets with their names, in blocking mode', async () => {
    const python = (version: number): string => `
import json, os, socket
assert os.environ['LISTEN_PID'] == str(os.getpid())
home = socket.create_connection(('127.0.0.1', int(os.environ['TEST_HOME'])))
says = {'pid': os.getpid(), 'version': ${version}, 'seen': [os.environ['LISTEN_FDS'], os.environ['LISTEN_FDNAMES']]}
home.sendall((json.dumps({**says, 'blocks': [os.get_blocking(3), os.get_blocking(4)]}) + '\\n').encode())
while ${version} > 1 and not os.path.exists('go'): pass
servers = [socket.socket(fileno=3), socket.socket(fileno=4)]
for server in servers: server.setblocking(False)
import selectors
waiting = selectors.DefaultSelector()
for server in servers: waiting.register(server, selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        client, _ = key.fileobj.accept()
        client.sendall(b'version ${version}')
        client.close()
`;
    const [port, other] = [await freePort(), await freePort()];
    await using session = await Activated.open(
      { 'server.py': python(1) },
      [port, `127.0.0.1:${other}`],
      ['server.py'],
      ['--fdname=web:api'],
    );
    expect(await talk({ host: '127.0.0.1', port })).toBe('version 1');
    expect(await talk({ host: '127.0.0.1', port: other })).toBe('version 1');
    expect((await session.home.caller()).says).toMatchObject({ seen: ['2', 'web:api'], blocks: [true, true] });
    session.project.write('server.py', python(2));
    const second = await session.home.caller(({ says }) => says.version === 2);
    expect(second.says.blocks).toEqual([true, true]);
    const both = [port, other].map((one) => talk({ host: '127.0.0.1', port: one }));
    session.project.write('go', '');
    expect(await Promise.all(both)).toEqual(['version 2', 'version 2']);
  });

  test('neither the guardian nor hooks, shells or children of the program get the sockets', async () => {
    const port = await freePort();
    const files = {
      'server.js': `${answers(1, `${port}`)} server.on('listening', () => require('child_process').spawn('sh', ['child.sh']));`,
      'hook.sh': 'ls -l /proc/self/fd > hook.part; mv hook.part hook.txt',
      'child.sh': 'ls -l /proc/self/fd > child.part; mv child.part child.txt',
    };
    await using session = await Activated.open(
      files,
      [port],
      ['--no-standby', '--on-ready', 'sh hook.sh', 'server.js'],
    );
    await talk({ host: '127.0.0.1', port });
    const { project, devwatch } = session;
    const socket = fs.readlinkSync(`/proc/${devwatch.pid}/fd/3`);
    expect(socket).toMatch(/^socket:/);
    for (const file of ['hook.txt', 'child.txt']) {
      await until(() => fs.existsSync(project.at(file)));
      expect(fs.readFileSync(project.at(file), 'utf8')).toContain(' 0 -> ');
      expect(fs.readFileSync(project.at(file), 'utf8')).not.toContain(socket);
    }
    const program = await session.home.caller();
    const children = childrenOf(devwatch.pid);
    expect(children.filter((pid) => descriptorsOf(pid).includes(socket))).toEqual([program.pid]);
    // The guardian is one of the children.
    expect(children.length).toBeGreaterThan(1);
  });

  test('devwatch ignores the variables when they are for another process', async () => {
    await using home = await openHome();
    await using project = createProject({ 'server.js': listens(0) });
    const env = { ...home.env, LISTEN_PID: '1', LISTEN_FDS: '1' };
    await using _devwatch = startDevwatch(['server.js'], { cwd: project.path, env });
    expect((await home.caller()).says.seen).toEqual(['LISTEN_PID', 'LISTEN_FDS']);
  });

  test('devwatch refuses sockets that do not exist', async () => {
    await using project = createProject({ 'server.js': '' });
    const line = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3</dev/null; exec "$@"';
    const { status, stderr } = spawnSync('/bin/sh', ['-c', line, 'sh', process.execPath, cli, 'server.js'], {
      cwd: project.path,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: 'devwatch: LISTEN_FDS is 1, but descriptor 3 is not a socket\n',
    });
  });
});

const childrenOf = (pid: number): number[] =>
  fs
    .readdirSync('/proc')
    .map(Number)
    .filter((candidate) => candidate > 0 && parentOf(candidate) === pid);

/** Returns the targets of a process's descriptors; none if it has exited. */
function descriptorsOf(pid: number): string[] {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).map((descriptor) => fs.readlinkSync(`/proc/${pid}/fd/${descriptor}`));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
