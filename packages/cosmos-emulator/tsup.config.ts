import { defineConfig } from 'tsup';

export default defineConfig({
  // Scripts run in a process of their own, behind a thread of its own: each starts from a file beside the entry.
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli.ts',
    'script-relay': 'src/script/script-relay.ts',
    'script-process': 'src/script/script-process.ts',
  },
  format: ['esm'],
  dts: { entry: ['src/index.ts', 'src/cli.ts'] },
  sourcemap: true,
  clean: true,
  target: 'node22',
});
