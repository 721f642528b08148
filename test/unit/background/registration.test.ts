/** The entry of a program in the background, in a state folder that somebody removes. */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireName, type NameLock } from '../../../src/background/name-lock.ts';
import { type BackgroundRecord, listEntries, readEnvironment } from '../../../src/background/records.ts';
import { Registration, type RegistrationOptions } from '../../../src/background/registration.ts';
import { identityOf, ownIdentity } from '../../../src/process/tree/identity.ts';
import { createStateFolder, type StateFolder } from '../../support/background.ts';
import { until } from '../../support/facts.ts';

let state: StateFolder;

beforeEach(() => {
  state = createStateFolder();
});
afterEach(() => state[Symbol.dispose]());

function register(lock: NameLock, options: Partial<RegistrationOptions> = {}) {
  const record: BackgroundRecord = {
    ...ownIdentity(),
    ...{ name: lock.name, folder: '/app', startedIn: '/app', program: 'server.js', after: [], argv: ['server.js'] },
    ...{
      token: 'secret',
      socket: '/nowhere',
      log: { file: '/log', isTagged: true, timestamps: false },
      startedAt: 1,
      version: '0',
    },
  };
  const seen = { restored: 0, problems: [] as string[] };
  const registration = new Registration({
    ...{ lock, record, variables: { A: '1' } },
    onRestored: () => {
      seen.restored += 1;
    },
    onProblem: (message) => void seen.problems.push(message),
    ...options,
  });
  return { registration, record, seen };
}

test('an entry is made anew when the state folder is removed, as often as that happens', async () => {
  const { registration, record, seen } = register(acquireName('web', '/app'));
  for (const times of [1, 2]) {
    fs.rmSync(path.dirname(state.background), { recursive: true });
    await until(() => seen.restored === times);
    expect(listEntries()).toEqual([{ name: 'web', alive: true, record }]);
    expect(readEnvironment('web')).toEqual({ A: '1' });
    expect(() => acquireName('web', '/other')).toThrow('web is already running in /app');
  }
  await registration.end('stopped', async () => {});
  expect(listEntries()).toMatchObject([{ record: { end: 'stopped' } }]);
  acquireName('web', '/other').release();
});

test('an entry is made anew at the next check when the state folder is moved away, which causes no event in it', async () => {
  const { registration, seen } = register(acquireName('web', '/app'), { checkIntervalMs: 20 });
  fs.renameSync(state.background, `${state.background}-elsewhere`);
  await until(() => seen.restored === 1);
  expect(listEntries()).toMatchObject([{ name: 'web', alive: true }]);
  await registration.end('ended', async () => {});
});

test('a name that another process has got meanwhile stays its own, which is reported once', async () => {
  const { registration, seen } = register(acquireName('web', '/app'), { checkIntervalMs: 20 });
  // As if the other one had acquired it at the moment of the removal.
  const lock = path.join(state.background, 'web', 'lock');
  const [file = ''] = fs.readdirSync(lock);
  const { pid, startTime, boot, namespace } = identityOf(process.ppid) ?? ownIdentity();
  const other = [pid, startTime, boot, namespace, file.split('_').at(-1)].join('_');
  fs.renameSync(path.join(lock, file), path.join(lock, other));
  await until(() => seen.problems.length > 0);
  fs.rmSync(path.join(lock, other));
  await until(() => seen.restored === 1);
  expect(seen.problems).toHaveLength(1);
  expect(seen.problems[0]).toContain(`(pid ${process.ppid})`);
  await registration.end('ended', async () => {});
});
