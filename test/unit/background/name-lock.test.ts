import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { acquireName, adoptName } from '../../../src/background/name-lock.ts';
import { ownIdentity, type ProcessIdentity } from '../../../src/process/tree/identity.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import {
  buildScript,
  createStateFolder,
  type StateFolder,
  startWorker,
  type Worker,
} from '../../support/background.ts';
import { isExhaustive } from '../../support/exhaustive.ts';

let state: StateFolder;

beforeEach(() => {
  state = createStateFolder();
});
afterEach(() => state[Symbol.dispose]());

/** Makes another process the owner of a name. */
function lockFor(name: string, changes: Partial<ProcessIdentity>): void {
  const folder = path.join(acquireName(name, '/elsewhere').folder, 'lock');
  const { pid, startTime, boot, namespace } = { ...ownIdentity(), ...changes };
  const [file = ''] = fs.readdirSync(folder);
  const next = [pid, startTime, boot, namespace, file.split('_').at(-1)].join('_');
  fs.renameSync(path.join(folder, file), path.join(folder, next));
}

const ownersOf = (name: string): string[] => fs.readdirSync(path.join(state.background, name, 'lock'));

describe('many processes', () => {
  const contender = `
    import { createInterface } from 'node:readline';
    import { acquireName, adoptName } from './name-lock.ts';
    let lock;
    for await (const line of createInterface({ input: process.stdin })) {
      const [verb, name, folder, ...identity] = line.split(' ');
      try {
        if (verb === 'acquire') lock = acquireName(name, folder);
        if (verb === 'adopt') lock = adoptName(name);
        if (verb === 'release') lock.release();
        if (verb === 'transfer') lock.transferTo(JSON.parse(identity.join(' ')));
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

  async function startContenders(count: number): Promise<AsyncDisposable & { readonly workers: Worker[] }> {
    const script = buildScript(state.path, 'contender', contender);
    const workers = Array.from({ length: count }, () => startWorker(process.execPath, [script]));
    await Promise.all(workers.map((worker) => worker.ask('ready')));
    return {
      workers,
      [Symbol.asyncDispose]: async () => void (await Promise.all(workers.map((worker) => worker.kill()))),
    };
  }

  /** Lets all processes acquire a name at once; returns the one that owns it. */
  async function race(workers: readonly Worker[], name: string): Promise<Worker> {
    const answers = await Promise.all(workers.map((worker) => worker.ask<Answer>(`acquire ${name} /at/${worker.pid}`)));
    const winners = workers.filter((_, index) => answers[index]?.won === true);
    expect(winners).toHaveLength(1);
    const [winner] = winners as [Worker];
    const message = `${name} is already running in /at/${winner.pid} (pid ${winner.pid}) · devwatch stop ${name}, or --name for another one`;
    const losers = answers.filter((answer) => !answer.won);
    expect(losers).toEqual(losers.map(() => ({ won: false, kind: 'UsageError', message })));
    expect(ownersOf(name)).toEqual([expect.stringMatching(new RegExp(`^${winner.pid}_`))]);
    return winner;
  }

  test('acquire a name: one gets it, and the others show its owner, also after the owner has died', {
    timeout: 60_000,
  }, async () => {
    await using all = await startContenders(isExhaustive ? 55 : 7);
    for (const name of ['one', 'two', 'three', 'four']) await race(all.workers, name);
    expect(fs.readdirSync(state.background).sort()).toEqual(['four', 'one', 'three', 'two']);
    for (let round = 0; round < 3; round += 1) {
      const winner = await race(all.workers, 'web');
      await winner.kill();
      all.workers.splice(all.workers.indexOf(winner), 1);
    }
    await race(all.workers, 'web');
  });

  test('acquire a name while it is released: at most one gets it', { timeout: 60_000 }, async () => {
    await using all = await startContenders(isExhaustive ? 20 : 4);
    for (let round = 0; round < 20; round += 1) {
      const [first, ...others] = all.workers as [Worker, ...Worker[]];
      await first.ask(`acquire web${round} /first`);
      const [, ...answers] = await Promise.all([
        first.ask('release'),
        ...others.map((worker) => worker.ask<Answer>(`acquire web${round} /other`)),
      ]);
      const won = answers.filter((answer) => (answer as Answer).won);
      expect(ownersOf(`web${round}`)).toHaveLength(won.length);
      expect(won.length).toBeLessThanOrEqual(1);
    }
  });

  test('transfer a name: it is owned before and after, and free when the new owner dies', async () => {
    await using all = await startContenders(3);
    const [from, to, other] = all.workers as [Worker, Worker, Worker];
    await from.ask('acquire web /here');
    expect(await to.ask('adopt web')).toMatchObject({ kind: 'UsageError' });
    const fields = fs.readFileSync(`/proc/${to.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    const identity = { ...ownIdentity(), pid: to.pid, startTime: fields[19] };
    expect(await from.ask(`transfer - - ${JSON.stringify(identity)}`)).toMatchObject({ won: true });
    await from.kill();
    expect(await other.ask('acquire web /there')).toMatchObject({
      message: expect.stringContaining(`in /here (pid ${to.pid})`),
    });
    expect(await to.ask('adopt web')).toMatchObject({ won: true });
    await to.kill();
    expect(await other.ask('acquire web /there')).toMatchObject({ won: true });
  });
});

