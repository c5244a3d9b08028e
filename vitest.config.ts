import { defineConfig } from 'vitest/config';

// Tests run on the sources of sibling packages, not on their builds.
const shared = {
  resolve: { conditions: ['@polyphase/source'] },
  ssr: { resolve: { conditions: ['@polyphase/source'] } },
};

export default defineConfig({
  test: {
    projects: [
      { ...shared, test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      {
        ...shared,
        test: {
          name: 'integration',
          include: ['packages/*/test/**/*.integration.test.ts'],
          pool: 'forks',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
