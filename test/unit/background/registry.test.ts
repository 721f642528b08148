/** A name belongs to one live process at most, and what is told about it is true. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type BackgroundRecord,
  checkName,
  claim,
  claimed,
  defaultName,
  find,
  forget,
  identityOf,
  lastWordOf,
  list,
  longestSocketPath,
  newToken,
  ownIdentity,
  type ProcessIdentity,
  socketPath,
} from '../../../src/background/registry.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { buildScript, createHome, type Home, startWorker, type Worker } from '../../support/background.ts';
import { stateOf, until } from '../../support/facts.ts';

let home: Home;

beforeEach(() => {
  home = createHome();
});
afterEach(() => home[Symbol.dispose]());

const asRoot = process.getuid?.() === 0;

const recordOf = (name: string, changes: Partial<BackgroundRecord> = {}): BackgroundRecord => ({
  ...ownIdentity(),
  name,
  folder: home.path,
  startedIn: path.dirname(home.path),
  program: 'server.js',
  argv: ['server.js'],
  token: newToken(),
  socket: path.join(home.path, 'nobody.sock'),
  log: { out: path.join(home.path, 'out'), err: path.join(home.path, 'err') },
  startedAt: Date.now(),
  version: '0',
  ...changes,
});

/** Makes somebody else hold a name. */
function hold(name: string, changes: Partial<ProcessIdentity>): void {
  const lock = path.join(claim(name, '/elsewhere').folder, 'lock');
  const { pid, startTime, boot, namespace } = { ...ownIdentity(), ...changes };
  const [file = ''] = fs.readdirSync(lock);
  const next = [pid, startTime, boot, namespace, file.split('_').at(-1)].join('_');
  fs.renameSync(path.join(lock, file), path.join(lock, next));
}

const lockOf = (name: string): string[] => fs.readdirSync(path.join(home.background, name, 'lock'));

