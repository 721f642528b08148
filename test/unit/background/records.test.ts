import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { acquireName, NameLock } from '../../../src/background/name-lock.ts';
import {
  type BackgroundRecord,
  deleteProgram,
  endRecord,
  findEntries,
  leftoverNames,
  listEntries,
  logPlaceOf,
  newToken,
  readEnvironment,
  writeEnvironment,
  writeRecord,
} from '../../../src/background/records.ts';
import { ownIdentity, type ProcessIdentity } from '../../../src/process/tree/identity.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createStateFolder, type StateFolder } from '../../support/background.ts';

let state: StateFolder;

beforeEach(() => {
  state = createStateFolder();
});
afterEach(() => {
  state[Symbol.dispose]();
  vi.unstubAllEnvs();
});

const recordOf = (name: string, changes: Partial<BackgroundRecord> = {}): BackgroundRecord => ({
  ...ownIdentity(),
  name,
  folder: state.path,
  startedIn: path.dirname(state.path),
  program: 'server.js',
  after: [],
  argv: ['server.js'],
  token: newToken(),
  socket: path.join(state.path, 'nobody.sock'),
  log: logPlaceOf(name),
  startedAt: Date.now(),
  version: '0',
  ...changes,
});

/** Writes a record, and returns it. */
function record(name: string, changes: Partial<BackgroundRecord> = {}): BackgroundRecord {
  const written = recordOf(name, changes);
  writeRecord(acquireName(name, '/here'), written);
  return written;
}

describe('listEntries', () => {
  test.each<[string, Partial<ProcessIdentity>]>([
    ['whose pid was reused', { startTime: '1' }],
    ['of another boot', { boot: '00000000-0000-0000-0000-000000000000' }],
    ['that is gone', { pid: 4_194_305 }],
  ])('shows the record of a process %s as not alive', (_, changes) => {
    const written = record('web', changes);
    expect(listEntries()).toEqual([{ name: 'web', alive: false, record: written }]);
  });

  test('shows the record of another container as unknown', () => {
    record('api', { namespace: '1' });
    expect(listEntries()).toMatchObject([{ alive: false, problem: expect.stringContaining('another container') }]);
  });

  test('shows a program that is being started, which has no record yet', () => {
    acquireName('web', '/here');
    const problem = `is being started (pid ${process.pid})`;
    expect(listEntries()).toEqual([
      { name: 'web', alive: true, owner: expect.objectContaining({ pid: process.pid }), problem },
    ]);
  });

  const damages: readonly [string, (file: string) => void][] = [
    ['empty', (file) => fs.writeFileSync(file, '')],
    ['truncated', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('web')).slice(0, 100))],
    ['null', (file) => fs.writeFileSync(file, 'null')],
    ['an array', (file) => fs.writeFileSync(file, '[]')],
    ['with a pid of 0', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('web', { pid: 0 })))],
    ['with a pid of -1', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('web', { pid: -1 })))],
    ['without a token', (file) => fs.writeFileSync(file, JSON.stringify({ ...recordOf('web'), token: undefined }))],
    ['without logs', (file) => fs.writeFileSync(file, JSON.stringify({ ...recordOf('web'), log: null }))],
    ['of another name', (file) => fs.writeFileSync(file, JSON.stringify(recordOf('api')))],
    ['not text', (file) => fs.writeFileSync(file, Buffer.from([0, 255, 254, 128]))],
    ['too large', (file) => fs.writeFileSync(file, ' '.repeat(2 ** 21))],
    ['a folder', (file) => fs.mkdirSync(file)],
    ['a link', (file) => fs.symlinkSync('/etc/passwd', file)],
    ['a named pipe', (file) => void spawnSync('mkfifo', [file])],
  ];
  test.each(damages)('returns a problem for a record that is %s', (_, damage) => {
    acquireName('web', '/here').release();
    const file = path.join(state.background, 'web', 'record.json');
    damage(file);
    expect(listEntries()).toEqual([{ name: 'web', alive: false, problem: expect.stringContaining(file) }]);
  });

  test('returns a problem for a file in place of a folder', () => {
    acquireName('web', '/here').release();
    fs.writeFileSync(path.join(state.background, 'notes'), '');
    expect(listEntries()).toEqual([{ name: 'notes', alive: false, problem: expect.any(String) }]);
  });
});

