/** The checks of one run on a virtual clock. With real programs: test/e2e/health.test.ts. */

import { describe, expect, test } from 'vitest';
import { healthDefaults } from '../../../src/config/defaults.ts';
import type { Settings } from '../../../src/config/settings-types.ts';
import type { ProbeResult } from '../../../src/supervise/health.ts';
import { Servers } from '../../../src/supervise/servers.ts';
import { type Sign, Watchdog, type WatchedRun } from '../../../src/supervise/watchdog.ts';
import { createClock } from '../../support/clock.ts';

const run: WatchedRun = { ping: () => false, isDebugged: async () => false, memory: () => undefined };
const listens = (port: number | undefined): Sign => ({
  type: 'listens',
  server: { id: 'a', key: 'a', port, url: undefined, role: undefined },
});
const refused: ProbeResult = { ok: false, kind: 'refused' };

/** @param answers results of the probes in order; the last one repeats */
function open(
  settings: Partial<Pick<Settings, 'ready' | 'timeout' | 'maxMemory' | 'health'>>,
  answers: readonly ProbeResult[] = [refused],
  clock = createClock(),
  servers = new Servers(clock),
) {
  const reports: string[] = [];
  let probes = 0;
  const watchdog = new Watchdog({
    ...{ clock, servers },
    settings: { health: undefined, ready: undefined, maxMemory: undefined, timeout: undefined, ...settings },
    probe() {
      probes += 1;
      return Promise.resolve(answers[Math.min(probes, answers.length) - 1] ?? refused);
    },
    onProblem: (message) => reports.push(message),
    onReady: ({ port }) => reports.push(port === undefined ? 'ready' : `ready on ${port}`),
    onAddress: ({ port }) => reports.push(`serves on ${port}`),
    onUnhealthy: (reason, permanent) => reports.push(`${reason}${permanent ? ' · permanent' : ''}`),
    onSpared: (reason) => reports.push(`spared: ${reason}`),
  });
  const advance = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 5) {
      clock.advance(5);
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    }
  };
  return { clock, servers, reports, watchdog, advance, probes: () => probes };
}

test('a pattern for the output that takes too long is given up', () => {
  const { reports, watchdog } = open({ ready: '/^(a+)+$/' });
  watchdog.begin(run);
  const chunk = Buffer.from(`${'a'.repeat(60)}b`);
  while (reports.length === 0) watchdog.onSign({ type: 'output', chunk });
  expect(reports).toEqual(['ready: /^(a+)+$/ takes too long to match, and is given up · use a simpler pattern']);
});

describe('a run is ready', () => {
  test.each<[string | undefined, (watchdog: Watchdog) => void, readonly string[]]>([
    [undefined, (watchdog) => watchdog.onSign(listens(3000)), ['ready on 3000']],
    ['listen', (watchdog) => watchdog.onSign(listens(undefined)), ['ready']],
    ['message', (watchdog) => watchdog.onSign({ type: 'message', message: 'ready' }), ['ready']],
    ['message', (watchdog) => watchdog.onSign({ type: 'message', message: { type: 'ready' } }), ['ready']],
    ['message', (watchdog) => watchdog.onSign({ type: 'message', message: { type: 'hello' } }), []],
    ['message', (watchdog) => watchdog.onSign(listens(3000)), []],
    ['/up/', (watchdog) => watchdog.onSign({ type: 'output', chunk: Buffer.from('it is up') }), ['ready']],
    ['/up/', (watchdog) => watchdog.onSign({ type: 'message', message: 'ready' }), []],
    ['exit', (watchdog) => watchdog.onSign(listens(3000)), []],
  ])('with `ready` %s by its sign alone (%s)', (ready, act, expected) => {
    const { clock, reports, watchdog } = open({ ready });
    watchdog.begin(run);
    act(watchdog);
    act(watchdog);
    clock.advance(50);
    expect(reports).toEqual(expected);
  });

  test('by a pattern wherever its output is cut', () => {
    const text = Buffer.from('der Server läuft\n');
    for (let cut = 0; cut <= text.length; cut += 1) {
      const { reports, watchdog } = open({ ready: '/läuft/' });
      watchdog.begin(run);
      watchdog.onSign({ type: 'output', chunk: text.subarray(0, cut) });
      watchdog.onSign({ type: 'output', chunk: text.subarray(cut) });
      expect(reports).toEqual(['ready']);
    }
  });

  test('by the first answer of an address, which is probed at growing intervals', async () => {
    const answers = [refused, refused, refused, { ok: true, ms: 1 }] as const;
    const { clock, reports, watchdog, advance, probes } = open({ ready: 'http://localhost:8000' }, answers);
    watchdog.begin(run);
    await advance(60);
    expect([probes(), reports]).toEqual([2, []]);
    await advance(100);
    expect([probes(), reports]).toEqual([4, ['ready on 8000']]);
    expect(clock.pending).toBe(0);
  });

  test('not after its end, nor a second time when a new watchdog takes the run over', () => {
    const first = open({ timeout: 500 });
    first.watchdog.begin(run);
    first.watchdog.onSign(listens(3000));
    first.clock.advance(50);
    const second = open({ timeout: 800 }, [], first.clock, first.servers);
    first.watchdog.replaceBy(second.watchdog);
    second.watchdog.onSign(listens(3000));
    expect([first.clock.pending, first.reports, second.reports]).toEqual([1, ['ready on 3000'], []]);
    second.clock.advance(800);
    expect(second.reports).toEqual(['it has taken longer than 800 ms · permanent']);
    second.watchdog.onSign(listens(3000));
    expect(second.reports).toHaveLength(1);
  });
});

