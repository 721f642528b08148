import { defineConfig, mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** The whole suite with all rows of its matrices; see test/support/exhaustive.ts. */
export default mergeConfig(config, defineConfig({ test: { env: { DEVWATCH_EXHAUSTIVE: '1' } } }));
