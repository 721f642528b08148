import { expect, test } from 'vitest';
import { nextTime, readSchedule } from '../../../src/config/schedule.ts';

/** Returns the next times after an ISO time, in UTC. */
function timesAfter(start: string, schedule: string, count: number): readonly string[] {
  const times: string[] = [];
  for (let at = Date.parse(start); times.length < count; ) {
    at = nextTime(schedule, at) ?? Number.NaN;
    times.push(new Date(at).toISOString().slice(0, 16));
  }
  return times;
}

test.each([
  ['0 4 * * *', ['2026-11-28T04:00', '2026-11-29T04:00']],
  ['*/20 * * * *', ['2026-11-27T12:20', '2026-11-27T12:40']],
  ['0 4 * * MON-FRI', ['2026-11-30T04:00', '2026-12-01T04:00']],
  ['30 0 4 * * *', ['2026-11-28T04:00', '2026-11-29T04:00']],
  ['@daily', ['2026-11-28T00:00', '2026-11-29T00:00']],
])('the times of %s are %j', (schedule, times) => {
  const inUtc = `TZ=UTC ${schedule}`;
  expect(readSchedule(` ${inUtc} `)).toBe(inUtc);
  expect(timesAfter('2026-11-27T12:00:00Z', inUtc, 2)).toEqual(times);
});

test.each([
  ['that skips the hour', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:30']],
  ['that repeats the hour', '2026-10-24T12:00Z', ['2026-10-25T00:30', '2026-10-26T01:30']],
])('a time of day comes once on the day %s', (_, start, times) => {
  expect(timesAfter(start, 'CRON_TZ=Europe/Berlin 30 2 * * *', 2)).toEqual(times);
});

const form = 'takes times as in crontab, such as "0 4 * * *" (minute, hour, day, month, day of the week)';

test.each([
  ['0 25 * * *', 'has a bad hour "25" at character 3 of "0 25 * * *": 0 to 23'],
  ['61 * * * *', 'has a bad minute "61" at character 1 of "61 * * * *": 0 to 59'],
  ['0 0 4 * * 8', 'has a bad day of the week "8" at character 11 of "0 0 4 * * 8": 0 to 7, or SUN to SAT'],
  ['0 4 * JAN-XX *', 'has a bad month "JAN-XX" at character 7 of "0 4 * JAN-XX *": 1 to 12, or JAN to DEC'],
  ['TZ=UTC 0 4 * * x', 'has a bad day of the week "x" at character 16 of "TZ=UTC 0 4 * * x": 0 to 7, or SUN to SAT'],
  ['TZ=Nowhere 0 4 * * *', 'knows no time zone "Nowhere"'],
  ['0 4 31 2 *', 'names no day that exists: "0 4 31 2 *"'],
  ['@dayly', 'has no "@dayly" · did you mean "@daily"?'],
  ['@reboot', 'has no "@reboot"'],
  ['0 4 * *', `${form}, not "0 4 * *"`],
  ['2026-12-01T00:00:00', `${form}, not "2026-12-01T00:00:00"`],
  ['', 'takes a text, not ""'],
  [5, 'takes a text, not 5'],
])('of %j a message "%s" says what is wrong', (raw, message) => {
  expect(() => readSchedule(raw)).toThrow(expect.objectContaining({ message }));
});
