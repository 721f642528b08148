import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { maxSocketPathBytes, socketPath } from '../../../src/background/socket-path.ts';
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