describe('fifty at once', () => {
  const claimer = `
    import { createInterface } from 'node:readline';
    import { claim, claimed } from './registry.ts';
    let held;
    for await (const line of createInterface({ input: process.stdin })) {
      const [verb, name, folder, ...identity] = line.split(' ');
      try {
        if (verb === 'claim') held = claim(name, folder);
        if (verb === 'claimed') held = claimed(name);
        if (verb === 'release') held.release();
        if (verb === 'hand') held.handTo(JSON.parse(identity.join(' ')));
        console.log(JSON.stringify({ won: verb !== 'ready' }));
      } catch (error) {
        console.log(JSON.stringify({ won: false, kind: error.name, message: error.message }));
      }
    }`;

  interface Answer {
    readonly won: boolean;
    readonly kind?: string;
    readonly message?: string;
  }

  async function startClaimers(count: number): Promise<AsyncDisposable & { readonly workers: Worker[] }> {
    const script = buildScript(home.path, 'claimer', claimer);
    const workers = Array.from({ length: count }, () => startWorker(process.execPath, [script]));
    await Promise.all(workers.map((worker) => worker.ask('ready')));
    return {
      workers,
      [Symbol.asyncDispose]: async () => void (await Promise.all(workers.map((worker) => worker.kill()))),
    };
  }

  /** Lets all claim a name; returns who has it. */
  async function race(workers: readonly Worker[], name: string): Promise<Worker> {
    const answers = await Promise.all(workers.map((worker) => worker.ask<Answer>(`claim ${name} /at/${worker.pid}`)));
    const winners = workers.filter((_, index) => answers[index]?.won === true);
    expect(winners).toHaveLength(1);
    const [winner] = winners as [Worker];
    const told = `${name} is already running in /at/${winner.pid} (pid ${winner.pid}) · devwatch stop ${name}, or --name for another one`;
    const losers = answers.filter((answer) => !answer.won);
    expect(losers).toEqual(losers.map(() => ({ won: false, kind: 'UsageError', message: told })));
    expect(lockOf(name)).toEqual([expect.stringMatching(new RegExp(`^${winner.pid}_`))]);
    return winner;
  }

  test('one gets the name, and the others are told who has it; one that of the dead, again and again', {
    timeout: 60_000,
  }, async () => {
    await using all = await startClaimers(55);
    for (const name of ['one', 'two', 'three', 'four']) await race(all.workers, name);
    expect(fs.readdirSync(home.background).sort()).toEqual(['four', 'one', 'three', 'two']);
    for (let round = 0; round < 5; round += 1) {
      const winner = await race(all.workers, 'web');
      await winner.kill();
      all.workers.splice(all.workers.indexOf(winner), 1);
    }
    await race(all.workers, 'web');
  });

  test('one gets a name that is released at that moment, or none does', { timeout: 60_000 }, async () => {
    await using all = await startClaimers(20);
    for (let round = 0; round < 20; round += 1) {
      const [first, ...others] = all.workers as [Worker, ...Worker[]];
      await first.ask(`claim web${round} /first`);
      const [, ...answers] = await Promise.all([
        first.ask('release'),
        ...others.map((worker) => worker.ask<Answer>(`claim web${round} /other`)),
      ]);
      const won = answers.filter((answer) => (answer as Answer).won);
      expect(lockOf(`web${round}`)).toHaveLength(won.length);
      expect(won.length).toBeLessThanOrEqual(1);
    }
  });

  test('a name that is handed on is held before and after, and free when the new holder dies', async () => {
    await using all = await startClaimers(3);
    const [from, to, other] = all.workers as [Worker, Worker, Worker];
    await from.ask('claim web /here');
    expect(await to.ask('claimed web')).toMatchObject({ kind: 'UsageError' });
    const fields = fs.readFileSync(`/proc/${to.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    const identity = { ...ownIdentity(), pid: to.pid, startTime: fields[19] };
    expect(await from.ask(`hand - - ${JSON.stringify(identity)}`)).toMatchObject({ won: true });
    await from.kill();
    expect(await other.ask('claim web /there')).toMatchObject({
      message: expect.stringContaining(`in /here (pid ${to.pid})`),
    });
    expect(await to.ask('claimed web')).toMatchObject({ won: true });
    await to.kill();
    expect(await other.ask('claim web /there')).toMatchObject({ won: true });
  });
});

describe('whatever happens at the worst moment', () => {
  /** Does something just before the function that claim() is about to call for the first time. */
  function justBefore(name: 'renameSync' | 'rmSync' | 'readdirSync', act: () => void): void {
    const spy = vi.spyOn(fs, name).mockImplementationOnce((...args: unknown[]) => {
      spy.mockRestore();
      act();
      return (fs[name] as (...args: unknown[]) => never)(...args);
    });
  }
  afterEach(() => vi.restoreAllMocks());

  test.each(['renameSync', 'rmSync', 'readdirSync'] as const)(
    'before %s, somebody else takes the name of the dead: that is respected',
    (name) => {
      hold('web', { startTime: '1' });
      justBefore(name, () => claim('web', '/faster'));
      expect(() => claim('web', '/slower')).toThrow(/already running in \/faster/);
      expect(lockOf('web')).toEqual([expect.stringMatching(new RegExp(`^${process.pid}_(?!1_)`))]);
    },
  );

  test.each(['renameSync', 'rmSync', 'readdirSync'] as const)(
    'before %s, the name is forgotten: it is free',
    (name) => {
      hold('web', { startTime: '1' });
      justBefore(name, () => forget('web'));
      claim('web', '/here');
      expect(lockOf('web')).toHaveLength(1);
    },
  );

  test('a holder that cannot be looked at is not taken for dead', () => {
    hold('web', {});
    const { readFileSync } = fs;
    vi.spyOn(fs, 'readFileSync').mockImplementation(((file: string, ...rest: []) => {
      // The first look is at itself.
      if (file === `/proc/${process.pid}/stat` && fs.existsSync(path.join(home.background, 'web', 'lock'))) {
        const prepared = fs.readdirSync(home.background).some((entry) => entry.startsWith('.'));
        if (prepared) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      }
      return readFileSync(file, ...rest);
    }) as typeof fs.readFileSync);
    expect(() => claim('web', '/here')).toThrow(/cannot be claimed \(too many open files\)/);
    expect(lockOf('web')).toHaveLength(1);
  });
});

test('a claim that was taken over cannot be handed on, written to, or released', () => {
  const first = claim('web', '/here');
  const [file = ''] = lockOf('web');
  fs.rmSync(path.join(first.folder, 'lock', file));
  const second = claim('web', '/there');
  expect(() => first.handTo(ownIdentity())).toThrow(UsageError);
  expect(() => first.write(recordOf('web'))).toThrow(UsageError);
  first.release();
  expect(lockOf('web')).toHaveLength(1);
  second.release();
  expect(lockOf('web')).toHaveLength(0);
});

test('leftovers of a claimer that was killed are removed', () => {
  claim('web', '/here');
  const [file = ''] = lockOf('web');
  const stale = path.join(home.background, `.${file.replace(/_\d+_/, '_1_')}`);
  fs.mkdirSync(stale);
  claim('api', '/here');
  expect(fs.existsSync(stale)).toBe(false);
});

test('what is no lock is neither taken nor removed', () => {
  claim('web', '/here').release();
  const file = path.join(home.background, 'web', 'lock', 'notes.txt');
  fs.writeFileSync(file, '');
  expect(() => claim('web', '/here')).toThrow(`${file}: is not devwatch's`);
});

describe('who is alive', () => {
  test.each<[string, Partial<ProcessIdentity>]>([
    ['has another start time: the number was given away again', { startTime: '1' }],
    ['is of another boot', { boot: '00000000-0000-0000-0000-000000000000' }],
    ['has a number that nobody has', { pid: 4_194_305 }],
  ])('dead: it %s', (_, changes) => {
    hold('web', changes);
    const held = claim('web', '/here');
    const record = recordOf('web', changes);
    held.write(record);
    expect(list()).toEqual([{ name: 'web', alive: false, record }]);
  });

  test('a zombie is dead', async () => {
    await using parent = startWorker('/usr/bin/perl', [
      '-e',
      '$| = 1; <>; $pid = fork; exit if !$pid; print "$pid\\n"; <>',
    ]);
    const pid = await parent.ask<number>('');
    await until(() => stateOf(pid) === 'Z');
    expect(identityOf(pid)).toBeUndefined();
  });

  test('of another container nothing is known: not alive, and not free', () => {
    hold('web', { namespace: '1' });
    expect(() => claim('web', '/here')).toThrow(/belongs to pid \d+ of another container, in \/elsewhere/);
    const held = claim('api', '/here');
    held.write(recordOf('api', { namespace: '1' }));
    expect(find('api')).toMatchObject([{ alive: false, problem: expect.stringContaining('another container') }]);
  });

  test('this process is, and is found by name, by where it runs or was started, and by all', () => {
    const record = recordOf('web');
    claim('web', home.path).write(record);
    const entry = { name: 'web', alive: true, record };
    for (const what of ['web', home.path, path.dirname(home.path), 'all']) expect(find(what)).toEqual([entry]);
    expect(() => find('api')).toThrow(/nothing in the background is called api .* · web is known/);
    expect(fs.statSync(path.join(home.background, 'web', 'record.json')).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(path.join(home.background, 'web')).sort()).toEqual(['lock', 'logs.json', 'record.json']);
  });

  test('what is being started has no record yet', () => {
    claim('web', '/here');
    const problem = `is being started (pid ${process.pid})`;
    expect(list()).toEqual([
      { name: 'web', alive: true, holder: expect.objectContaining({ pid: process.pid }), problem },
    ]);
  });
});

describe('a damaged record is told', () => {
  const damages: readonly [string, (file: string) => void][] = [
    ['empty', (file) => fs.writeFileSync(file, '')],
    ['half', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('web')).slice(0, 100))],
    ['null', (file) => fs.writeFileSync(file, 'null')],
    ['an array', (file) => fs.writeFileSync(file, '[]')],
    ['with a pid of 0', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('web', { pid: 0 })))],
    ['with a pid of -1', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('web', { pid: -1 })))],
    ['without a token', (file) => fs.writeFileSync(file, JSON.stringify({ ...recordOf('web'), token: undefined }))],
    ['with half a log', (file) => fs.writeFileSync(file, JSON.stringify({ ...recordOf('web'), log: null }))],
    ["another name's", (file) => fs.writeFileSync(file, JSON.stringify(recordOf('api')))],
    ['bytes', (file) => fs.writeFileSync(file, Buffer.from([0, 255, 254, 128]))],
    ['too large', (file) => fs.writeFileSync(file, ' '.repeat(2 ** 21))],
    ['a folder', (file) => fs.mkdirSync(file)],
    ['a link', (file) => fs.symlinkSync('/etc/passwd', file)],
    ['a pipe', (file) => void spawnSync('mkfifo', [file])],
  ];
  test.each(damages)('%s', (_, damage) => {
    claim('web', '/here').release();
    const file = path.join(home.background, 'web', 'record.json');
    damage(file);
    expect(list()).toEqual([{ name: 'web', alive: false, problem: expect.stringContaining(file) }]);
    forget('web');
    expect(list()).toEqual([]);
  });

  test('what is no folder, or not one of ours', () => {
    claim('web', '/here').release();
    fs.writeFileSync(path.join(home.background, 'notes'), '');
    expect(list()).toEqual([{ name: 'notes', alive: false, problem: expect.any(String) }]);
  });
});

