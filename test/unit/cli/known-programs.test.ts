import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireName } from '../../../src/background/name-lock.ts';
import {
  type BackgroundRecord,
  endRecord,
  logPlaceOf,
  writeEnvironment,
  writeRecord,
} from '../../../src/background/records.ts';
import { selectEntries } from '../../../src/cli/background-programs.ts';
import { launchOf } from '../../../src/cli/launch.ts';
import { execute, knownPrograms } from '../../../src/cli/start.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { ownIdentity } from '../../../src/process/tree/identity.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createStateFolder, type StateFolder } from '../../support/background.ts';
import { asPlatform } from '../../support/platform.ts';

let state: StateFolder;
let here: string;
const cwd = process.cwd();

beforeEach(() => {
  state = createStateFolder();
  here = path.join(state.path, 'project');
  fs.mkdirSync(here);
  process.chdir(here);
});
afterEach(() => {
  process.chdir(cwd);
  state[Symbol.dispose]();
});

/** Records a program; one that has ended is recorded as such. */
function record(name: string, startedIn: string, end?: 'stopped' | 'ended'): BackgroundRecord {
  const lock = acquireName(name, startedIn);
  const places = { folder: startedIn, startedIn, socket: '/none', log: logPlaceOf(name) };
  const words = { program: 'node server.js', argv: ['--no-watch', 'server.js'], token: '', version: '0' };
  const written = { ...ownIdentity(), ...places, ...words, name, after: ['db'], startedAt: 0 };
  writeRecord(lock, written);
  writeEnvironment(lock, { COLOR: 'red', DISPLAY: ':9', TMUX: 'old' });
  if (end !== undefined) endRecord(lock, end);
  return written;
}

const namesOf = (entries: readonly { readonly name: string }[] | undefined): readonly string[] | undefined =>
  entries?.map(({ name }) => name);

describe('without a name, a command is about', () => {
  test('the only program of the folder', () => {
    record('web', here);
    record('other', state.path);
    expect(namesOf(selectEntries([], 'stop'))).toEqual(['web']);
  });

  test('the only one that has not ended', () => {
    record('api', here, 'stopped');
    record('web', here);
    record('old', here, 'ended');
    expect(namesOf(selectEntries([], 'stop'))).toEqual(['web']);
  });

  test('the only one, although it has ended', () => {
    record('web', here, 'stopped');
    expect(namesOf(selectEntries([], 'restart'))).toEqual(['web']);
  });

  test('none of several, which are named', () => {
    record('api', here);
    record('web', here);
    expect(() => selectEntries([], 'stop')).toThrow(
      new UsageError('stop needs a name: this folder has api, web · devwatch stop api, or . for all'),
    );
  });

  test('none of another folder, which are named', () => {
    record('web', state.path);
    expect(() => selectEntries([], 'stop')).toThrow(
      new UsageError('stop needs a name: no background program was started in this folder · known: web'),
    );
  });
});

test('folders and `all` leave out what has ended, unless it is asked for; names do not', () => {
  record('api', here, 'stopped');
  record('web', here);
  for (const word of ['all', '.']) {
    expect(namesOf(selectEntries([word], 'stop'))).toEqual(['web']);
    expect(namesOf(selectEntries([word], 'restart', true))).toEqual(['api', 'web']);
  }
  expect(namesOf(selectEntries(['api', 'all'], 'stop'))).toEqual(['api', 'web']);
});

describe('devwatch start', () => {
  test.each<[string, readonly string[] | undefined]>([
    ['web', ['web']],
    ['api web', ['api', 'web']],
    ['all', ['api', 'web']],
    ['', undefined],
    ['--no-watch web', undefined],
    ['-- web', undefined],
    ['web server.js', undefined],
    ['unknown', undefined],
  ])('%j starts again: %j', (words, names) => {
    record('web', state.path, 'stopped');
    record('api', state.path);
    expect(namesOf(knownPrograms(parseArgv(words.split(' ').filter((word) => word !== ''))))).toEqual(names);
  });

  test('starts a file or an app of the name instead', () => {
    record('web', state.path);
    fs.writeFileSync('web', '');
    expect(knownPrograms(parseArgv(['web']))).toBeUndefined();
    fs.rmSync('web');
    fs.writeFileSync('.watchrc', '{"apps": {"web": "server.js"}}');
    expect(knownPrograms(parseArgv(['web']))).toBeUndefined();
  });

  test('without words starts the known program of a folder that names none', () => {
    record('web', here, 'stopped');
    expect(namesOf(knownPrograms(parseArgv([])))).toEqual(['web']);
    fs.writeFileSync('index.js', '');
    expect(knownPrograms(parseArgv([]))).toBeUndefined();
  });

  test('starts a program again with its words, folder and variables, and with those of the present login', () => {
    const known = record('web', here);
    process.env.DISPLAY = ':1';
    delete process.env.TMUX;
    const { argv, startedIn, after, env } = launchOf(known);
    expect({ argv, startedIn, after }).toEqual({ argv: ['--no-watch', 'server.js'], startedIn: here, after: ['db'] });
    expect(env).toMatchObject({ COLOR: 'red', DISPLAY: ':1', XDG_STATE_HOME: state.path });
    expect(env).not.toHaveProperty('TMUX');
    expect(env).not.toHaveProperty('PATH');
  });
});

test('programs are not started where there is no background, and one line says so', async () => {
  using _ = asPlatform('win32');
  const start = execute({ line: parseArgv(['server.js']), operands: [], options: {} });
  await expect(start).rejects.toThrow(
    new UsageError('devwatch cannot run programs in the background on Windows yet · run it in a terminal'),
  );
});
