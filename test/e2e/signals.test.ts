import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { cli, startDevwatch } from '../support/devwatch.ts';
import { stateOf, until } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

test.each(['SIGUSR2', 'SIGALRM', 'SIGPWR'] as const)(
  '%s is passed on to the program and does nothing else',
  async (signal) => {
    await using home = await openHome();
    await using project = createProject({
      'server.js': `process.on('${signal}', () => require(process.env.TEST_DIAL)({ got: '${signal}' }));\n${dialHome()}`,
    });
    await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
    const program = await home.next();
    await devwatch.event('watching');
    process.kill(devwatch.pid, signal);
    const again = await home.next();
    expect(again).toMatchObject({ pid: program.pid, says: { got: signal } });
  },
);

test('SIGUSR1 opens the inspector of the program, not that of devwatch', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `const inspector = require('inspector'); const look = () => inspector.url() ? require(process.env.TEST_DIAL)({ url: inspector.url() }) : setImmediate(look);\nprocess.debugPort = 0;\n${dialHome()}look();`,
  });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  const program = await home.next();
  await devwatch.event('watching');
  process.kill(devwatch.pid, 'SIGUSR1');
  expect(await home.next()).toMatchObject({ pid: program.pid, says: { url: expect.stringContaining('ws://') } });
});

test.each([
  ['SIGINT', 130],
  ['SIGHUP', 129],
  ['SIGQUIT', 131],
] as const)(
  'without a terminal the program gets %s itself before it is asked otherwise, and the code is %i',
  async (signal, code) => {
    await using home = await openHome();
    await using project = createProject({
      'server.js': `process.on('${signal}', () => { require('fs').writeFileSync('got', '${signal}'); process.exit(0); });\n${dialHome()}`,
    });
    await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
    await home.next();
    await devwatch.event('watching');
    expect(await devwatch.end(signal)).toEqual({ code, signal: null });
    expect(fs.readFileSync(project.at('got'), 'utf8')).toBe(signal);
  },
);

test('SIGTSTP stops the whole tree with devwatch, SIGCONT goes on with both', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome() });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  const program = await home.next();
  await devwatch.event('watching');
  process.kill(devwatch.pid, 'SIGTSTP');
  await until(() => stateOf(program.pid) === 'T' && stateOf(devwatch.pid) === 'T');
  process.kill(devwatch.pid, 'SIGCONT');
  project.write('server.js', dialHome({ version: 2 }));
  expect((await home.next()).says.version).toBe(2);
});

test('--signal is how the program is asked to end', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `process.on('SIGUSR2', () => { require('fs').writeFileSync('got', 'SIGUSR2'); process.exit(0); });\n${dialHome()}`,
  });
  await using devwatch = startDevwatch(['--signal', 'usr2', 'server.js'], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  project.write('server.js', dialHome({ version: 2 }));
  await home.next();
  expect(fs.readFileSync(project.at('got'), 'utf8')).toBe('SIGUSR2');
});

test('--signal message asks a Node program by an IPC message', async () => {
  await using home = await openHome();
  const program = (version: number): string =>
    `process.on('message', (message) => { require('fs').writeFileSync('got', message); process.exit(0); });\n${dialHome({ version })}`;
  await using project = createProject({ 'server.js': program(1) });
  await using devwatch = startDevwatch(['--signal', 'message', 'server.js'], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  project.write('server.js', program(2));
  await home.next();
  expect(fs.readFileSync(project.at('got'), 'utf8')).toBe('shutdown');
});

test('IPC messages are relayed in both directions, to every run', async () => {
  await using home = await openHome();
  const program = (version: number): string =>
    `process.on('message', (message) => process.send({ version: ${version}, message }));\n${dialHome({ version })}`;
  await using project = createProject({ 'server.js': program(1) });
  const child = spawn(process.execPath, [cli, '-q', 'server.js'], {
    cwd: project.path,
    env: { ...process.env, ...home.env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await home.next();
  child.send('hello');
  expect((await once(child, 'message'))[0]).toEqual({ version: 1, message: 'hello' });
  project.write('server.js', program(2));
  await home.until((caller) => caller.says.version === 2);
  child.send({ deep: ['er'] });
  expect((await once(child, 'message'))[0]).toEqual({ version: 2, message: { deep: ['er'] } });
  const exited = once(child, 'exit');
  child.kill();
  await exited;
});

test('a program that finds no IPC channel without devwatch finds none with it', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `require(process.env.TEST_DIAL)({ send: typeof process.send, env: Object.keys(process.env).filter((name) => /CHANNEL|NODE_/.test(name)), execArgv: process.execArgv, cached: Object.keys(require.cache).filter((file) => /preload/.test(file)) });`,
  });
  await using devwatch = startDevwatch(['--no-warnings', 'server.js'], { cwd: project.path, env: home.env });
  const { says } = await home.next();
  expect(says).toMatchObject({ send: 'undefined', execArgv: ['--no-warnings'], cached: [] });
  expect(says.env).toEqual(Object.keys(process.env).filter((name) => /CHANNEL|NODE_/.test(name)));
  await devwatch.event('watching');
});

describe('when the port is taken', () => {
  test('devwatch says by whom', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await using project = createProject({
      'server.js': `require('http').createServer().listen(${port}, '127.0.0.1');`,
    });
    await using devwatch = startDevwatch(['server.js'], { cwd: project.path });
    const taken = await devwatch.event('portTaken');
    expect(taken).toMatchObject({ port, holders: [{ pid: process.pid, user: expect.any(String) }] });
    expect(taken.holders[0]?.command).toContain('node');
    // Within a minute of what the runner itself believes: the clock of /proc counts from boot.
    expect(Math.abs((taken.holders[0]?.since ?? 0) - performance.timeOrigin)).toBeLessThan(60_000);
    await devwatch.event('crash');
    server.close();
  });

  test.each([
    ['and ends', 'process.exit(0)', true],
    ['and listens on another one before it ends', 'server.listen(0, () => process.exit(0))', false],
  ])('it is said of a program that handles it %s: %s', async (_, reaction, isSaid) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await using project = createProject({
      'server.js': `const server = require('http').createServer();
        server.once('error', () => { ${reaction}; });
        server.listen(${port}, '127.0.0.1');`,
    });
    await using devwatch = startDevwatch(['server.js'], { cwd: project.path });
    await devwatch.event('exit');
    const told = devwatch.events.filter(({ event }) => event === 'portTaken');
    expect(told).toMatchObject(isSaid ? [{ port, holders: [{ pid: process.pid }] }] : []);
    server.close();
  });

  test('but a program that handles it hears nothing of us', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await using home = await openHome();
    await using project = createProject({
      'server.js': `require('http').createServer().on('error', (error) => require(process.env.TEST_DIAL)({ code: error.code })).listen(${port}, '127.0.0.1');`,
    });
    await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
    expect((await home.next()).says.code).toBe('EADDRINUSE');
    await devwatch.end();
    expect(devwatch.events.map(({ event }) => event)).not.toContain('portTaken');
    server.close();
  });
});