test('what is running is not forgotten; what is not leaves nothing', () => {
  const held = claim('web', '/here');
  const socket = path.join(home.path, 'web.sock');
  held.write(recordOf('web', { socket }));
  fs.writeFileSync(path.join(held.folder, 'out.log'), '');
  expect(() => forget('web')).toThrow(/already running/);
  held.release();
  forget('web');
  expect(fs.readdirSync(home.background)).toEqual([]);
  expect(() => forget('web')).toThrow(UsageError);
});

describe('names', () => {
  test.each(['', '.web', '../web', 'a/b', 'a b', 'ä', 'x'.repeat(65), 'all', 'a\n'])('%j is none', (name) => {
    expect(() => checkName(name)).toThrow(UsageError);
    expect(() => claim(name, '/here')).toThrow(UsageError);
  });

  test.each([
    ['@shop/web', 'shop-web'],
    ['web', 'web'],
    ['..', 'project'],
    ['all', 'app'],
    ['x'.repeat(100), 'x'.repeat(64)],
    [7, 'project'],
  ])('a package that is called %j gives %s', (name, expected) => {
    const folder = path.join(home.path, 'project');
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name }));
    expect(defaultName(folder)).toBe(expected);
  });

  test('a folder without a package gives its own', () => {
    expect(defaultName('/srv/.my app')).toBe('my-app');
    expect(defaultName('/')).toBe('app');
  });
});

