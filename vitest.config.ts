import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/stress/**', 'node_modules/**'],
    globalSetup: ['test/support/global.ts'],
    pool: 'forks',
    // The tests of one file run one after the other and often wait for processes: an extra worker uses that time.
    maxWorkers: availableParallelism() + 1,
    // Every wait has a deadline of its own, which comes first and says what it waited for.
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
