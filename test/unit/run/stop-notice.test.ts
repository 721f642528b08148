import { expect, test } from 'vitest';
import { StopNotice } from '../../../src/run/stop-notice.ts';
import type { DevwatchEvent } from '../../../src/shared/events.ts';
import { createClock } from '../../support/clock.ts';

test('an end that has come but is not handled yet is awaited before a run is called slow', async () => {
  const clock = createClock();
  const events: DevwatchEvent[] = [];
  let handled: () => void = () => {};
  const notice = new StopNotice({
    clock: {
      ...clock,
      soon: (callback) => {
        handled = callback;
        return () => {
          handled = () => {};
        };
      },
    },
    settings: () => ({ killTimeout: 5000, signal: 'SIGTERM' }),
    emit: (event) => void events.push(event),
  });
  const program = { remainder: async () => ({ processes: [] }) };
  for (const hasEnded of [true, false]) {
    notice.begin(1, program);
    clock.advance(1500);
    if (hasEnded) notice.end();
    handled();
    await Promise.resolve();
    expect(events.length).toBe(hasEnded ? 0 : 1);
  }
});
