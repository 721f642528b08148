import { expect, test } from 'vitest';
import { looksInterrupted } from '../../../../src/process/launch/tty.ts';

test.each([
  [{ code: null, signal: 'SIGINT' as const }, true],
  [{ code: null, signal: 'SIGQUIT' as const }, true],
  [{ code: 0, signal: null }, true],
  [{ code: 130, signal: null }, true],
  [{ code: 131, signal: null }, true],
  [{ code: 1, signal: null }, false],
  [{ code: null, signal: 'SIGSEGV' as const }, false],
  [{ code: null, signal: 'SIGTERM' as const }, false],
])('looksInterrupted(%j) returns %s', (outcome, expected) => {
  expect(looksInterrupted(outcome)).toBe(expected);
});
