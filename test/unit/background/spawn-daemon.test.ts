import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireName } from '../../../src/background/name-lock.ts';
import { listEntries } from '../../../src/background/records.ts';
import { type Daemon, type DaemonOptions, spawnDaemon } from '../../../src/background/spawn-daemon.ts';
import { livenessOf, type ProcessIdentity } from '../../../src/process/tree/identity.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { buildScript, createStateFolder, type StateFolder } from '../../support/background.ts';
import { isAlive, parentOf, until } from '../../support/facts.ts';

let state: StateFolder;
let log: string;
const started: number[] = [];

beforeEach(() => {
  state = createStateFolder();
  log = path.join(state.path, 'devwatch.log');
});
afterEach(async () => {
  for (const pid of started.splice(0)) {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
  }
  state[Symbol.dispose]();
});

async function start(options: Partial<DaemonOptions> = {}): Promise<ProcessIdentity> {
  const daemon = await startDaemon(options);
  daemon.leave();
  return daemon.identity;
}

const startDaemon = (options: Partial<DaemonOptions> = {}): Promise<Daemon> =>
  spawnDaemon({
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

const read = (file: string): string => fs.readFileSync(file, 'utf8');
const output = (): string => (fs.existsSync(log) ? read(log) : '');
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
        return []; // Closed since.
      }
    }),
  );

/** Descriptors that each daemon has: stdin, its log, and the socket for its result. */
const ownDescriptors = (): Record<string, unknown> => ({
  0: '/dev/null',
  1: log,
  2: log,
  3: expect.stringMatching(/^socket:/),
});

