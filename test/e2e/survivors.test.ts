/** No process of a program survives devwatch, however it ends; processes of others are left alone. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type App, start } from '../support/app.ts';
import { cli, startDevwatch } from '../support/devwatch.ts';
import { childrenOf, isAlive, until } from '../support/facts.ts';
import { dialHome, type Home, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

/** A program that dials home, with a plain child and a detached one that do so as well. */
const family = `${dialHome({ who: 'root' })}
const { spawn } = require('child_process');
const child = (who, options) => spawn(process.execPath, ['-e', 'require(process.env.TEST_DIAL)({ who: process.argv[1] })', who], { stdio: 'ignore', ...options });
child('child', {}); child('daemon', { detached: true }).unref();
`;

async function familyOf(home: Pick<Home, 'caller'>): Promise<readonly [string, Promise<void>][]> {
  const members = [await home.caller(), await home.caller(), await home.caller()];
  return members.map((caller) => [String(caller.says.who), caller.gone]);
}

const startFamily = (env: Readonly<Record<string, string>> = {}): Promise<App> =>
  start({ files: { 'server.js': family }, args: ['server.js'], env });

describe.each([
  ['recognised by its marks', '0'],
  ['in a cgroup if there can be one', '1'],
])('after SIGKILL of devwatch no process is left of a program %s', (_, cgroup) => {
  test('while it is idle', async () => {
    await using app = await startFamily({ DEVWATCH_CGROUP: cgroup });
    const members = await familyOf(app);
    await app.event('watching');
    await app.end('SIGKILL');
    await Promise.all(members.map(([, gone]) => gone));
    expect(members.map(([who]) => who).sort()).toEqual(['child', 'daemon', 'root']);
  });

  test('including a process that NODE_OPTIONS started before it', async () => {
    await using app = await start({
      files: {
        '.watchrc': '{ "env": { "NODE_OPTIONS": "--require ./early.cjs" } }',
        'early.cjs': `const env = { ...process.env, NODE_OPTIONS: '' };
        const dial = 'require(process.env.TEST_DIAL)({ who: "early" })';
        require('child_process').spawn(process.execPath, ['-e', dial], { env, stdio: 'ignore', detached: true }).unref();`,
        'server.js': dialHome({ who: 'root' }),
      },
      args: ['server.js'],
      env: { DEVWATCH_CGROUP: cgroup },
    });
    const members = [await app.caller(), await app.caller()];
    await app.end('SIGKILL');
    await Promise.all(members.map(({ gone }) => gone));
    expect(members.map(({ says }) => says.who).sort()).toEqual(['early', 'root']);
  });

  test('while the program keeps its event loop busy and ignores every signal', async () => {
    await using app = await start({
      files: {
        'server.js': `process.on('SIGTERM', () => {}); const socket = require(process.env.TEST_DIAL)({}); socket.on('connect', () => setImmediate(() => { for (;;); }));`,
      },
      args: ['server.js'],
      env: { DEVWATCH_CGROUP: cgroup },
    });
    const program = await app.caller();
    await app.end('SIGKILL');
    await program.gone;
  });

  test('while devwatch terminates the old tree', async () => {
    await using app = await start({
      files: { 'server.js': `process.on('SIGTERM', () => {});\n${family}` },
      args: ['server.js'],
      env: { DEVWATCH_CGROUP: cgroup },
    });
    const members = await familyOf(app);
    await app.event('watching');
    app.write('server.js', dialHome());
    await app.event('stopping');
    await app.end('SIGKILL');
    await Promise.all(members.map(([, gone]) => gone));
  });

  test('even when the guardian was killed first, because another one has replaced it', async () => {
    await using app = await startFamily({ DEVWATCH_CGROUP: cgroup });
    const members = await familyOf(app);
    await app.event('watching');
    const guardian = await guardianOf(app.pid);
    process.kill(guardian, 'SIGKILL');
    await guardianOf(app.pid, guardian);
    await app.end('SIGKILL');
    await Promise.all(members.map(([, gone]) => gone));
  });

  test('once the next devwatch starts in the folder, when the guardian was killed as well', async () => {
    await using home = await openHome();
    await using project = createProject({ 'server.js': family });
    await using first = startDevwatch(['server.js'], {
      cwd: project.path,
      env: { ...home.env, DEVWATCH_CGROUP: cgroup },
    });
    const members = await familyOf(home);
    await first.event('watching');
    const guardian = await guardianOf(first.pid);
    process.kill(first.pid, 'SIGSTOP');
    process.kill(guardian, 'SIGKILL');
    const dead = once(first.process, 'exit');
    first.process.kill('SIGKILL');
    await dead;
    await using second = startDevwatch(['server.js'], {
      cwd: project.path,
      env: { ...home.env, DEVWATCH_CGROUP: cgroup },
    });
    const notice = 'an earlier devwatch was killed here: terminating the processes that it left running';
    expect(await second.event('warning')).toMatchObject({ message: notice });
    await Promise.all(members.map(([, gone]) => gone));
    await familyOf(home);
    expect(home.mostAlive).toBe(3);
  });
});

