import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  backgroundFolder,
  checkPrivate,
  maxSocketPathBytes,
  programFolder,
  socketPath,
} from '../../../src/background/private-folder.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createStateFolder, type StateFolder } from '../../support/background.ts';

let state: StateFolder;

beforeEach(() => {
  state = createStateFolder();
});
afterEach(() => state[Symbol.dispose]());

const makeRuntimeFolder = (mode: number): string => {
  const folder = path.join(state.path, 'run');
  fs.mkdirSync(folder);
  fs.chmodSync(folder, mode);
  process.env.XDG_RUNTIME_DIR = folder;
  return folder;
};

describe('the folder of a name', () => {
  const modeOf = (folder: string): number => fs.statSync(folder).mode & 0o777;

  test('is made, with the folders above it, closed to other users', () => {
    process.env.XDG_STATE_HOME = path.join(state.path, 'missing', 'state');
    const folder = programFolder('web');
    expect(folder).toBe(path.join(state.path, 'missing', 'state', 'devwatch', 'background', 'web'));
    expect([folder, path.dirname(folder), path.dirname(path.dirname(folder))].map(modeOf)).toEqual([
      0o700, 0o700, 0o700,
    ]);
    expect(programFolder('web')).toBe(folder);
  });

  test.each<[string, () => void, RegExp]>([
    ['a folder open to others', () => fs.chmodSync(state.background, 0o750), /is open to other users \(mode 750\)/],
    ['a folder that others can replace', () => fs.chmodSync(path.dirname(state.background), 0o777), /mode 777/],
    ['a file', () => fs.writeFileSync(path.join(state.background, 'web'), ''), /web: is not a folder/],
    ['a link', () => fs.symlinkSync(state.path, path.join(state.background, 'web')), /web: is not a folder/],
  ])('is refused if it is or is in %s', (_, prepare, message) => {
    backgroundFolder();
    prepare();
    expect(() => programFolder('web')).toThrow(UsageError);
    expect(() => programFolder('web')).toThrow(message);
  });

  test('may be below a folder that others can read', () => {
    fs.chmodSync(path.dirname(backgroundFolder()), 0o755);
    expect(programFolder('web')).toBe(path.join(state.background, 'web'));
  });

  test('cannot be made below a file', () => {
    process.env.XDG_STATE_HOME = path.join(state.path, 'file');
    fs.writeFileSync(path.join(state.path, 'file'), '');
    expect(() => backgroundFolder()).toThrow(/file: is not a folder · set XDG_STATE_HOME/);
  });

  test.runIf(process.getuid?.() === 0)('is refused if it belongs to another user (only root can make one)', () => {
    fs.chownSync(programFolder('web'), 12345, 12345);
    expect(() => checkPrivate(path.join(state.background, 'web'))).toThrow(/belongs to another user \(uid 12345\)/);
  });
});

describe('socketPath', () => {
  test('is below XDG_RUNTIME_DIR', () => {
    const folder = path.join(makeRuntimeFolder(0o700), 'devwatch');
    const file = socketPath('web');
    expect(path.dirname(file)).toBe(folder);
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
    expect(socketPath('api')).not.toBe(file);
  });

  test.each<[string, () => unknown]>([
    ['is not set', () => {}],
    ['is open to others', () => makeRuntimeFolder(0o755)],
    ['is relative', () => Object.assign(process.env, { XDG_RUNTIME_DIR: 'run' })],
    ['does not exist', () => Object.assign(process.env, { XDG_RUNTIME_DIR: path.join(state.path, 'gone') })],
    ['holds a file named devwatch', () => fs.writeFileSync(path.join(makeRuntimeFolder(0o700), 'devwatch'), '')],
  ])('is in the state folder if XDG_RUNTIME_DIR %s', (_, prepare) => {
    prepare();
    expect(socketPath('web')).toBe(path.join(state.background, 'web', 'control.sock'));
  });

  test('is in /tmp if the path would be too long, and the longest path works', () => {
    const fixed = path.join(state.path, '/devwatch/background/web/control.sock').length + 1;
    const fitting = path.join(state.path, 'x'.repeat(maxSocketPathBytes - fixed));
    process.env.XDG_STATE_HOME = fitting;
    const file = socketPath('web');
    expect(Buffer.byteLength(file)).toBe(maxSocketPathBytes);
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
