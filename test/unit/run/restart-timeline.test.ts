import { describe, expect, test } from 'vitest';
import { RestartTimeline } from '../../../src/run/restart-timeline.ts';
import { createClock } from '../../support/clock.ts';

type Step = number | 'cause' | 'dismissCause' | 'settle' | 'gone' | 'launch';

/** Performs steps (a number lets as many ms pass), and returns the times of the start that follows. */
function play(...steps: readonly Step[]) {
  const clock = createClock();
  const timeline = new RestartTimeline(clock);
  for (const step of steps) {
    if (typeof step === 'number') clock.advance(step);
    else timeline[step]();
  }
  return timeline.start();
}

describe('the times of a start', () => {
  test.each<[string, readonly Step[], object]>([
    ['count from the launch without a cause', [500, 'launch', 3], { ms: 3 }],
    [
      'count from the first cause',
      ['cause', 5, 'cause', 10, 'settle', 20, 'gone', 'launch', 2],
      { quiet: 15, gone: 35, ms: 37 },
    ],
    [
      'have no `gone` of a tree that was gone before',
      ['gone', 10, 'cause', 5, 'settle', 'launch'],
      { quiet: 5, ms: 5 },
    ],
    ['leave out a cause that was dismissed', ['cause', 50, 'dismissCause', 10, 'launch', 1], { ms: 1 }],
  ])('%s', (_, steps, times) => {
    expect(play(...steps)).toEqual(times);
  });

  test('begin again with each run, and last until the program is up', () => {
    const clock = createClock();
    const timeline = new RestartTimeline(clock);
    timeline.cause();
    clock.advance(10);
    expect(timeline.sinceCaused).toBe(10);
    timeline.launch();
    timeline.start();
    expect(timeline.sinceCaused).toBe(0);
    clock.advance(30);
    expect(timeline.sinceRunCaused).toBe(40);
    timeline.launch();
    expect(timeline.start()).toEqual({ ms: 0 });
  });
});