test('devwatch leaves no guardian and no orphan record behind when it is stopped', async () => {
  await using app = await startFamily();
  await familyOf(app);
  const guardian = await guardianOf(app.pid);
  await app.end();
  await until(() => !isAlive(guardian));
  await using again = startDevwatch(['server.js'], { cwd: app.path, env: app.env });
  await again.event('watching');
  expect(again.events.map(({ event }) => event)).not.toContain('warning');
});

test('devwatch and the program end on SIGTERM to npm, which sends it only to its shell', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': family,
    'package.json': JSON.stringify({ scripts: { dev: `${process.execPath} ${cli} -q server.js; true` } }),
  });
  const npm = spawn('npm', ['run', 'dev'], {
    cwd: project.path,
    env: { ...process.env, ...home.env },
    stdio: 'ignore',
  });
  const members = await familyOf(home);
  npm.kill('SIGTERM');
  await Promise.all(members.map(([, gone]) => gone));
});

test('the next run waits for a grandchild that is slow to release its port', async () => {
  // The grandchild listens, and closes only half a second after it was asked to end.
  const grandchild = `const server = require('net').createServer().listen(Number(process.argv[1]), '127.0.0.1', () => require(process.env.TEST_DIAL)({ who: 'grandchild' }));
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 500));`;
  const first = `const probe = require('net').createServer().listen(0, '127.0.0.1', () => {
  const { port } = probe.address();
  require('fs').writeFileSync('port', String(port));
  probe.close(() => require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}, String(port)], { stdio: 'inherit' }));
});`;
  const second = `require('net').createServer().on('error', (error) => require(process.env.TEST_DIAL)({ error: error.code })).listen(Number(require('fs').readFileSync('port', 'utf8')), '127.0.0.1', () => require(process.env.TEST_DIAL)({ who: 'second' }));`;
  await using app = await start({ files: { 'server.js': first }, args: ['server.js'] });
  const holder = await app.caller();
  await app.event('watching');
  app.write('server.js', second);
  expect((await app.caller()).says).toMatchObject({ who: 'second' });
  expect(holder.isAlive()).toBe(false);
});

test('the next run does not wait for an exempt process that holds the output open', async () => {
  await using app = await start({
    files: {
      'server.js': `${dialHome({ who: 'first' })}require('child_process').spawn(process.execPath, ['-e', 'require(process.env.TEST_DIAL)({ who: "kept" })'], { stdio: 'inherit', env: { ...process.env, DEVWATCH_KEEP: '1' } });`,
    },
    args: ['server.js'],
  });
  await app.caller();
  const kept = await app.caller();
  await app.event('watching');
  app.write('server.js', dialHome({ who: 'second' }));
  expect((await app.caller()).says.who).toBe('second');
  expect(kept.isAlive()).toBe(true);
  kept.send('exit');
  await kept.gone;
});

test.runIf(process.getuid?.() === 0)('devwatch does not take one in another pid namespace for dead', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome() });
  await using first = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  const program = await home.caller();
  await first.event('watching');
  const other = spawn(
    'unshare',
    ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, cli, '-q', 'server.js'],
    // Without a cgroup, which would survive the namespace.
    { cwd: project.path, env: { ...process.env, ...home.env, DEVWATCH_CGROUP: '0' }, stdio: 'ignore' },
  );
  const exited = once(other, 'exit');
  await home.caller();
  expect(program.isAlive()).toBe(true);
  other.kill('SIGKILL');
  await exited;
  expect(program.isAlive()).toBe(true);
});

test('devwatch makes its cgroup again when it has been removed', async () => {
  await using app = await start({ files: { 'server.js': dialHome({ version: 1 }) }, args: ['server.js'] });
  const first = await app.caller();
  await app.event('watching');
  const cgroup = cgroupOf(first.pid);
  first.send('exit');
  await app.event('exit');
  await until(() => !isAlive(first.pid));
  // Without cgroups there is nothing to remove, and the restart must work as well.
  if (cgroup !== undefined) for (const folder of [cgroup, path.dirname(cgroup)]) fs.rmdirSync(folder);
  app.write('server.js', dialHome({ version: 2 }));
  expect((await app.caller()).says.version).toBe(2);
});

test('two devwatches in one folder leave each other alone', async () => {
  await using home = await openHome();
  await using project = createProject({ 'a.js': dialHome({ who: 'a' }), 'b.js': dialHome({ who: 'b' }) });
  await using first = startDevwatch(['-w', 'a.js', 'a.js'], { cwd: project.path, env: home.env });
  const a = await home.caller();
  await using second = startDevwatch(['-w', 'b.js', 'b.js'], { cwd: project.path, env: home.env });
  const b = await home.caller();
  await second.event('watching');
  project.write('b.js', dialHome({ who: 'b', version: 2 }));
  await home.caller((caller) => caller.says.version === 2);
  expect([a.isAlive(), b.isAlive()]).toEqual([true, false]);
  await second.end('SIGKILL');
  await first.event('watching');
  project.write('a.js', dialHome({ who: 'a', version: 3 }));
  await home.caller((caller) => caller.says.version === 3);
});

