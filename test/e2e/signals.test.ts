import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { cli } from '../support/devwatch.ts';
import { stateOf, until } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

test.each(['SIGUSR2', 'SIGALRM', 'SIGPWR'] as const)(
  '%s is passed on to the program and has no other effect',
  async (signal) => {
    await using app = await start({
      files: {
        'server.js': `process.on('${signal}', () => require(process.env.TEST_DIAL)({ got: '${signal}' }));\n${dialHome()}`,
      },
      args: ['server.js'],
    });
    const program = await app.caller();
    await app.event('watching');
    process.kill(app.pid, signal);
    const again = await app.caller();
    expect(again).toMatchObject({ pid: program.pid, says: { got: signal } });
  },
);

test('SIGUSR1 opens the inspector of the program, not the one of devwatch', async () => {
  await using app = await start({
    files: {
      'server.js': `const inspector = require('inspector'); const look = () => inspector.url() ? require(process.env.TEST_DIAL)({ url: inspector.url() }) : setImmediate(look);\nprocess.debugPort = 0;\n${dialHome()}look();`,
    },
    args: ['server.js'],
  });
  const program = await app.caller();
  await app.event('watching');
  process.kill(app.pid, 'SIGUSR1');
  expect(await app.caller()).toMatchObject({ pid: program.pid, says: { url: expect.stringContaining('ws://') } });
});

test('devwatch names a closed terminal as the cause of its end, and how to outlive it', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['--log-format', 'pretty', 'server.js'] });
  await app.caller();
  await app.end('SIGHUP');
  const notice = '[devwatch] the terminal was closed (SIGHUP) · devwatch start runs it in the background';
  expect(app.otherLines).toContain(notice);
});

test.each([
  ['SIGINT', { code: null, signal: 'SIGINT' }],
  ['SIGHUP', { code: null, signal: 'SIGHUP' }],
  // This signal would write a core dump.
  ['SIGQUIT', { code: 131, signal: null }],
] as const)(
  'without a terminal the program gets %s instead of the stop signal, and devwatch ends with %o',
  async (signal, exit) => {
    await using app = await start({
      files: {
        'server.js': `process.on('${signal}', () => { require('fs').writeFileSync('got', '${signal}'); process.exit(0); });\n${dialHome()}`,
      },
      args: ['server.js'],
    });
    await app.caller();
    await app.event('watching');
    expect(await app.end(signal)).toEqual(exit);
    expect(fs.readFileSync(app.at('got'), 'utf8')).toBe(signal);
  },
);

test('further signals do not cut the cleanup of the program short', async () => {
  const program = `for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});
    process.on('SIGPWR', () => require(process.env.TEST_DIAL)({ got: 'SIGPWR' }));\n${dialHome()}`;
  await using app = await start({ files: { 'server.js': program }, args: ['server.js'] });
  const caller = await app.caller();
  await app.event('watching');
  process.kill(app.pid, 'SIGINT');
  await app.event('stopping');
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.kill(app.pid, signal);
  // Passed on; of several signals that are pending, the one with the highest number comes last.
  process.kill(app.pid, 'SIGPWR');
  await app.caller(({ says }) => says.got === 'SIGPWR');
  caller.send('exit');
  expect(await app.exited).toEqual({ code: null, signal: 'SIGINT' });
  expect(app.events.filter(({ event }) => event === 'stopping')).toMatchObject([{ stage: 'delivered' }]);
});

test('SIGTSTP stops the process tree and devwatch, and SIGCONT continues both', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['server.js'] });
  const program = await app.caller();
  await app.event('watching');
  process.kill(app.pid, 'SIGTSTP');
  await until(() => stateOf(program.pid) === 'T' && stateOf(app.pid) === 'T');
  process.kill(app.pid, 'SIGCONT');
  app.write('server.js', dialHome({ version: 2 }));
  expect((await app.caller()).says.version).toBe(2);
});

test('--signal sets the signal that ends the program', async () => {
  await using app = await start({
    files: {
      'server.js': `process.on('SIGUSR2', () => { require('fs').writeFileSync('got', 'SIGUSR2'); process.exit(0); });\n${dialHome()}`,
    },
    args: ['--signal', 'usr2', 'server.js'],
  });
  await app.caller();
  await app.event('watching');
  app.write('server.js', dialHome({ version: 2 }));
  await app.caller();
  expect(fs.readFileSync(app.at('got'), 'utf8')).toBe('SIGUSR2');
});

