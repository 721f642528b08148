import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { leftOut } from './test/support/as-platform/exceptions.ts';

/** These tests wait for timers of devwatch most of the time, and need little CPU time. */
const waiting = 'test/e2e/{apps,awaited,background,background-apps,crash,unit}.test.ts';

/** With DEVWATCH_TEST_AS=darwin the end-to-end tests run devwatch as if on macOS. */
const { exclude, testNamePattern } =
  process.env.DEVWATCH_TEST_AS === undefined ? { exclude: [], testNamePattern: undefined } : leftOut();

export default defineConfig({
  test: {
    exclude: ['test/stress/**', 'node_modules/**'],
    ...(testNamePattern && { testNamePattern }),
    globalSetup: ['test/support/global.ts'],
    pool: 'forks',
    // The tests of real processes wait for them half of the time.
    maxWorkers: availableParallelism() + 1,
    // A process for each file costs half a second of CPU time; the tests undo what they change in their process.
    isolate: false,
    // Every wait has a deadline of its own, which comes first and says what it waited for.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    coverage: {
      include: ['src/**'],
      // Tests load these files as they are built, and Vitest cannot parse their sources.
      exclude: ['src/preload/*.cts'],
      reporter: ['text-summary', 'html', 'json-summary'],
    },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: [waiting, ...exclude] } },
      // `npm test` runs three tests of such a file at a time. Vitest accepts this on the command line only.
      { extends: true, test: { name: 'e2e-waiting', include: [waiting], exclude: [...exclude] } },
    ],
  },
});