test('a devwatch inside a devwatch restarts its own program, and ends with the outer one', async () => {
  await using app = await start({
    files: { 'inner/server.js': dialHome({ who: 'inner' }), 'outer.js': '' },
    args: ['--exec', `${process.execPath} ${process.cwd()}/dist/cli.cjs -q --cwd inner server.js`, '-w', 'outer.js'],
  });
  const first = await app.caller();
  await app.event('watching');
  app.write('inner/server.js', dialHome({ who: 'inner', version: 2 }));
  const second = await app.caller((caller) => caller.says.version === 2);
  expect(first.isAlive()).toBe(false);
  expect(app.events.filter(({ event }) => event === 'start')).toHaveLength(1);
  await app.end();
  await second.gone;
});

test('processes exempted by `keep` and by DEVWATCH_KEEP outlive the program', async () => {
  await using app = await start({
    files: {
      'server.js': `${dialHome({ who: 'root' })}
const { spawn } = require('child_process');
const child = (who, options) => spawn(process.execPath, ['-e', 'require(process.env.TEST_DIAL)({ who: process.argv[1] })', who], { stdio: 'ignore', ...options });
child('my-daemon', { detached: true }).unref();
child('asks', { env: { ...process.env, DEVWATCH_KEEP: '1' } });
child('other', { detached: true }).unref();
`,
    },
    args: ['--keep', '*my-daemon', 'server.js'],
  });
  const members = [await app.caller(), await app.caller(), await app.caller(), await app.caller()];
  await app.end();
  const of = (who: string) => members.find((caller) => caller.says.who === who);
  await of('root')?.gone;
  await of('other')?.gone;
  expect([of('my-daemon')?.isAlive(), of('asks')?.isAlive()]).toEqual([true, true]);
  of('my-daemon')?.send('exit');
  of('asks')?.send('exit');
  await Promise.all([of('my-daemon')?.gone, of('asks')?.gone]);
});

test.runIf(process.getuid?.() === 0)(
  'devwatch terminates the program and exits on SIGTERM when it is PID 1',
  async () => {
    await using home = await openHome();
    await using project = createProject({ 'server.js': family });
    const child = spawn(
      'unshare',
      ['--pid', '--fork', '--mount-proc', process.execPath, `${process.cwd()}/dist/cli.cjs`, '-q', 'server.js'],
      { cwd: project.path, env: { ...process.env, ...home.env }, stdio: 'ignore' },
    );
    const exited = once(child, 'exit');
    const members = await familyOf(home);
    const [devwatch] = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').map(Number);
    process.kill(devwatch ?? 0, 'SIGTERM');
    await Promise.all(members.map(([, gone]) => gone));
    expect(await exited).toEqual([143, null]);
  },
);

test('an error in devwatch itself ends the program as it should, and is told in two lines', async () => {
  const bomb = `delete process.env.NODE_OPTIONS; process.once('SIGURG', () => { throw new Error('boom'); });`;
  const project = createProject({
    'server.js': `${dialHome()} process.on('SIGTERM', () => { console.log('cleaned up'); process.exit(); });`,
    'bomb.cjs': bomb,
  });
  await using app = await start({
    project,
    args: ['server.js'],
    env: { NODE_OPTIONS: `--require ${project.at('bomb.cjs')}` },
  });
  const program = await app.caller();
  await app.event('watching');
  const { code, signal } = await app.end('SIGURG');
  await program.gone;
  expect({ code, signal, output: app.stdout() }).toEqual({ code: 1, signal: null, output: 'cleaned up\n' });
  const problems = app.events.filter((event) => event.event === 'problem').map(({ message }) => message);
  expect(problems).toEqual([
    expect.stringMatching(/^internal error: Error: boom · at /),
    expect.stringContaining('this is a bug in devwatch'),
  ]);
  expect(app.otherLines).toEqual([]);
});

/** Waits for the guardian of a devwatch, other than `known`, and returns its pid. */
async function guardianOf(pid: number, known = 0): Promise<number> {
  for (;;) {
    const guardian = childrenOf(pid).find(
      (child) => child.pid !== known && child.command.includes('devwatch-guardian'),
    );
    if (guardian !== undefined) return guardian.pid;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Returns the cgroup that devwatch made for a program. */
function cgroupOf(pid: number): string | undefined {
  const own = /^0::(\/.*devwatch-[^\n]*)$/m.exec(readFile(`/proc/${pid}/cgroup`))?.[1];
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFile('/proc/self/mountinfo'))?.[1];
  return own === undefined || mount === undefined ? undefined : path.join(mount, own);
}

function readFile(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
