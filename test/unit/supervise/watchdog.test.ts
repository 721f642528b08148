/** What a run is watched for. How programs fare: test/e2e/health.test.ts. */

import { expect, test } from 'vitest';
import type { Settings } from '../../../src/config/options.ts';
import type { RunningProgram } from '../../../src/process/launch/running-program.ts';
import { createWatchdog } from '../../../src/supervise/watchdog.ts';
import { createClock } from '../../support/clock.ts';

const program: RunningProgram = {
  pid: 1,
  fromStandby: false,
  end() {},
  signal() {},
  ping: () => false,
  memory: () => undefined,
  cpu: () => undefined,
  write() {},
};

function open(settings: Partial<Pick<Settings, 'ready' | 'timeout'>>) {
  const clock = createClock();
  const told: string[] = [];
  const watchdog = createWatchdog({
    clock,
    settings: { health: undefined, ready: undefined, maxMemory: undefined, timeout: undefined, ...settings },
    onReady: () => told.push('ready'),
    onUnfit: (reason) => told.push(reason),
  });
  return { clock, told, watchdog };
}

test('what it prints is found wherever it is cut', () => {
  const text = Buffer.from('der Server läuft\n');
  for (let cut = 0; cut <= text.length; cut += 1) {
    const { told, watchdog } = open({ ready: '/läuft/' });
    watchdog.begin(program);
    watchdog.prints(text.subarray(0, cut));
    watchdog.prints(text.subarray(cut));
    expect(told).toEqual(['ready']);
  }
});

test('a run that has been up is not told to be up again, and is watched all the same', () => {
  const { clock, told, watchdog } = open({ timeout: 500 });
  watchdog.begin(program, true);
  watchdog.listens(3000);
  clock.advance(500);
  expect(told).toEqual(['it has taken longer than 500 ms']);
  expect(watchdog.watched).toBeUndefined();
});
