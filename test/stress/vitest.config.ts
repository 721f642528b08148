import os from 'node:os';
import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { cacheFolder } from '../../src/shared/user-folders.ts';

/**
 * The stress run: everything that is too long for every day. STRESS_REPEATS, STRESS_KILLS, STRESS_SEQUENCES,
 * STRESS_RESTARTS, STRESS_INSTALLATIONS and STRESS_PACKAGE_SAVES, _KILLS and _RESTARTS set its length, STRESS_SEED where the
 * sequences begin.
 */
export default defineConfig({
  test: {
    include: ['test/stress/*.test.ts', 'test/unit/process/tree/adversaries.test.ts'],
    globalSetup: ['test/support/global.ts'],
    pool: 'forks',
    env: {
      STRESS_REPEATS: process.env.STRESS_REPEATS ?? '20',
      DEVWATCH_TEST_DEADLINE_MS: '60000',
      // The caches of devwatch itself are temporary (test/support/global.ts).
      STRESS_PACKAGES: path.join(cacheFolder(process.env) ?? os.tmpdir(), 'applications'),
    },
    testTimeout: 900_000,
  },
});
