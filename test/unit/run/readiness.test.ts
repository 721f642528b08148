/** Readiness of one program on a virtual clock. */

import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../../src/config/defaults.ts';
import { Readiness } from '../../../src/run/readiness.ts';
import type { DevwatchEvent, EventOf } from '../../../src/shared/events.ts';
import { createClock } from '../../support/clock.ts';

const start = (run: number): EventOf<'start'> => ({
  type: 'start',
  run,
  pid: 1,
  program: 'node server.js',
  cause: 'start',
  changes: [],
  standby: false,
  ms: 20,
});
const ready: DevwatchEvent = { type: 'ready', run: 1, ms: 80, port: 3000 };
const crash: DevwatchEvent = {
  type: 'crash',
  run: 1,
  outcome: { code: 3, signal: null },
  uptime: 5,
  next: { kind: 'wait', for: 'change', gaveUp: false },
};
const exit: DevwatchEvent = {
  type: 'exit',
  run: 1,
  outcome: { code: 0, signal: null },
  uptime: 5,
  next: { kind: 'wait', for: 'change', gaveUp: false },
};
const stopping: DevwatchEvent = { type: 'stopping', run: 1, stage: 'terminating', grace: null };
const gone: DevwatchEvent = { type: 'gone', run: 1, survivors: [], ms: 5 };
const end: DevwatchEvent = { type: 'end', reason: { kind: 'requested' } };

function open({ hasCheck = false } = {}) {
  const clock = createClock();
  const running: DevwatchEvent[] = [];
  const readiness = new Readiness(clock, hasCheck, (event) => void running.push(event));
  const feed = (...events: readonly DevwatchEvent[]): void => {
    for (const event of events) readiness.onEvent(event);
  };
  return { clock, running, readiness, feed };
}

describe('the state', () => {
  test.each([
    ['starting', [start(1)], false],
    ['up', [start(1), ready], true],
    ['crashed', [start(1), crash], false],
    ['crashed', [start(1), crash, stopping, gone], false],
    ['ended', [start(1), exit], true],
    ['ended', [start(1), exit, stopping], true],
    ['stopping', [start(1), ready, stopping], true],
    ['starting', [start(1), ready, stopping, gone, start(2)], true],
  ] as const)('is %s after %j', (state, events, hasBeenUp) => {
    const { readiness, feed } = open();
    feed(...events);
    expect([readiness.status.state, readiness.hasBeenUp]).toEqual([state, hasBeenUp]);
  });

  test('names the run, the port and the reason of a crash', () => {
    const { readiness, feed } = open();
    feed(start(1), ready);
    expect(readiness.status).toMatchObject({ run: 1, port: 3000 });
    feed(crash);
    expect(readiness.status).toMatchObject({ state: 'crashed', reason: 'exit 3' });
    feed(start(2));
    expect(readiness.status).toMatchObject({ state: 'starting', run: 2, port: undefined });
    expect(readiness.status).not.toHaveProperty('reason');
  });
});

test('a program that waits for a file has that outcome until it is started', async () => {
  const { readiness, feed } = open();
  const next = readiness.nextOutcome();
  feed({ type: 'wait', reason: 'missing', paths: ['/app/dist/index.js'] });
  const waiting = { state: 'waiting', awaited: '/app/dist/index.js' };
  expect([await readiness.outcome, await next, readiness.hasBeenUp]).toEqual([waiting, waiting, false]);
  expect(readiness.status).toMatchObject(waiting);
  feed(start(1), ready);
  expect(await readiness.outcome).toMatchObject({ state: 'up' });
  expect(readiness.status).not.toHaveProperty('awaited');
});

test('the next step is known until the next start', () => {
  const { readiness, feed } = open();
  feed(start(1), { ...crash, next: { kind: 'restart', delay: 4000, attempt: 5, limit: 5 } });
  const { next, retryAt = 0 } = readiness.status;
  expect(next).toMatchObject({ kind: 'restart' });
  expect(Math.abs(retryAt - Date.now() - 4000)).toBeLessThan(2000);
  feed(start(2));
  expect(readiness.status).not.toHaveProperty('next');
  feed({ ...crash, run: 2 });
  expect(readiness.status).toMatchObject({ next: { kind: 'wait', gaveUp: false } });
  expect(readiness.status).not.toHaveProperty('retryAt');
});

