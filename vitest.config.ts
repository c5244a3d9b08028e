import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

// Tests run on the sources of sibling packages, not on their builds.
const shared = {
  resolve: { conditions: ['@polyphase/source'] },
  ssr: { resolve: { conditions: ['@polyphase/source'] } },
};

export default defineConfig({
  test: {
    reporters: ['default', './test-support/src/totals-reporter.ts'],
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test-support/src/**/*.test.ts', 'proof/**/*.test.ts'],
          exclude: [...configDefaults.exclude, 'proof/**/*.integration.test.ts'],
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: [
            'packages/*/test/**/*.integration.test.ts',
            'test-support/test/**/*.integration.test.ts',
            'examples/*/*.integration.test.ts',
            'proof/**/*.integration.test.ts',
          ],
          globalSetup: ['test-support/src/global-setup.ts'],
          pool: 'forks',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        // The contract suites of every store once more, with schemas of Valibot in the place of zod's.
        resolve: {
          ...shared.resolve,
          alias: [
            {
              find: /^\.\/entities\.ts$/,
              replacement: fileURLToPath(new URL('packages/core/test/valibot-entities.ts', import.meta.url)),
            },
          ],
        },
        ssr: shared.ssr,
        test: {
          name: 'valibot',
          include: [
            'packages/core/src/memory/memory-store.test.ts',
            'packages/core/test/valibot-entities.test.ts',
            'packages/{postgres,cosmos}/test/contract.integration.test.ts',
          ],
          globalSetup: ['test-support/src/global-setup.ts'],
          pool: 'forks',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
