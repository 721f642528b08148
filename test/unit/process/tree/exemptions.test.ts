import { describe, expect, test } from 'vitest';
import { createExemptions } from '../../../../src/process/tree/exemptions.ts';
import type { Candidate } from '../../../../src/process/tree/proc.ts';

const ownSession = 10;

/** A process without a command line of its own in /proc: its pid is above every pid_max. */
const candidate = (command: string, session: number, environment = '\0'): Candidate => ({
  pid: 2 ** 22 + 1,
  command,
  state: 'S',
  parent: 1,
  group: session,
  session,
  foreground: -1,
  startTime: '1',
  environment,
});

describe('the exemptions', () => {
  test.each<[string, boolean, readonly string[], readonly Candidate[]]>([
    ['include a process that a pattern names', true, ['chrome*'], [candidate('chrome-dev', 20)]],
    [
      'include the whole session of a named process',
      true,
      ['chrome'],
      [candidate('helper', 20), candidate('chrome', 20)],
    ],
    ['do not include a named process in the session of the program', false, ['chrome'], [candidate('chrome', 10)]],
    ['do not include another session', false, ['chrome'], [candidate('helper', 30), candidate('chrome', 20)]],
    ['include a process with DEVWATCH_KEEP=1', true, [], [candidate('x', ownSession, '\0A=1\0DEVWATCH_KEEP=1\0')]],
    ['do not include one with another value', false, [], [candidate('x', 20, '\0DEVWATCH_KEEP=10\0')]],
  ])('%s', (_, expected, patterns, candidates) => {
    const isExempt = createExemptions(patterns, [ownSession])(candidates);
    expect(candidates.slice(0, 1).map(isExempt)).toEqual([expected]);
  });
});
