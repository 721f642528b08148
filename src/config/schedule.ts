/** Times at which a program is restarted (`restartAt`), written as in crontab. croner computes them, and is loaded if needed. */

import { didYouMean } from '../shared/did-you-mean.ts';
import { require } from '../shared/require.ts';
import { readText, show, ValueError } from './read-values.ts';

/** The fields of an expression; the first one may be missing. */
const fieldNames = ['second', 'minute', 'hour', 'day of the month', 'month', 'day of the week'] as const;
const ranges: Readonly<Record<(typeof fieldNames)[number], string>> = {
  second: '0 to 59',
  minute: '0 to 59',
  hour: '0 to 23',
  'day of the month': '1 to 31',
  month: '1 to 12, or JAN to DEC',
  'day of the week': '0 to 7, or SUN to SAT',
};
const shorthands: readonly string[] = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

const form = 'takes times as in crontab, such as "0 4 * * *" (minute, hour, day, month, day of the week)';

/**
 * Checks an expression: five or six fields, or a name such as `@daily`; `TZ=Europe/Berlin` before it sets a time zone.
 *
 * @throws ValueError that names the wrong field, and its place
 */
export function readSchedule(raw: unknown): string {
  const text = readText(raw).trim();
  const { zone, fields } = partsOf(text);
  if (zone !== undefined && !isTimeZone(zone)) throw new ValueError(`knows no time zone ${show(zone)}`);
  const [first = ''] = fields;
  if (fields.length === 1 && first.startsWith('@')) {
    if (shorthands.includes(first)) return text;
    throw new ValueError(`has no ${show(first)}${didYouMean(first, shorthands)}`);
  }
  const names = fieldNames.slice(-fields.length);
  if (fields.length < 5 || fields.length > 6) throw new ValueError(`${form}, not ${show(raw)}`);
  let end = zone === undefined ? 0 : text.indexOf(zone) + zone.length;
  fields.forEach((field, index) => {
    const at = text.indexOf(field, end);
    end = at + field.length;
    const alone = fields.map((_, other) => (other === index ? field : '*'));
    if (canParse(alone.join(' '))) return;
    const name = names[index] ?? 'second';
    throw new ValueError(`has a bad ${name} ${show(field)} at character ${at + 1} of ${show(text)}: ${ranges[name]}`);
  });
  if (nextTime(text, Date.now()) === undefined) throw new ValueError(`names no day that exists: ${show(text)}`);
  return text;
}

/**
 * Returns the next of the times, later than `after`; both in epoch ms. Undefined if there is none. In the hour that is
 * skipped or repeated when clocks change, a time of day comes exactly once.
 */
export function nextTime(schedule: string, after: number): number | undefined {
  const { zone, fields } = partsOf(schedule);
  const cron = new (croner().Cron)(fields.join(' '), { paused: true, ...(zone !== undefined && { timezone: zone }) });
  return cron.nextRun(new Date(after))?.getTime();
}

function partsOf(schedule: string): { readonly zone: string | undefined; readonly fields: readonly string[] } {
  const [, zone, expression = ''] = /^(?:(?:CRON_)?TZ=(\S*)\s+)?(.*)$/s.exec(schedule.trim()) ?? [];
  return { zone, fields: expression.split(/\s+/) };
}

const croner = (): typeof import('croner') => require('croner') as typeof import('croner');

function canParse(expression: string): boolean {
  try {
    return new (croner().Cron)(expression, { paused: true }).getPattern() !== undefined;
  } catch {
    return false;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
