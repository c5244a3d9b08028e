// Installs the oldest driver that each package says it works with, so that CI tests both ends of every peer range.
// Changes the lockfile, so it runs in CI's throw-away checkout alone; the tests are run after it as always.
import { spawnSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { packages, root } from './workspace.mjs';

if (!process.env.CI) throw new Error('this changes the lockfile: it is for CI');

const oldest = new Map();
for (const { manifest } of packages()) {
  for (const [name, range] of Object.entries(manifest.peerDependencies ?? {})) {
    const version = /\d+\.\d+\.\d+/.exec(range)?.[0];
    if (version === undefined)
      throw new Error(`${manifest.name}: the range of ${name} has no lower end: ${range}`);
    oldest.set(name, version);
  }
}
const overrides = [...oldest].map(([name, version]) => `  "${name}": ${version}\n`);
appendFileSync(join(root, 'pnpm-workspace.yaml'), `overrides:\n${overrides.join('')}`);
console.log([...oldest].map(([name, version]) => `${name} ${version}`).join('\n'));
const { status } = spawnSync('pnpm', ['install', '--no-frozen-lockfile'], { cwd: root, stdio: 'inherit' });
process.exitCode = status ?? 1;
