import { afterEach, beforeEach, expect, test } from 'vitest';
import { RestartSchedule } from '../../../src/run/restart-schedule.ts';
import { createClock } from '../../support/clock.ts';

const zone = process.env.TZ;
beforeEach(() => {
  process.env.TZ = 'UTC';
});
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const minutes = 60_000;

/** @param start ISO time */
function open(start: string) {
  const clock = createClock();
  const origin = Date.parse(start) - clock.now();
  /** By this the clock of the machine is ahead of the timers: it was set, or the machine has slept. */
  let ahead = 0;
  const due: string[] = [];
  const now = (): number => origin + ahead + clock.now();
  const schedule = new RestartSchedule({
    clock,
    now,
    onDue: () => void due.push(new Date(now()).toISOString().slice(0, 16)),
  });
  return {
    clock,
    schedule,
    due,
    sleep(ms: number) {
      ahead += ms;
    },
  };
}

test('a schedule calls at each of its times, until it is closed', () => {
  const { clock, schedule, due } = open('2026-11-27T03:00:00Z');
  schedule.follow('0 4 * * *');
  clock.advance(59 * minutes);
  expect(due).toEqual([]);
  clock.advance(25 * 60 * minutes);
  expect(due).toEqual(['2026-11-27T04:00', '2026-11-28T04:00']);
  schedule.close();
  clock.advance(48 * 60 * minutes);
  expect([due.length, clock.pending]).toEqual([2, 0]);
});

test('a schedule that is replaced calls no more, and one that stays the same goes on', () => {
  const { clock, schedule, due } = open('2026-11-27T03:00:00Z');
  schedule.follow('0 4 * * *');
  schedule.follow('30 3 * * *');
  schedule.follow('30 3 * * *');
  clock.advance(120 * minutes);
  expect(due).toEqual(['2026-11-27T03:30']);
});

test('a schedule makes up once for the times that the machine has slept through', () => {
  const { clock, schedule, due, sleep } = open('2026-11-27T03:00:00Z');
  schedule.follow('0 * * * *');
  sleep(5.5 * 60 * minutes);
  clock.advance(1 * minutes);
  expect(due).toEqual(['2026-11-27T08:31']);
  clock.advance(29 * minutes);
  expect(due).toEqual(['2026-11-27T08:31', '2026-11-27T09:00']);
});

test('a schedule does not call twice when the clock is set back', () => {
  const { clock, schedule, due, sleep } = open('2026-11-27T03:59:00Z');
  schedule.follow('0 4 * * *');
  clock.advance(1 * minutes);
  sleep(-2 * minutes);
  clock.advance(10 * minutes);
  expect(due).toEqual(['2026-11-27T04:00']);
});