describe('the memory limit', () => {
  /** Begins a run whose samples are these values in MB; the last one repeats. */
  function begin(samples: readonly (number | undefined)[]) {
    const fixture = open({ maxMemory: 100 * 2 ** 20 });
    let taken = 0;
    const next = (): void =>
      fixture.watchdog.begin({
        ...run,
        memory() {
          taken += 1;
          const sample = samples[Math.min(taken, samples.length) - 1];
          return sample === undefined ? undefined : sample * 2 ** 20;
        },
      });
    next();
    return { ...fixture, next, taken: () => taken };
  }

  test('is exceeded by two samples in a row above it, and reports that once', () => {
    const { clock, reports, taken } = begin([101, 150]);
    clock.advance(3999);
    expect(reports).toEqual([]);
    clock.advance(1);
    expect(reports).toEqual(['it takes 150 MB of memory, more than 100 MB']);
    clock.advance(60_000);
    expect([reports.length, taken(), clock.pending]).toEqual([1, 2, 0]);
  });

  test.each([[[100]], [[101, 100, 101, 100, 101, 99]], [[undefined]], [[101, undefined, 101, 100]]])(
    'is not exceeded by reaching it, by a short peak, or by an unknown value: %j',
    (samples) => {
      const { clock, reports, taken } = begin(samples);
      clock.advance(12_000);
      expect([reports, taken()]).toEqual([[], 6]);
    },
  );

  test('counts samples again in the next run', () => {
    const { clock, next, reports } = begin([101, 102, 103]);
    clock.advance(2000);
    next();
    clock.advance(2000);
    expect(reports).toEqual([]);
    clock.advance(2000);
    expect(reports).toEqual(['it takes 103 MB of memory, more than 100 MB']);
  });

  test('is not sampled after the end of the run', () => {
    const { clock, watchdog, reports } = begin([101]);
    clock.advance(2000);
    watchdog.end();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(reports).toEqual([]);
  });
});

describe('a run is unhealthy', () => {
  test.each([
    ['when its event loop does not answer', true, ['its event loop has been blocked for 1 s']],
    ['not when its event loop cannot be asked', false, []],
  ])('%s', async (_, canAsk, expected) => {
    const health = { ...healthDefaults, probe: 'event-loop', interval: 1000, timeout: 1000, failures: 1, grace: 0 };
    const { reports, watchdog, advance } = open({ health });
    watchdog.begin({ ...run, ping: () => canAsk });
    await advance(3000);
    expect(reports).toEqual(expected);
  });

  test('not while a debugger is connected, which is reported once', async () => {
    const health = { ...healthDefaults, probe: 'event-loop', interval: 1000, timeout: 1000, failures: 1, grace: 0 };
    const { reports, watchdog, advance } = open({ health });
    const isDebugged = { now: true };
    watchdog.begin({ ...run, ping: () => true, isDebugged: async () => isDebugged.now });
    await advance(5000);
    const reason = 'its event loop has been blocked for 1 s';
    expect(reports).toEqual([`spared: ${reason}`]);
    isDebugged.now = false;
    await advance(2000);
    expect(reports).toEqual([`spared: ${reason}`, reason]);
  });

  test('no more once it is over, and no timer is left', () => {
    const health = { ...healthDefaults, probe: 'tcp://localhost:8000' };
    const { clock, watchdog } = open({ ready: 'tcp://localhost:8000', timeout: 500, maxMemory: 1, health });
    watchdog.begin(run);
    watchdog.end();
    expect(clock.pending).toBe(0);
  });
});
