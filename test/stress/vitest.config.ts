import { defineConfig } from 'vitest/config';

/**
 * The stress run: everything that is too long for every day. STRESS_REPEATS, STRESS_KILLS, STRESS_SEQUENCES,
 * STRESS_RESTARTS and STRESS_INSTALLATIONS set its length, STRESS_SEED where the sequences begin.
 */
export default defineConfig({
  test: {
    include: ['test/stress/*.test.ts', 'test/unit/process/tree/adversaries.test.ts'],
    globalSetup: ['test/support/global.ts'],
    pool: 'forks',
    env: { STRESS_REPEATS: process.env.STRESS_REPEATS ?? '20', DEVWATCH_TEST_DEADLINE_MS: '60000' },
    testTimeout: 900_000,
  },
});
