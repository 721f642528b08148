/** What is started in the background has nothing of who started it but what it was given. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DaemonOptions, daemonize } from '../../../src/background/daemonize.ts';
import { acquireName } from '../../../src/background/name-lock.ts';
import { listEntries } from '../../../src/background/records.ts';
import { livenessOf, type ProcessIdentity } from '../../../src/process/tree/identity.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { buildScript, createStateFolder, type StateFolder } from '../../support/background.ts';
import { isAlive, parentOf, until } from '../../support/facts.ts';

let state: StateFolder;
let log: DaemonOptions['log'];
const started: number[] = [];

beforeEach(() => {
  state = createStateFolder();
  log = { out: path.join(state.path, 'out.log'), err: path.join(state.path, 'err.log') };
});
afterEach(async () => {
  for (const pid of started.splice(0)) {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
  }
  state[Symbol.dispose]();
});

async function start(options: Partial<DaemonOptions> = {}): Promise<ProcessIdentity> {
  const daemon = await daemonize({
    file: '/bin/sleep',
    args: ['500'],
    env: process.env,
    folder: state.path,
    log,
    ...options,
    prepare(identity) {
      started.push(identity.pid);
      options.prepare?.(identity);
    },
  });
  return daemon;
}

const read = (file: string): string => fs.readFileSync(file, 'utf8');
const output = (): string => (fs.existsSync(log.out) ? read(log.out) : '');
const becomes = (pid: number, command: string): Promise<void> =>
  until(() => read(`/proc/${pid}/cmdline`) === `${command.replaceAll(' ', '\0')}\0`);

/** State, parent, group, session, terminal. */
const fieldsOf = (pid: number): string[] => (read(`/proc/${pid}/stat`).split(') ')[1] ?? '').split(' ').slice(0, 5);

const descriptorsOf = (pid: number): Record<string, string> =>
  Object.fromEntries(
    fs.readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return [[name, fs.readlinkSync(`/proc/${pid}/fd/${name}`)]];
      } catch {
        return []; // Closed since: it was the process's own.
      }
    }),
  );