describe('folders', () => {
  test.each(['devwatch/background', 'devwatch/background/web'])('%s is refused when it is open to others', (folder) => {
    claim('web', '/here').release();
    fs.chmodSync(path.join(home.path, folder), 0o755);
    expect(() => claim('web', '/here')).toThrow(/is open to other users \(mode 755\)/);
  });

  test('a link in place of a folder is refused', () => {
    claim('web', '/here').release();
    fs.renameSync(path.join(home.background, 'web'), path.join(home.path, 'moved'));
    fs.symlinkSync(path.join(home.path, 'moved'), path.join(home.background, 'web'));
    expect(() => claim('web', '/here')).toThrow(/is not a folder/);
  });

  test.runIf(asRoot)("another user's is refused", () => {
    claim('web', '/here').release();
    fs.chownSync(path.join(home.background, 'web'), 65534, 65534);
    expect(() => claim('web', '/here')).toThrow(/belongs to another user \(uid 65534\)/);
  });
});

describe('the socket', () => {
  const runtime = (mode: number): string => {
    const folder = path.join(home.path, 'run');
    fs.mkdirSync(folder);
    fs.chmodSync(folder, mode);
    process.env.XDG_RUNTIME_DIR = folder;
    return folder;
  };

  test('is below XDG_RUNTIME_DIR', () => {
    const folder = path.join(runtime(0o700), 'devwatch');
    const file = socketPath('web');
    expect(path.dirname(file)).toBe(folder);
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
    expect(socketPath('api')).not.toBe(file);
  });

  test.each<[string, () => unknown]>([
    ['there is none', () => {}],
    ['it is open to others', () => runtime(0o755)],
    ['it is relative', () => Object.assign(process.env, { XDG_RUNTIME_DIR: 'run' })],
    ['it is not there', () => Object.assign(process.env, { XDG_RUNTIME_DIR: path.join(home.path, 'gone') })],
    ['its devwatch is a file', () => fs.writeFileSync(path.join(runtime(0o700), 'devwatch'), '')],
  ])('is with the state when %s', (_, prepare) => {
    prepare();
    expect(socketPath('web')).toBe(path.join(home.background, 'web', 'control.sock'));
  });

  test('is in /tmp when paths are too long, and the longest one works', async () => {
    const fixed = path.join(home.path, '/devwatch/background/web/control.sock').length + 1;
    const fitting = path.join(home.path, 'x'.repeat(longestSocketPath - fixed));
    process.env.XDG_STATE_HOME = fitting;
    const file = socketPath('web');
    expect(Buffer.byteLength(file)).toBe(longestSocketPath);
    const server = net.createServer().listen(file);
    expect(fs.existsSync(file)).toBe(true);
    server.close();
    process.env.XDG_STATE_HOME = `${fitting}x`;
    const short = path.join('/tmp', `devwatch-${process.geteuid?.()}`);
    const wasThere = fs.existsSync(short);
    try {
      expect(path.dirname(socketPath('web'))).toBe(short);
      expect(fs.statSync(short).mode & 0o777).toBe(0o700);
    } finally {
      if (!wasThere) fs.rmdirSync(short);
    }
  });
});