describe('findEntries', () => {
  test('finds a program by its name, by the folders it runs and was started in, and by `all`', () => {
    const entry = { name: 'web', alive: true, record: record('web') };
    for (const word of ['web', state.path, path.dirname(state.path), 'all']) expect(findEntries(word)).toEqual([entry]);
  });

  test('finds a program by the name of the working folder when a link in it leads elsewhere by now', () => {
    fs.mkdirSync(path.join(state.path, 'releases/2'), { recursive: true });
    const current = path.join(state.path, 'current');
    fs.symlinkSync('releases/2', current);
    record('web', { folder: current, startedIn: current });
    vi.stubEnv('PWD', current);
    expect(findEntries('.').map(({ name }) => name)).toEqual(['web']);
  });

  test('lists the known names if it finds none', () => {
    record('web');
    expect(() => findEntries('api')).toThrow(
      new UsageError('no background program is named api, and none was started in that folder · known: web'),
    );
  });
});

describe('writeRecord', () => {
  test('writes files that only this user can read', () => {
    record('web');
    expect(fs.statSync(path.join(state.background, 'web', 'record.json')).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(path.join(state.background, 'web')).sort()).toEqual(['lock', 'record.json']);
  });

  test.runIf(process.getuid?.() === 0)(
    'keeps other users from reading the record even where the folders are open',
    () => {
      record('web');
      const folder = path.join(state.background, 'web');
      const read = () =>
        spawnSync('cat', [path.join(folder, 'record.json')], { uid: 65534, gid: 65534, encoding: 'utf8' }).stderr;
      expect(read()).toMatch(/Permission denied/);
      for (const open of [folder, state.background, path.dirname(state.background)]) fs.chmodSync(open, 0o755);
      expect(read()).toMatch(/Permission denied/);
    },
  );

  test('fails if the name belongs to another process', () => {
    const lock = acquireName('web', '/here');
    lock.release();
    expect(() => writeRecord(lock, recordOf('web'))).toThrow(UsageError);
    expect(() => endRecord(lock, 'stopped')).toThrow(UsageError);
  });
});

test('the record of a program that has ended stays, and its process is not alive', () => {
  const written = record('web');
  const [owner] = fs.readdirSync(path.join(state.background, 'web', 'lock'));
  endRecord(new NameLock('web', owner ?? ''), 'stopped');
  expect(listEntries()).toEqual([{ name: 'web', alive: false, record: { ...written, end: 'stopped' } }]);
});

test('the end of a program with a damaged record removes the record', () => {
  const lock = acquireName('web', '/here');
  fs.writeFileSync(path.join(lock.folder, 'record.json'), '{"name":', { mode: 0o600 });
  endRecord(lock, 'stopped');
  expect(fs.readdirSync(lock.folder)).toEqual(['lock']);
});

test('the variables of a start are kept for this user alone', () => {
  const lock = acquireName('web', '/here');
  writeEnvironment(lock, { COLOR: 'red', 'a.b': '1' });
  expect(readEnvironment('web')).toEqual({ COLOR: 'red', 'a.b': '1' });
  expect(fs.statSync(path.join(lock.folder, 'environment.json')).mode & 0o777).toBe(0o600);
  expect(readEnvironment('api')).toBeUndefined();
});

test('deleteProgram leaves nothing of a name', () => {
  const lock = acquireName('web', '/here');
  writeRecord(lock, recordOf('web'));
  fs.writeFileSync(path.join(lock.folder, 'output.log.1'), '');
  deleteProgram(lock);
  expect(fs.readdirSync(state.background)).toEqual([]);
});

test('files of a program that never ran are found, to be deleted', () => {
  record('web');
  acquireName('api', '/here').release();
  expect(leftoverNames()).toEqual(['api']);
});
