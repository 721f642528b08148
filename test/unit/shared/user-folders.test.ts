import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { cacheFolder, openCache, stateFolder } from '../../../src/shared/user-folders.ts';
import { createProject } from '../../support/project.ts';

const { HOME } = process.env;
afterEach(() => {
  process.env.HOME = HOME;
});

/** The home folder that the system knows. */
const own = os.userInfo().homedir;
const isRoot = process.geteuid?.() === 0;

describe('the folders of this user', () => {
  test('are below the bases of the XDG specification', async () => {
    await using base = createProject();
    expect(cacheFolder({ XDG_CACHE_HOME: base.path })).toBe(base.at('devwatch'));
    expect(stateFolder({ XDG_STATE_HOME: base.path })).toBe(base.at('devwatch'));
  });

  test.each(['', 'relative', '.'])('are never in the project, with HOME and XDG variables of %j', (value) => {
    process.env.HOME = value;
    expect(cacheFolder({ XDG_CACHE_HOME: value })).toBe(path.join(own, '.cache', 'devwatch'));
    expect(stateFolder({ XDG_STATE_HOME: value })).toBe(path.join(own, '.local', 'state', 'devwatch'));
  });

  test('are in the home folder of the system if another user can write that of HOME', async () => {
    await using home = createProject();
    process.env.HOME = home.path;
    fs.chmodSync(home.path, 0o777);
    expect(cacheFolder({})).toBe(path.join(own, '.cache', 'devwatch'));
    expect(stateFolder({})).toBe(path.join(own, '.local', 'state', 'devwatch'));
  });

  test.runIf(isRoot)('are not in places of another user', async () => {
    await using home = createProject({ '.cache/x': '' });
    await using cache = createProject({ 'devwatch/x': '' });
    fs.chownSync(home.path, 1234, 1234);
    fs.chownSync(cache.at('devwatch'), 1234, 1234);
    process.env.HOME = home.path;
    expect(cacheFolder({ XDG_CACHE_HOME: cache.path })).toBe(path.join(own, '.cache', 'devwatch'));
  });
});

describe('openCache', () => {
  test('makes a folder that is closed to others', async () => {
    await using base = createProject();
    expect(openCache('own', { XDG_CACHE_HOME: base.path })).toBe(base.at('devwatch/own'));
    expect(fs.statSync(base.at('devwatch/own')).mode & 0o777).toBe(0o700);
  });

  test('returns nothing if the folder itself is open to others', async () => {
    await using base = createProject({ 'devwatch/own/x': '' });
    fs.chmodSync(base.at('devwatch/own'), 0o777);
    expect(openCache('own', { XDG_CACHE_HOME: base.path })).toBeUndefined();
    expect(openCache('samples', { XDG_CACHE_HOME: base.path })).toBe(base.at('devwatch/samples'));
  });
});