test.runIf(asRoot)('another user cannot read the record, even where the folders are open', () => {
  const held = claim('web', '/here');
  held.write(recordOf('web'));
  const file = path.join(held.folder, 'record.json');
  const read = () => spawnSync('cat', [file], { uid: 65534, gid: 65534, encoding: 'utf8' }).stderr;
  expect(read()).toMatch(/Permission denied/);
  for (const folder of [held.folder, home.background, path.dirname(home.background)]) fs.chmodSync(folder, 0o755);
  expect(read()).toMatch(/Permission denied/);
});

test('a name that nobody handed over is not claimed', () => {
  expect(() => claimed('web')).toThrow(/was not handed/);
});

test('what is said at the end is told of that process alone, and where it cannot be kept the end goes on', () => {
  const held = claim('web', home.path);
  held.write(recordOf('web'));
  held.strike({ state: 'failed' });
  expect(lastWordOf('web', ownIdentity())).toEqual({ state: 'failed' });
  expect(lastWordOf('web', { ...ownIdentity(), startTime: '1' })).toBeUndefined();
  expect(lastWordOf('api', ownIdentity())).toBeUndefined();

  // Where a folder stands no file can be put, as on a full disk.
  const word = path.join(held.folder, 'last.json');
  fs.rmSync(word);
  fs.mkdirSync(path.join(word, 'full'), { recursive: true });
  held.write(recordOf('web'));
  held.strike({ state: 'failed' });
  expect(fs.existsSync(path.join(held.folder, 'record.json'))).toBe(false);
  expect(lastWordOf('web', ownIdentity())).toBeUndefined();
  held.release();
});