describe('a program without a readiness check', () => {
  test('counts as running after 3 s, and as up when it listens later', () => {
    const { clock, running, readiness, feed } = open();
    feed(start(1));
    clock.advance(2999);
    expect(readiness.status.state).toBe('starting');
    clock.advance(1);
    expect(running).toEqual([{ type: 'running', run: 1, ms: 3020 }]);
    expect([readiness.status.state, readiness.hasBeenUp]).toEqual(['running', true]);
    feed(ready);
    expect(readiness.status.state).toBe('up');
  });

  test.each([
    ['is up', ready],
    ['crashes', crash],
    ['exits', exit],
    ['is being stopped', stopping],
    ['belongs to a devwatch that has ended', end],
  ])('does not count as running when it %s before', (_, event) => {
    const { clock, running, feed } = open();
    feed(start(1), event);
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(running).toEqual([]);
  });

  test('is given the 3 s again with each run', () => {
    const { clock, running, feed } = open();
    feed(start(1));
    clock.advance(2000);
    feed(start(2));
    clock.advance(2999);
    expect(running).toEqual([]);
    clock.advance(1);
    expect(running).toMatchObject([{ run: 2 }]);
  });
});

test.each([
  ['from the start', true, []],
  ['from a settings file', false, [{ ...defaultSettings, ready: '/up/' }]],
])('a program with a readiness check %s never counts as running', (_, hasCheck, changed) => {
  const { clock, running, feed } = open({ hasCheck });
  for (const settings of changed) feed({ type: 'settings', file: '.watchrc', changed: ['ready'], settings });
  feed(start(1));
  clock.advance(60_000);
  expect(running).toEqual([]);
});

describe('the outcome of a start', () => {
  test.each([
    ['up', [ready], { state: 'up', ms: 80, port: 3000 }],
    ['failed', [crash, stopping, gone], { state: 'failed', reason: 'exit 3', next: 'wait' }],
    ['ended', [exit], { state: 'ended', next: 'wait' }],
    ['gone', [stopping, gone, end], { state: 'gone' }],
  ] as const)('is %s', async (_, events, outcome) => {
    const { readiness, feed } = open();
    const { outcome: promise } = readiness;
    feed(start(1), ...events);
    expect(await promise).toEqual(outcome);
  });

  test('is running after 3 s', async () => {
    const { clock, readiness, feed } = open();
    feed(start(1));
    clock.advance(3000);
    expect(await readiness.outcome).toEqual({ state: 'running', ms: 3020 });
  });

  test('is not known of a crash before the whole tree is gone', () => {
    const { readiness, feed } = open();
    feed(start(1), crash);
    expect(readiness.latestOutcome).toBeUndefined();
    feed(gone);
    expect(readiness.latestOutcome).toMatchObject({ state: 'failed' });
  });

  test('is that of the next run when a run is replaced before it is up', async () => {
    const { readiness, feed } = open();
    const { outcome } = readiness;
    feed(start(1), stopping, gone, start(2), ready);
    expect(await outcome).toMatchObject({ state: 'up' });
  });

  test('can be asked of the next start, which an earlier one does not answer', async () => {
    const { readiness, feed } = open();
    feed(start(1), ready);
    const next = readiness.nextOutcome();
    feed(stopping, gone, start(2), exit);
    expect(await next).toEqual({ state: 'ended', next: 'wait' });
  });

  test('is gone when devwatch ends before the next start', async () => {
    const { readiness, feed } = open();
    feed(start(1), ready);
    const next = readiness.nextOutcome();
    feed(stopping, gone, end);
    expect(await next).toEqual({ state: 'gone' });
  });

  test('outlives the end as `latestOutcome`', () => {
    const { readiness, feed } = open();
    feed(start(1), crash, gone, end);
    expect(readiness.latestOutcome).toMatchObject({ state: 'failed', reason: 'exit 3' });
  });
});
