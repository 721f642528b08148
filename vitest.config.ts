import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    exclude: ['test/stress/**', 'node_modules/**'],
    globalSetup: ['test/support/global.ts'],
    pool: 'forks',
    maxWorkers: availableParallelism(),
    // A process for each file costs half a second of CPU time; the tests undo what they change in their process.
    isolate: false,
    // Every wait has a deadline of its own, which comes first and says what it waited for.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      // Most of these wait for processes most of the time. `npm test` runs two at a time in each worker, which vitest
      // can be told on the command line only: a project cannot set `sequence.concurrent`.
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'] } },
    ],
  },
});
