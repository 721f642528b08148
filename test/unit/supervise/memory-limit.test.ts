import { describe, expect, test } from 'vitest';
import { MemoryLimit } from '../../../src/supervise/memory-limit.ts';
import { createClock } from '../../support/clock.ts';

/** Begins a run whose samples are these values; the last one repeats. */
function begin(
  samples: readonly (number | undefined)[],
  options: { limit?: number | undefined; samples?: number } = {},
) {
  const clock = createClock();
  const exceeded: number[] = [];
  let taken = 0;
  const memory = new MemoryLimit({
    clock,
    limit: 100,
    ...options,
    measure() {
      taken += 1;
      return samples[Math.min(taken, samples.length) - 1];
    },
    onExceeded: (bytes) => exceeded.push(bytes),
  });
  memory.begin();
  return { clock, memory, exceeded, taken: () => taken };
}

describe('the memory limit', () => {
  test('is exceeded by two samples in a row above it, and reports that once', () => {
    const { clock, exceeded, taken } = begin([101, 102]);
    clock.advance(3999);
    expect(exceeded).toEqual([]);
    clock.advance(1);
    expect(exceeded).toEqual([102]);
    clock.advance(60_000);
    expect(exceeded).toEqual([102]);
    expect({ taken: taken(), pending: clock.pending }).toEqual({ taken: 2, pending: 0 });
  });

  test('is not exceeded by reaching it, by a short peak, or by an unknown value', () => {
    for (const samples of [[100], [101, 100, 101, 100, 101, 99], [undefined], [101, undefined, 101, 100]]) {
      const { clock, exceeded, taken } = begin(samples);
      clock.advance(12_000);
      expect({ exceeded, taken: taken() }).toEqual({ exceeded: [], taken: 6 });
    }
  });

  test('is exceeded by the configured number of samples', () => {
    const { clock, exceeded } = begin([101, 102, 103], { samples: 3 });
    clock.advance(60_000);
    expect(exceeded).toEqual([103]);
  });

  test('counts samples again in the next run', () => {
    const { clock, memory, exceeded } = begin([101, 102, 103, 104]);
    clock.advance(2000);
    memory.begin();
    clock.advance(2000);
    expect(exceeded).toEqual([]);
    clock.advance(2000);
    expect(exceeded).toEqual([103]);
    memory.begin();
    clock.advance(4000);
    expect(exceeded).toEqual([103, 104]);
  });

  test('takes no samples after the end of the run', () => {
    const { clock, memory, exceeded } = begin([101]);
    clock.advance(2000);
    memory.end();
    memory.end();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(exceeded).toEqual([]);
  });

  test('takes no samples without a limit', () => {
    const { clock, taken } = begin([101], { limit: undefined });
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(taken()).toBe(0);
  });
});