/** Where orphans go: to process 1, or to a subreaper. */
async function reaper(): Promise<number> {
  const shell = spawn('/bin/sh', ['-c', 'sleep 500 >/dev/null & echo $!'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  await once(shell, 'exit');
  started.push(Number(line));
  return parentOf(Number(line));
}

test('it leads no session, has no terminal, no parent of ours, its folder, its umask, and three descriptors', async () => {
  const { pid } = await start();
  await becomes(pid, '/bin/sleep 500');
  const [, parent, group, session, terminal] = fieldsOf(pid).map(Number);
  expect(parent).toBe(await reaper());
  expect(session).not.toBe(pid);
  expect(group).toBe(session);
  expect(session).not.toBe(Number(fieldsOf(process.pid)[3]));
  expect(isAlive(session ?? 0)).toBe(false);
  expect(terminal).toBe(0);
  expect(fs.readlinkSync(`/proc/${pid}/cwd`)).toBe(state.path);
  expect(read(`/proc/${pid}/status`)).toMatch(/^Umask:\t0077$/m);
  expect(descriptorsOf(pid)).toEqual({ 0: '/dev/null', 1: log.out, 2: log.err });
});

test('it is who it is said to be', async () => {
  let prepared: ProcessIdentity | undefined;
  const daemon = await start({
    prepare(identity) {
      prepared = identity;
      expect(livenessOf(identity)).toBe('alive');
      expect(read(`/proc/${identity.pid}/cmdline`)).not.toMatch(/^\/bin\/sleep/);
    },
  });
  expect(daemon).toEqual(prepared);
  await becomes(daemon.pid, '/bin/sleep 500');
  expect(livenessOf(daemon)).toBe('alive');
});

test('its signals are at their defaults once Node runs', async () => {
  const { pid } = await start({
    file: process.execPath,
    args: ['-e', 'console.log("up"); setInterval(() => {}, 1e6)'],
    umask: 0o22,
  });
  await until(() => output() === 'up\n');
  const status = read(`/proc/${pid}/status`);
  // SIGPIPE (13) and SIGXFSZ (25) are ignored by every Node.
  expect(status).toMatch(/^SigIgn:\t0000000001001000$/m);
  expect(status).toMatch(/^SigBlk:\t0000000000000000$/m);
  expect(status).toMatch(/^Umask:\t0022$/m);
  process.kill(pid, 'SIGINT');
  await until(() => !isAlive(pid));
});

describe('descriptors that the caller leaks are closed', () => {
  const launcher = `
    import { daemonize } from './daemonize.ts';
    const [folder] = process.argv.slice(2);
    const log = { out: folder + '/out.log', err: folder + '/err.log' };
    const fs = await import('node:fs');
    console.log(JSON.stringify(fs.readdirSync('/proc/self/fd').filter((fd) => {
      try { return fs.readlinkSync('/proc/self/fd/' + fd) === '/dev/zero'; } catch { return false; }
    })));
    const { pid } = await daemonize({ file: '/bin/sleep', args: ['500'], env: process.env, folder, log });
    console.log(pid);`;

  test.each(['3</dev/zero', '4</dev/zero 9</dev/zero', '17</dev/zero 40</dev/zero'])('%s', async (leak) => {
    const script = buildScript(state.path, 'launcher', launcher);
    const child: ChildProcess = spawn(
      '/bin/bash',
      ['-c', `exec "$@" ${leak}`, 'bash', process.execPath, script, state.path],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(child, 'close');
    const [leaked, pid] = text.split('\n').map((line) => JSON.parse(line || 'null'));
    started.push(pid);
    expect(leaked).toEqual(leak.match(/\d+/g));
    await becomes(pid, '/bin/sleep 500');
    // As it begins, it reads files of its own.
    await until(() => Object.keys(descriptorsOf(pid)).length === 3);
    expect(descriptorsOf(pid)).toEqual({ 0: '/dev/null', 1: log.out, 2: log.err });
    expect(fieldsOf(pid)[3]).not.toBe(String(pid));
  });
});

describe('its environment is exactly the given one', () => {
  test.each<[string, Record<string, string>]>([
    ['none', {}],
    ['names that are none to a shell', { 'a-b': '1', 'npm.x': '$HOME `id` "q"', ä: 'ö', '1': 'one' }],
    [
      'what shells change',
      { PWD: '/nowhere', OLDPWD: '/x', SHLVL: '7', _: 'under', OPTIND: '5', IFS: 'x', PPID: '1', PS1: 'p' },
    ],
    ['what shells read', { ENV: '/nowhere', BASH_ENV: '/nowhere', CDPATH: '/', LC_ALL: 'C', PATH: '' }],
    ['values with all there is', { A: ' a\n\'"\\$(id)\t', B: '', C: 'x'.repeat(100_000), D: '=', E: 'ä€😀' }],
  ])('%s', async (_, env) => {
    const { pid } = await start({ env });
    await becomes(pid, '/bin/sleep 500');
    const words = fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').slice(0, -1).sort();
    expect(words).toEqual(
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}`)
        .sort(),
    );
  });

  test('what is undefined is not there', async () => {
    const { pid } = await start({ env: { A: undefined, B: 'b' } });
    await becomes(pid, '/bin/sleep 500');
    expect(read(`/proc/${pid}/environ`)).toBe('B=b\0');
  });
});

test('arguments arrive as they are', async () => {
  const args = ['', ' ', '$HOME', '-x', 'a=b', '"\'\\', '\n', 'ä'];
  await start({
    file: process.execPath,
    args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...args],
  });
  await until(() => output().endsWith(']\n'));
  expect(JSON.parse(output())).toEqual(args);
});

test('logs are for the user alone, and are written to at their end', async () => {
  fs.writeFileSync(log.err, 'before\n');
  const umask = process.umask(0);
  await start({ file: process.execPath, args: ['-e', 'console.log(1); console.error(2)'] });
  process.umask(umask);
  await until(() => output() !== '' && read(log.err) === 'before\n2\n');
  expect(output()).toBe('1\n');
  expect(fs.statSync(log.out).mode & 0o777).toBe(0o600);
});

test('one file may be both logs', async () => {
  await start({
    file: process.execPath,
    args: ['-e', 'console.log(1); console.error(2)'],
    log: { out: log.out, err: log.out },
  });
  await until(() => output() === '1\n2\n');
});

describe('it is not started', () => {
  test('when the preparation fails', async () => {
    const fail = () => {
      throw new UsageError('somebody was faster');
    };
    await expect(start({ prepare: fail })).rejects.toThrow('somebody was faster');
    const [pid = 0] = started;
    await until(() => !isAlive(pid));
    expect(read(log.err)).toBe('');
  });

  test('when the caller dies before it has been told to go', async () => {
    const script = buildScript(
      state.path,
      'launcher',
      `import { daemonize } from './daemonize.ts';
       import fs from 'node:fs';
       const [folder] = process.argv.slice(2);
       await daemonize({
         file: '/bin/touch', args: ['begun'], env: {}, folder, log: { out: folder + '/out.log', err: folder + '/err.log' },
         prepare({ pid }) { fs.writeFileSync(folder + '/pid', String(pid)); process.kill(process.pid, 'SIGKILL'); },
       });`,
    );
    await once(spawn(process.execPath, [script, state.path], { stdio: 'inherit' }), 'exit');
    const pid = Number(read(path.join(state.path, 'pid')));
    await until(() => !isAlive(pid));
    expect(fs.existsSync(path.join(state.path, 'begun'))).toBe(false);
  });

  test.each<[string, (at: (name: string) => string) => Partial<DaemonOptions>, RegExp]>([
    ['without its folder', (at) => ({ folder: at('gone') }), /gone: ENOENT/],
    ['in what is not a folder', () => ({ folder: '/etc/passwd' }), /passwd: ENOTDIR/],
    ['without its file', (at) => ({ file: at('gone') }), /gone: ENOENT/],
    ['from a file that may not be run', () => ({ file: '/etc/passwd' }), /passwd: EACCES/],
    ['without a folder for its logs', (at) => ({ log: { out: at('gone/out'), err: at('err') } }), /gone\/out: ENOENT/],
    ['when its log is a folder', (at) => ({ log: { out: at('.'), err: at('err') } }), /: EISDIR/],
    ['when its log is a device', (at) => ({ log: { out: at('out'), err: '/dev/full' } }), /full: is not a file/],
    ['from a path that env cannot take', () => ({ file: '/proc/self/exe=' }), /=/],
  ])('%s', async (_, options, message) => {
    const starting = start(options((name) => path.join(state.path, name)));
    await expect(starting).rejects.toThrow(message);
    await expect(starting).rejects.toBeInstanceOf(UsageError);
    expect(started).toEqual([]);
  });

  test('when its log is a link', async () => {
    fs.symlinkSync(path.join(state.path, 'elsewhere'), log.out);
    await expect(start()).rejects.toThrow(/out\.log: ELOOP/);
    expect(fs.existsSync(path.join(state.path, 'elsewhere'))).toBe(false);
  });
});

test('a name goes from who starts it to it, without a gap', async () => {
  const script = buildScript(
    state.path,
    'daemon',
    `import { adoptName } from './name-lock.ts';
     import { newToken, writeRecord } from './records.ts';
     import { ownIdentity } from '../process/tree/identity.ts';
     const log = { out: '/dev/null', err: '/dev/null' };
     writeRecord(adoptName('web'), { ...ownIdentity(), name: 'web', folder: process.cwd(), startedIn: process.cwd(), program: 'server.js', argv: [],
       token: newToken(), socket: '', log, startedAt: Date.now(), version: '0' });
     setInterval(() => {}, 1e6);`,
  );
  const name = acquireName('web', state.path);
  const daemon = await start({
    file: process.execPath,
    args: [script],
    prepare: (identity) => name.transferTo(identity),
  });
  expect(() => acquireName('web', '/there')).toThrow(`web is already running in ${state.path} (pid ${daemon.pid})`);
  await until(() => listEntries()[0]?.record !== undefined);
  expect(listEntries()).toMatchObject([{ name: 'web', alive: true, record: { ...daemon, folder: state.path } }]);
  process.kill(daemon.pid, 'SIGKILL');
  await until(() => !isAlive(daemon.pid));
  expect(listEntries()).toMatchObject([{ name: 'web', alive: false }]);
  acquireName('web', '/there').release();
});
