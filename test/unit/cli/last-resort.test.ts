import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { describeFailure, installLastResort } from '../../../src/cli/last-resort.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

class Exit extends Error {}

/** Returns a process whose exit throws, what it has told, and how often it was asked to stop. */
function install(stop: () => void = () => {}) {
  const target = Object.assign(new EventEmitter(), {
    exit: vi.fn((): never => {
      throw new Exit();
    }),
  });
  const told: string[] = [];
  const stops = vi.fn(stop);
  const hasFailed = installLastResort({
    tell: (line) => told.push(line),
    stop: stops,
    timeoutMs: 10_000,
    target: target as unknown as NodeJS.Process,
  });
  const fail = (error: unknown): void => void target.emit('uncaughtException', error);
  return { told, stops, exit: target.exit, hasFailed, fail };
}

test('an error is told in two lines, and everything is stopped in order', () => {
  const { told, stops, exit, hasFailed, fail } = install();
  fail(new TypeError('x is not a function'));
  expect(told).toHaveLength(2);
  expect(told[0]).toMatch(/^internal error: TypeError: x is not a function · at .*last-resort\.test\.ts:\d+/);
  expect({ stops: stops.mock.calls.length, exits: exit.mock.calls.length }).toEqual({ stops: 1, exits: 0 });
  expect(hasFailed()).toBe(true);
});

test.each([
  ['there is a second error', ({ fail }: ReturnType<typeof install>) => fail(new Error('two'))],
  ['the end takes too long', () => vi.advanceTimersByTime(10_000)],
])('devwatch exits at once when %s', (_, happen) => {
  const installed = install();
  installed.fail(new Error('one'));
  expect(() => happen(installed)).toThrow(Exit);
  expect(installed.exit).toHaveBeenCalledWith(1);
});

test('devwatch exits at once when it cannot stop the programs', () => {
  const { fail } = install(() => {
    throw new Error('broken');
  });
  expect(() => fail(new Error('one'))).toThrow(Exit);
});

test.each([
  ['a text', 'internal error: a text'],
  [undefined, 'internal error: undefined'],
  [
    Object.assign(new Error('m'), { stack: 'Error: m\n  more\n    at f (a.js:1:2)' }),
    'internal error: Error: m · at f (a.js:1:2)',
  ],
])('%s is told in one line', (error, line) => {
  expect(describeFailure(error)[0]).toBe(line);
});
