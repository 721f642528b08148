import { defineConfig } from 'vitest/config';

/**
 * The recipes of docs/recipes, tried as a reader would try them: npm run test:recipes. Names of recipes behind `--`
 * select some: npm run test:recipes -- nestjs worker. Real process managers are tried in the same way. RECIPES_SHOW=1 prints the terminals.
 */
export default defineConfig({
  test: {
    include: ['test/recipes/*.test.ts', 'test/process-managers/*.test.ts'],
    globalSetup: ['test/support/global.ts', 'test/recipes/pack.ts'],
    pool: 'forks',
    // Next alone keeps two cores busy.
    fileParallelism: false,
    // Packages are installed and frameworks compile; a wait that fails names what it waited for.
    env: { DEVWATCH_TEST_DEADLINE_MS: '120000' },
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
