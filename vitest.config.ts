import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more forks only make the timing-sensitive suites compete with each other.
    pool: 'forks',
    maxWorkers: 2,
  },
});
