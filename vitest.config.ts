import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/stress/**', 'node_modules/**'],
    globalSetup: ['test/support/global.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Only a bound for what never comes: no test waits for time to pass.
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