describe('acquireName', () => {
  afterEach(() => vi.restoreAllMocks());

  /** Does something just before acquireName calls the function for the first time. */
  function justBefore(name: 'renameSync' | 'rmSync' | 'readdirSync', act: () => void): void {
    const spy = vi.spyOn(fs, name).mockImplementationOnce((...args: unknown[]) => {
      spy.mockRestore();
      act();
      return (fs[name] as (...args: unknown[]) => never)(...args);
    });
  }

  test.each(['renameSync', 'rmSync', 'readdirSync'] as const)(
    'respects another process that acquires the name of a dead one before %s',
    (name) => {
      lockFor('web', { startTime: '1' });
      justBefore(name, () => acquireName('web', '/faster'));
      expect(() => acquireName('web', '/slower')).toThrow(/already running in \/faster/);
      expect(ownersOf('web')).toEqual([expect.stringMatching(new RegExp(`^${process.pid}_(?!1_)`))]);
    },
  );

  test('does not take an owner for dead whose liveness is unknown', () => {
    lockFor('web', {});
    const { readFileSync } = fs;
    vi.spyOn(fs, 'readFileSync').mockImplementation(((file: string, ...rest: []) => {
      // The first read is about the process itself.
      if (file === `/proc/${process.pid}/stat` && fs.existsSync(path.join(state.background, 'web', 'lock'))) {
        const prepared = fs.readdirSync(state.background).some((entry) => entry.startsWith('.'));
        if (prepared) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      }
      return readFileSync(file, ...rest);
    }) as typeof fs.readFileSync);
    expect(() => acquireName('web', '/here')).toThrow(/cannot be locked \(too many open files\)/);
    expect(ownersOf('web')).toHaveLength(1);
  });

  test.each<[string, Partial<ProcessIdentity>]>([
    ['its pid was reused', { startTime: '1' }],
    ['it ran before the last boot', { boot: '00000000-0000-0000-0000-000000000000' }],
    ['it is gone', { pid: 4_194_305 }],
  ])('replaces a dead owner: %s', (_, changes) => {
    lockFor('web', changes);
    acquireName('web', '/here');
    expect(ownersOf('web')).toEqual([expect.stringMatching(new RegExp(`^${process.pid}_`))]);
  });

  test('refuses a name that a process of another container owns', () => {
    lockFor('web', { namespace: '1' });
    expect(() => acquireName('web', '/here')).toThrow(/belongs to pid \d+ of another container, in \/elsewhere/);
  });

  test('removes what a killed process had prepared', () => {
    acquireName('web', '/here');
    const [file = ''] = ownersOf('web');
    const abandoned = path.join(state.background, `.${file.replace(/_\d+_/, '_1_')}`);
    fs.mkdirSync(abandoned);
    acquireName('api', '/here');
    expect(fs.existsSync(abandoned)).toBe(false);
  });

  test('neither removes nor ignores a file in the lock that is not devwatch’s', () => {
    acquireName('web', '/here').release();
    const file = path.join(state.background, 'web', 'lock', 'notes.txt');
    fs.writeFileSync(file, '');
    expect(() => acquireName('web', '/here')).toThrow(`${file}: is not devwatch's`);
  });

  test('refuses an invalid name', () => {
    expect(() => acquireName('../web', '/here')).toThrow(/"\.\.\/web" cannot be a name/);
  });

  test.each(['devwatch/background', 'devwatch/background/web'])('refuses %s if it is open to others', (folder) => {
    acquireName('web', '/here').release();
    fs.chmodSync(path.join(state.path, folder), 0o755);
    expect(() => acquireName('web', '/here')).toThrow(/is open to other users \(mode 755\)/);
  });

  test('refuses a link in place of a folder', () => {
    acquireName('web', '/here').release();
    fs.renameSync(path.join(state.background, 'web'), path.join(state.path, 'moved'));
    fs.symlinkSync(path.join(state.path, 'moved'), path.join(state.background, 'web'));
    expect(() => acquireName('web', '/here')).toThrow(/is not a folder/);
  });

  test.runIf(process.getuid?.() === 0)('refuses a folder of another user', () => {
    acquireName('web', '/here').release();
    fs.chownSync(path.join(state.background, 'web'), 65534, 65534);
    expect(() => acquireName('web', '/here')).toThrow(/belongs to another user \(uid 65534\)/);
  });
});

test('a lock that was lost can neither be transferred nor checked, and releasing it does nothing', () => {
  const first = acquireName('web', '/here');
  const [file = ''] = ownersOf('web');
  fs.rmSync(path.join(first.folder, 'lock', file));
  const second = acquireName('web', '/there');
  expect(() => first.transferTo(ownIdentity())).toThrow(UsageError);
  expect(() => first.check()).toThrow(UsageError);
  first.release();
  expect(ownersOf('web')).toHaveLength(1);
  second.release();
  expect(ownersOf('web')).toHaveLength(0);
});

test('adoptName refuses a name that was not transferred', () => {
  expect(() => adoptName('web')).toThrow(/was not transferred/);
});