test('--signal message ends a Node program by an IPC message', async () => {
  const program = (version: number): string =>
    `process.on('message', (message) => { require('fs').writeFileSync('got', message); process.exit(0); });\n${dialHome({ version })}`;
  await using app = await start({ files: { 'server.js': program(1) }, args: ['--signal', 'message', 'server.js'] });
  await app.caller();
  await app.event('watching');
  app.write('server.js', program(2));
  await app.caller();
  expect(fs.readFileSync(app.at('got'), 'utf8')).toBe('shutdown');
});

test('devwatch relays IPC messages in both directions for every run', async () => {
  await using home = await openHome();
  const program = (version: number): string =>
    `process.on('message', (message) => process.send({ version: ${version}, message }));\n${dialHome({ version })}`;
  await using project = createProject({ 'server.js': program(1) });
  const child = spawn(process.execPath, [cli, '-q', 'server.js'], {
    cwd: project.path,
    env: { ...process.env, ...home.env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await home.caller();
  child.send('hello');
  expect((await once(child, 'message'))[0]).toEqual({ version: 1, message: 'hello' });
  project.write('server.js', program(2));
  await home.caller((caller) => caller.says.version === 2);
  child.send({ deep: ['er'] });
  expect((await once(child, 'message'))[0]).toEqual({ version: 2, message: { deep: ['er'] } });
  const exited = once(child, 'exit');
  child.kill();
  await exited;
});

test('a program that has no IPC channel without devwatch has none with it', async () => {
  await using app = await start({
    files: {
      'server.js': `require(process.env.TEST_DIAL)({ send: typeof process.send, env: Object.keys(process.env).filter((name) => /CHANNEL|NODE_/.test(name)), execArgv: process.execArgv, cached: Object.keys(require.cache).filter((file) => /preload/.test(file)) });`,
    },
    args: ['--no-warnings', 'server.js'],
  });
  const { says } = await app.caller();
  expect(says).toMatchObject({ send: 'undefined', execArgv: ['--no-warnings'], cached: [] });
  expect(says.env).toEqual(Object.keys(process.env).filter((name) => /CHANNEL|NODE_/.test(name)));
  await app.event('watching');
});

describe('if the port is taken, devwatch', () => {
  test('reports the process that listens on it', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await using app = await start({
      files: {
        'server.js': `require('http').createServer().listen(${port}, '127.0.0.1');`,
      },
      args: ['server.js'],
    });
    const taken = await app.event('portTaken');
    expect(taken).toMatchObject({ port, holders: [{ pid: process.pid, user: expect.any(String) }] });
    expect(taken.holders[0]?.command).toContain('node');
    // The clock of /proc counts from boot; a minute is the tolerance.
    expect(Math.abs((taken.holders[0]?.since ?? 0) - performance.timeOrigin)).toBeLessThan(60_000);
    await app.event('crash');
    server.close();
  });

  test.each([
    ['reports', 'exits', 'process.exit(0)', true],
    ['does not report', 'listens on another port before it exits', 'server.listen(0, () => process.exit(0))', false],
  ])('%s it for a program that handles the error and %s', async (_, __, reaction, isReported) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await using app = await start({
      files: {
        'server.js': `const server = require('http').createServer();
        server.once('error', () => { ${reaction}; });
        server.listen(${port}, '127.0.0.1');`,
      },
      args: ['server.js'],
    });
    await app.event('exit');
    const reported = app.events.filter(({ event }) => event === 'portTaken');
    expect(reported).toMatchObject(isReported ? [{ port, holders: [{ pid: process.pid }] }] : []);
    server.close();
  });

  test('adds nothing to the output of a program that handles the error', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await using app = await start({
      files: {
        'server.js': `require('http').createServer().on('error', (error) => require(process.env.TEST_DIAL)({ code: error.code })).listen(${port}, '127.0.0.1');`,
      },
      args: ['server.js'],
    });
    expect((await app.caller()).says.code).toBe('EADDRINUSE');
    await app.end();
    expect(app.events.map(({ event }) => event)).not.toContain('portTaken');
    server.close();
  });
});
