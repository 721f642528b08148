import { expect, test } from 'vitest';
import { LateLimitations } from '../../../src/run/late-limitations.ts';
import type { DevwatchEvent, Feature } from '../../../src/shared/events.ts';

const limited = (feature: Feature): DevwatchEvent => ({ type: 'limitation', features: [feature], reason: 'a reason' });
const start: DevwatchEvent = {
  ...({ type: 'start', run: 2, pid: 1, program: 'node a.js', cause: 'change', changes: [] } as const),
  ...{ standby: false, ms: 1 },
};

test.each<[string, DevwatchEvent, Feature[]]>([
  ['a next run', start, ['standby', 'packages']],
  ['a standby process that is ready', { type: 'standby', pid: 1 }, ['packages', 'held ports']],
  ['one that has loaded packages', { type: 'standby', pid: 1, packages: 3 }, ['held ports']],
  [
    'another event',
    { type: 'scanning', program: '', patterns: [], extensions: [] },
    ['standby', 'packages', 'held ports'],
  ],
])('a limitation ends with %s, if that shows the opposite', (_, event, left) => {
  const late = new LateLimitations();
  for (const feature of ['standby', 'packages', 'held ports'] as const) late.onEvent(limited(feature));
  late.onEvent(limited('standby'));
  late.onEvent(event);
  expect(late.list.flatMap(({ features }) => features)).toEqual(left);
});
