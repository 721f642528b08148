import fs from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  identityOf,
  isSameProcess,
  type Liveness,
  livenessOf,
  ownIdentity,
  type ProcessIdentity,
} from '../../../../src/process/tree/identity.ts';
import { startWorker } from '../../../support/background.ts';
import { stateOf, until } from '../../../support/facts.ts';

describe('livenessOf', () => {
  afterEach(() => vi.restoreAllMocks());

  test.each<[string, Partial<ProcessIdentity>, Liveness]>([
    ['this process is alive', {}, 'alive'],
    ['another start time is dead: the pid was reused', { startTime: '1' }, 'dead'],
    ['another boot is dead', { boot: '00000000-0000-0000-0000-000000000000' }, 'dead'],
    ['a pid that does not exist is dead', { pid: 4_194_305 }, 'dead'],
    ['another pid namespace is foreign', { namespace: '1' }, 'foreign'],
  ])('%s', (_, changes, liveness) => {
    expect(livenessOf({ ...ownIdentity(), ...changes })).toBe(liveness);
    expect(isSameProcess({ ...ownIdentity(), ...changes }, ownIdentity())).toBe(liveness === 'alive');
  });

  test('throws if liveness cannot be determined', () => {
    const identity = ownIdentity();
    vi.spyOn(fs, 'readFileSync').mockImplementation(() => {
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    });
    expect(() => livenessOf(identity)).toThrow('too many open files');
  });
});

test('identityOf takes a zombie for dead', async () => {
  await using parent = startWorker('/usr/bin/perl', [
    '-e',
    '$| = 1; <>; $pid = fork; exit if !$pid; print "$pid\\n"; <>',
  ]);
  const pid = await parent.ask<number>('');
  await until(() => stateOf(pid) === 'Z');
  expect(identityOf(pid)).toBeUndefined();
});
