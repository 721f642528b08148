import os from 'node:os';
import { expect, test } from 'vitest';
import { cpuQueue } from '../../../src/watch/cpu-queue.ts';

test('the queue of a CPU holds this process at least, and no more than all threads of the machine', () => {
  const queue = cpuQueue();
  expect(queue).toBeGreaterThanOrEqual(1);
  expect(Number.isInteger(queue)).toBe(true);
  expect(queue).toBeLessThan(100_000 / os.availableParallelism());
});