/** Returns the process that adopts orphans: process 1, or a subreaper. */
async function reaper(): Promise<number> {
  const shell = spawn('/bin/sh', ['-c', 'sleep 500 >/dev/null & echo $!'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  await once(shell, 'exit');
  started.push(Number(line));
  return parentOf(Number(line));
}

test('a daemon leads no session, and has no terminal and no parent', async () => {
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
  expect(read(`/proc/${pid}/status`)).toContain(`Umask:\t${process.umask().toString(8).padStart(4, '0')}\n`);
  expect(descriptorsOf(pid)).toMatchObject(ownDescriptors());
});

test('spawnDaemon returns the identity under which the program runs', async () => {
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

describe('the result of a daemon', () => {
  const node = (script: string): Promise<Daemon> => startDaemon({ file: process.execPath, args: ['-e', script] });

  test('is the first line that it writes to descriptor 3', async () => {
    const daemon = await node('require("fs").writeSync(3, "{}\\nmore"); setInterval(() => {}, 1e6)');
    expect(await daemon.result).toEqual({});
    daemon.leave();
  });

  test.each(['process.exit()', 'require("fs").writeSync(3, "{\\"state\\"\\n")'])(
    'is missing after %s',
    async (script) => {
      expect(await (await node(script)).result).toBeUndefined();
    },
  );

  test('is missing if the daemon closes the descriptor', async () => {
    const daemon = await node('require("fs").closeSync(3); setInterval(() => {}, 1e6)');
    expect(await daemon.result).toBeUndefined();
    daemon.leave();
  });

  test('cannot be sent by a child of the daemon', async () => {
    const daemon = await node(`
      require('child_process').spawnSync('/bin/sh', ['-c', 'echo 1 >&3']);
      require('fs').writeSync(3, '2\\n');`);
    expect(await daemon.result).toBe(2);
  });

  /** A daemon that sends a result when a file is made in its folder. */
  const startSender = (): Promise<Daemon> => {
    const script = buildScript(
      state.path,
      'sender',
      `import fs from 'node:fs';
       import { sendStartResult } from './spawn-daemon.ts';
       const watcher = fs.watch('.', async (_, name) => {
         if (name !== 'go') return;
         watcher.close();
         await sendStartResult({ state: 'gone', tail: ['x'.repeat(8000)] });
         console.log('sent', fs.existsSync('/proc/self/fd/3'));
       });
       console.log('watching');`,
    );
    return startDaemon({ file: process.execPath, args: [script] });
  };

  test.each(['waits', 'has left'])('is sent and closed, whether the caller %s', async (caller) => {
    const daemon = await startSender();
    await until(() => output() === 'watching\n');
    if (caller === 'has left') daemon.leave();
    fs.writeFileSync(path.join(state.path, 'go'), '');
    await until(() => output() === 'watching\nsent false\n');
    if (caller === 'has left') return;
    expect(await daemon.result).toEqual({ state: 'gone', tail: ['x'.repeat(8000)] });
  });
});

describe('a daemon', () => {
  const launcher = `
    import fs from 'node:fs';
    import { spawnDaemon } from './spawn-daemon.ts';
    const [folder, file, ...args] = process.argv.slice(2);
    const log = folder + '/devwatch.log';
    const { identity, leave } = await spawnDaemon({ file, args, env: process.env, folder, log });
    console.log(identity.pid);
    leave();`;

  const daemon = `
    import { closeLeakedDescriptors } from './spawn-daemon.ts';
    closeLeakedDescriptors();
    console.log('closed');
    setInterval(() => {}, 1e6);`;

  // Node itself closes descriptors up to 15.
  test.each(['4</dev/zero 9</dev/zero', '17</dev/zero 40</dev/zero'])('closes leaked descriptors: %s', async (leak) => {
    const [script, file] = [buildScript(state.path, 'launcher', launcher), buildScript(state.path, 'daemon', daemon)];
    const child: ChildProcess = spawn(
      '/bin/bash',
      ['-c', `exec "$@" ${leak}`, 'bash', process.execPath, script, state.path, process.execPath, file],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(child, 'close');
    const pid = Number(text);
    started.push(pid);
    await until(() => output() === 'closed\n');
    expect(Object.values(descriptorsOf(pid))).not.toContain('/dev/zero');
    expect(descriptorsOf(pid)).toMatchObject(ownDescriptors());
    expect(fieldsOf(pid)[3]).not.toBe(String(pid));
  });
});

describe('the environment of a daemon', () => {
  /** A daemon that unpacks its environment, as devwatch does, and prints it. */
  const printer = (): string =>
    buildScript(
      state.path,
      'printer',
      `import { unpackVariables } from '../shared/packed-variables.ts';
       unpackVariables(process.env);
       console.log(JSON.stringify(process.env));`,
    );

  test.each<[string, Record<string, string>]>([
    ['empty', {}],
    ['names that a shell does not accept', { 'a-b': '1', 'npm.x': '$HOME `id` "q"', ä: 'ö', '1': 'one', '-i': 'x' }],
    [
      'variables that shells change',
      { PWD: '/nowhere', OLDPWD: '/x', SHLVL: '7', _: 'under', OPTIND: '5', IFS: 'x', PPID: '1', PS1: 'p' },
    ],
    ['variables that shells read', { ENV: '/nowhere', BASH_ENV: '/nowhere', CDPATH: '/', LC_ALL: 'C', PATH: '' }],
    ['values with special characters', { A: ' a\n\'"\\$(id)\t', B: '', C: 'x'.repeat(100_000), D: '=', E: 'ä€😀' }],
  ])('is exactly the given one: %s', async (_, env) => {
    await start({ file: process.execPath, args: [printer()], env });
    await until(() => output().endsWith('}\n'));
    expect(JSON.parse(output())).toEqual(env);
  });

  test('has no undefined values', async () => {
    await start({ file: process.execPath, args: [printer()], env: { A: undefined, B: 'b' } });
    await until(() => output().endsWith('}\n'));
    expect(JSON.parse(output())).toEqual({ B: 'b' });
  });

  test('is not shown to other users in the arguments of the shell', async () => {
    let shown = '';
    await start({
      env: { 'db.password': 'S3CRET', PS1: 'S3CRET' },
      prepare: ({ pid }) => {
        shown = read(`/proc/${pid}/cmdline`);
      },
    });
    expect(shown).toContain('devwatch-start');
    expect(shown).not.toContain('S3CRET');
  });
});

test('a daemon gets its arguments unchanged', async () => {
  const args = ['', ' ', '$HOME', '-x', 'a=b', '"\'\\', '\n', 'ä'];
  await start({
    file: process.execPath,
    args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...args],
  });
  await until(() => output().endsWith(']\n'));
  expect(JSON.parse(output())).toEqual(args);
});

test('the log of a daemon is closed to other users, and appended to', async () => {
  const umask = process.umask(0);
  for (const expected of ['1\n2\n', '1\n2\n1\n2\n']) {
    await start({ file: process.execPath, args: ['-e', 'console.log(1); console.error(2)'] });
    await until(() => output() === expected);
  }
  process.umask(umask);
  expect(fs.statSync(log).mode & 0o777).toBe(0o600);
});

describe('spawnDaemon does not start the program', () => {
  test('if `prepare` throws', async () => {
    const fail = () => {
      throw new UsageError('another process was faster');
    };
    await expect(start({ prepare: fail })).rejects.toThrow('another process was faster');
    const [pid = 0] = started;
    await until(() => !isAlive(pid));
    expect(output()).toBe('');
  });

  test('if the caller dies before it has given the order', async () => {
    const script = buildScript(
      state.path,
      'launcher',
      `import { spawnDaemon } from './spawn-daemon.ts';
       import fs from 'node:fs';
       const [folder] = process.argv.slice(2);
       await spawnDaemon({
         file: '/bin/touch', args: ['begun'], env: {}, folder, log: folder + '/devwatch.log',
         prepare({ pid }) { fs.writeFileSync(folder + '/pid', String(pid)); process.kill(process.pid, 'SIGKILL'); },
       });`,
    );
    await once(spawn(process.execPath, [script, state.path], { stdio: 'inherit' }), 'exit');
    const pid = Number(read(path.join(state.path, 'pid')));
    await until(() => !isAlive(pid));
    expect(fs.existsSync(path.join(state.path, 'begun'))).toBe(false);
  });

  test.each<[string, (at: (name: string) => string) => Partial<DaemonOptions>, RegExp]>([
    ['if its folder is missing', (at) => ({ folder: at('gone') }), /gone: ENOENT/],
    ['if its folder is a file', () => ({ folder: '/etc/passwd' }), /passwd: ENOTDIR/],
    ['if its file is missing', (at) => ({ file: at('gone') }), /gone: ENOENT/],
    ['if its file is not executable', () => ({ file: '/etc/passwd' }), /passwd: EACCES/],
    ['if the folder of its log is missing', (at) => ({ log: at('gone/log') }), /gone\/log: ENOENT/],
    ['if its log is a folder', (at) => ({ log: at('.') }), /: EISDIR/],
    ['if its log is a device', () => ({ log: '/dev/full' }), /full: is not a file/],
  ])('%s', async (_, options, message) => {
    const starting = start(options((name) => path.join(state.path, name)));
    await expect(starting).rejects.toThrow(message);
    await expect(starting).rejects.toBeInstanceOf(UsageError);
    expect(started).toEqual([]);
  });

  test('if its log is a link', async () => {
    fs.symlinkSync(path.join(state.path, 'elsewhere'), log);
    await expect(start()).rejects.toThrow(/devwatch\.log: ELOOP/);
    expect(fs.existsSync(path.join(state.path, 'elsewhere'))).toBe(false);
  });
});

test('a name is transferred to a daemon without a gap', async () => {
  const script = buildScript(
    state.path,
    'daemon',
    `import { adoptName } from './name-lock.ts';
     import { newToken, writeRecord } from './records.ts';
     import { ownIdentity } from '../process/tree/identity.ts';
     const log = { file: '/dev/null', isTagged: true, timestamps: false };
     writeRecord(adoptName('web'), { ...ownIdentity(), name: 'web', folder: process.cwd(), startedIn: process.cwd(), program: 'server.js', argv: [], after: [],
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
