import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Health, type HealthPolicy, type ProbeResult } from '../../../src/supervise/health.ts';
import { createClock } from '../../support/clock.ts';

const url = 'http://127.0.0.1:3000/';
const ok: ProbeResult = { ok: true, ms: 1 };
const refused: ProbeResult = { ok: false, kind: 'refused' };
const unavailable: ProbeResult = { ok: false, kind: 'status', detail: '503' };

const defaults: HealthPolicy = {
  target: url,
  interval: 10_000,
  timeout: 5000,
  failures: 1,
  grace: 10_000,
  failOn: ['refused', 'timeout', 'reset', 'unreachable', 'status', 'closed'],
};

/** Result of a probe, after this many ms; or no answer at all. */
type Turn = { readonly after: number; readonly result: ProbeResult } | 'silence';

const at = (after: number, result: ProbeResult): Turn => ({ after, result });

interface Asked {
  readonly from: number;
  /** When the probe was answered or aborted. */
  until?: number;
  aborted: boolean;
  readonly answer: (result: ProbeResult) => void;
}

/** @param turns results of the probes in order; the last one repeats. Empty: the test answers them. */
function open(policy: Partial<HealthPolicy> = {}, turns: readonly Turn[] = ['silence']) {
  const clock = createClock();
  const start = clock.now();
  /** Time that passed while devwatch was suspended, as by SIGSTOP; every timer is this late. */
  let stoodStill = 0;
  const elapsed = () => clock.now() - start;
  const asked: Asked[] = [];
  const reports: { at: number; reason: string }[] = [];
  const health = new Health({
    clock: { now: () => clock.now() + stoodStill, after: clock.after, soon: clock.soon },
    policy: { ...defaults, ...policy },
    probe: (signal) =>
      new Promise((resolve) => {
        const entry: Asked = {
          from: elapsed(),
          aborted: false,
          answer(result) {
            entry.until ??= elapsed();
            resolve(result);
          },
        };
        signal.addEventListener('abort', () => {
          entry.until ??= elapsed();
          entry.aborted = true;
        });
        const turn = turns[Math.min(asked.length, turns.length - 1)];
        asked.push(entry);
        if (turn !== undefined && turn !== 'silence') clock.after(turn.after, () => entry.answer(turn.result));
      }),
    onUnhealthy: (reason) => reports.push({ at: elapsed(), reason }),
  });
  /** Advances the clock in steps. After each step pending promises are settled, and timers that are due fire. */
  const advance = async (ms: number, step = ms): Promise<void> => {
    const moves = [0, ...Array.from({ length: Math.floor(ms / step) }, () => step), ms % step];
    for (const move of moves) {
      clock.advance(move);
      for (let turn = 0; turn < 3; turn += 1) {
        await settled();
        clock.advance(0);
      }
    }
  };
  return {
    clock,
    health,
    asked,
    reports,
    advance,
    standStill(ms: number) {
      stoodStill += ms;
    },
    starts: () => asked.map(({ from }) => from),
    times: () => reports.map((entry) => entry.at),
  };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

describe('with an interval of 10 s, a timeout of 5 s and one failure', () => {
  test.each<[string, Turn, number, string]>([
    ['ECONNREFUSED', at(0, refused), 30_000, `${url} refused the connection`],
    ['ETIMEDOUT', at(3000, { ok: false, kind: 'timeout' }), 33_000, `no answer from ${url} for 5 s`],
    ['a socket that stays silent', 'silence', 35_000, `no answer from ${url} for 5 s`],
    ['ECONNRESET', at(1, { ok: false, kind: 'reset' }), 30_001, `${url} reset the connection`],
  ])('restarts upon %s', async (_, turn, moment, reason) => {
    const { clock, health, reports, starts, advance } = open({}, [at(20, ok), at(20, ok), turn]);
    health.begin();
    await advance(100_000, 1);
    expect(starts()).toEqual([10_000, 20_000, 30_000]);
    expect(reports).toEqual([{ at: moment, reason }]);
    expect(clock.pending).toBe(0);
  });

  test('an answer after 4.999 s counts', async () => {
    const { health, reports, starts, advance } = open({}, [at(4999, ok)]);
    health.begin();
    await advance(35_000, 1);
    expect(starts()).toEqual([10_000, 20_000, 30_000]);
    expect(reports).toEqual([]);
  });

  test('a probe without an answer is aborted', async () => {
    const { health, asked, advance } = open();
    health.begin();
    await advance(14_999);
    expect(asked[0]?.aborted).toBe(false);
    await advance(1);
    expect(asked[0]?.aborted).toBe(true);
  });
});

describe('a probe begins', () => {
  test('after the grace, or once the run is known to be up', async () => {
    const { health, times, advance } = open({ interval: 1000, grace: 5000, failures: 1 }, [at(0, refused)]);
    health.begin();
    await advance(4999, 1);
    expect(times()).toEqual([]);
    await advance(1, 1);
    expect(times()).toEqual([5000]);
    health.begin();
    await advance(1500, 1);
    health.up();
    await advance(1000, 1);
    expect(times()).toEqual([5000, 7000]);
  });

  test('for the first time after the grace', async () => {
    const { health, starts, advance } = open({ grace: 0 });
    health.begin();
    expect(starts()).toEqual([]);
    await advance(1);
    expect(starts()).toEqual([0]);
  });

  test('only when the one before has ended', async () => {
    const { health, starts, advance } = open({ interval: 1000, grace: 1000 }, [
      at(2500, ok),
      'silence',
      at(10, ok),
      at(10, ok),
    ]);
    health.begin();
    await advance(2000, 10);
    expect(starts()).toEqual([1000]);
    await advance(2000, 10);
    expect(starts()).toEqual([1000, 3500]);
  });

  test('at once when one that timed out has outlasted the interval', async () => {
    const { health, starts, times, advance } = open({ interval: 1000, grace: 0, failures: 3 });
    health.begin();
    await advance(20_000, 10);
    expect(starts()).toEqual([0, 5000, 10_000]);
    expect(times()).toEqual([15_000]);
  });

  test('earlier when many failures would take too long', async () => {
    const { health, starts, times, advance } = open({ grace: 0, failures: 5 }, [at(0, refused)]);
    health.begin();
    await advance(100_000, 1000);
    expect(starts()).toEqual([0, 10_000, 20_000, 25_000, 30_000]);
    expect(times()).toEqual([30_000]);
  });
});

describe('failures', () => {
  test('count in a row', async () => {
    const turns = [refused, ok, refused, unavailable, ok, refused, refused, refused].map((result) => at(0, result));
    const { health, times, advance } = open({ failures: 3, grace: 0 }, turns);
    health.begin();
    await advance(200_000, 1000);
    expect(times()).toEqual([70_000]);
  });

  test('of a kind that does not count are treated as answers', async () => {
    const turns = [refused, unavailable, refused, unavailable, refused, refused].map((result) => at(0, result));
    const { health, times, advance } = open({ failures: 2, grace: 0, failOn: ['refused'] }, turns);
    health.begin();
    await advance(200_000, 1000);
    expect(times()).toEqual([50_000]);
  });

  test('are reported once, and the next probe belongs to the next run', async () => {
    const { clock, health, starts, times, advance } = open({ failures: 2 }, [at(0, refused)]);
    health.begin();
    await advance(50_000, 1000);
    expect(times()).toEqual([20_000]);
    expect(clock.pending).toBe(0);
    health.begin();
    await advance(15_000, 1000);
    expect(starts()).toEqual([10_000, 20_000, 60_000]);
    expect(times()).toEqual([20_000]);
    await advance(5000, 1000);
    expect(times()).toEqual([20_000, 70_000]);
  });

  test('of a probe that cannot be sent count as well', async () => {
    const clock = createClock();
    const reports: string[] = [];
    const health = new Health({
      clock,
      policy: defaults,
      probe: () => Promise.reject(new Error('no such thing')),
      onUnhealthy: (reason) => reports.push(reason),
    });
    health.begin();
    clock.advance(10_000);
    await settled();
    expect(reports).toEqual([`${url} could not be reached (Error: no such thing)`]);
  });

  test('do not prevent a new run from beginning during the report', async () => {
    const clock = createClock();
    let reports = 0;
    const health = new Health({
      clock,
      policy: defaults,
      probe: () => Promise.resolve(refused),
      onUnhealthy() {
        reports += 1;
        health.begin();
      },
    });
    health.begin();
    for (let run = 1; run <= 3; run += 1) {
      clock.advance(10_000);
      await settled();
      expect(reports).toBe(run);
    }
  });
});

describe('when devwatch itself was held up', () => {
  test('an answer that arrived during the delay counts, although the timeout has passed', async () => {
    const clock = createClock();
    const reports: string[] = [];
    let read = (): void => undefined;
    const health = new Health({
      clock: {
        ...clock,
        // As in Node: timers that are due fire before pending input is read.
        soon(callback) {
          read();
          let cancelled = false;
          settled().then(() => cancelled || callback());
          return () => {
            cancelled = true;
          };
        },
      },
      policy: { ...defaults, interval: 60_000 },
      probe: () =>
        new Promise((resolve) => {
          read = () => resolve(ok);
        }),
      onUnhealthy: (reason) => reports.push(reason),
    });
    health.begin();
    clock.advance(15_000);
    await settled();
    await settled();
    expect(reports).toEqual([]);
    expect(clock.pending).toBe(1);
  });

  test('for long, the program is probed again', async () => {
    const { health, starts, reports, times, advance, standStill } = open({ grace: 0 });
    health.begin();
    await advance(1);
    standStill(60_000);
    await advance(4999);
    expect(starts()).toEqual([0, 5000]);
    expect(reports).toEqual([]);
    await advance(5000);
    expect(times()).toEqual([10_000]);
  });
});

describe('after the end of a run', () => {
  test('a probe under way is aborted, and its late result ignored', async () => {
    const { clock, health, asked, reports, advance } = open();
    health.begin();
    await advance(12_000);
    health.end();
    expect(asked[0]?.aborted).toBe(true);
    expect(clock.pending).toBe(0);
    asked[0]?.answer(refused);
    await advance(100_000);
    expect(reports).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  test('a late result does not count for the next run', async () => {
    const { health, asked, reports, advance } = open({}, []);
    health.begin();
    await advance(10_000);
    health.begin();
    asked[0]?.answer(refused);
    await advance(10_000);
    expect(asked).toHaveLength(2);
    asked[0]?.answer(refused);
    await advance(1);
    expect(reports).toEqual([]);
    asked[1]?.answer(refused);
    await advance(1);
    expect(reports).toHaveLength(1);
  });

  test('a late result of a probe that timed out is ignored as well', async () => {
    const { health, asked, reports, advance } = open({ failures: 2 }, []);
    health.begin();
    await advance(15_000);
    asked[0]?.answer(ok);
    await advance(10_000);
    expect(reports).toEqual([{ at: 25_000, reason: `no answer from ${url} for 2 × 5 s` }]);
  });

  test('the failures of the previous run are forgotten', async () => {
    const { health, times, advance } = open({ failures: 2 }, [at(0, refused)]);
    health.begin();
    await advance(15_000, 1000);
    health.end();
    health.begin();
    await advance(15_000, 1000);
    expect(times()).toEqual([]);
    await advance(5000, 1000);
    expect(times()).toEqual([35_000]);
  });

  test('no timer is left of a run that was not probed', async () => {
    const { clock, health, asked, advance } = open();
    health.end();
    health.begin();
    health.end();
    health.end();
    expect(clock.pending).toBe(0);
    await advance(100_000);
    expect(asked).toEqual([]);
  });
});

describe('the reason', () => {
  const timeout: ProbeResult = { ok: false, kind: 'timeout' };
  const unreachable: ProbeResult = { ok: false, kind: 'unreachable', detail: 'EHOSTUNREACH' };
  test.each<[string, Partial<HealthPolicy>, ProbeResult[]]>([
    [`no answer from ${url} for 2 × 5 s`, {}, [timeout, timeout]],
    [`no answer from ${url} for 5 s`, {}, [timeout]],
    [`no answer from ${url} for 3 × 1.5 s`, { timeout: 1500 }, [timeout, timeout, timeout]],
    [`no answer from ${url} for 250 ms`, { timeout: 250 }, [timeout]],
    [`${url} refused connections 2 times`, {}, [refused, refused]],
    [`${url} refused the connection`, {}, [refused]],
    [
      `${url} reset the connection 2 times`,
      {},
      [
        { ok: false, kind: 'reset' },
        { ok: false, kind: 'reset' },
      ],
    ],
    [`${url} closed the connection without an answer`, {}, [{ ok: false, kind: 'closed' }]],
    [`${url} answered 503 2 times`, {}, [unavailable, unavailable]],
    [`${url} answered 503`, {}, [unavailable]],
    [`${url} could not be reached 2 times (EHOSTUNREACH)`, {}, [unreachable, unreachable]],
    ['tcp://localhost:5432 refused the connection', { target: 'tcp://localhost:5432' }, [refused]],
    ['its event loop has been blocked for 2 × 5 s', { target: 'event-loop' }, [timeout, timeout]],
    ['its event loop has been blocked for 5 s', { target: 'event-loop' }, [timeout]],
    ['its event loop could not be asked', { target: 'event-loop' }, [{ ok: false, kind: 'closed' }]],
    [`2 failures in a row, the last: no answer from ${url} for 5 s`, {}, [refused, timeout]],
    [`3 failures in a row, the last: ${url} refused the connection`, {}, [refused, timeout, refused]],
    [`2 failures in a row, the last: ${url} answered 503`, {}, [{ ...unavailable, detail: '500' }, unavailable]],
  ])('%s', async (reason, policy, results) => {
    const { health, reports, advance } = open(
      { ...policy, failures: results.length },
      results.map((result) => at(0, result)),
    );
    health.begin();
    await advance(60_000, 1000);
    expect(reports.map((entry) => entry.reason)).toEqual([reason]);
  });
});

test('with any results there is one probe at a time, evenly spaced, and the program is unhealthy exactly after the configured failures in a row', async () => {
  const result = fc.constantFrom<ProbeResult>(
    ok,
    refused,
    unavailable,
    { ok: false, kind: 'reset' },
    { ok: false, kind: 'closed' },
  );
  const turn = fc.oneof(
    fc.constant<Turn>('silence'),
    fc.record({ after: fc.nat(30), result }),
    fc.record({ after: fc.nat(3), result }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(turn, { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 1, max: 25 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(20),
      fc.nat(600),
      async (turns, interval, timeout, failures, grace, runFor) => {
        const failOn = ['refused', 'timeout', 'reset', 'closed'] as const;
        const run = open({ interval, timeout, failures, grace, failOn }, turns);
        run.health.begin();
        await run.advance(runFor, 1);

        let inARow = 0;
        let firstFailedAt = 0;
        let unhealthyAt: number | undefined;
        let earliest = Math.min(grace, interval);
        let isUp = false;
        for (const [index, { from, until }] of run.asked.entries()) {
          expect(unhealthyAt, 'probed although unhealthy').toBeUndefined();
          expect(from).toBeGreaterThanOrEqual(earliest);
          const turn = turns[Math.min(index, turns.length - 1)] ?? 'silence';
          const timesOut = turn === 'silence' || turn.after >= timeout;
          const end = from + (timesOut ? timeout : turn.after);
          if (end > runFor) {
            expect(until).toBeUndefined();
            expect(index).toBe(run.asked.length - 1);
            break;
          }
          const kind = timesOut ? 'timeout' : turn.result.ok ? undefined : turn.result.kind;
          const counts = kind !== undefined && kind !== 'status';
          if (!counts) isUp = true;
          if (counts && !isUp && end < grace) {
            // It is still coming up.
          } else if (counts) {
            if (inARow === 0) firstFailedAt = end;
            inARow += 1;
          } else {
            inARow = 0;
          }
          if (inARow === failures) unhealthyAt = end;
          const next = run.asked[index + 1];
          const due = Math.max(end, from + interval);
          // The probes move closer together only when more than two failures are required.
          if (inARow < 2) expect(next?.from ?? due).toBe(due);
          else expect(next?.from ?? due).toBeLessThanOrEqual(due);
          if (next === undefined && unhealthyAt === undefined) expect(due).toBeGreaterThan(runFor - 1);
          earliest = end;
        }
        expect(run.times()).toEqual(unhealthyAt === undefined ? [] : [unhealthyAt]);
        if (unhealthyAt !== undefined) {
          expect(unhealthyAt - firstFailedAt).toBeLessThanOrEqual(interval + failures * timeout);
        }

        const count = run.asked.length;
        run.health.end();
        expect(run.asked.every(({ until }) => until !== undefined)).toBe(true);
        await run.advance(100, 1);
        expect(run.asked).toHaveLength(count);
        expect(run.clock.pending).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
