// Runs the contract suites of the adapters against the oldest driver of every peer range, in a copy of the last commit that is thrown
// away. CI runs all tests so; this is for whoever changes a range.
//   npm run lowest                          the contract suites
//   npm run lowest -- packages/redis        what else vitest is to run
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './workspace.mjs';

const copy = join(realpathSync(mkdtempSync(join(tmpdir(), 'polyphase-lowest-'))), 'copy');
const run = (cwd, program, ...args) => {
  const env = { ...process.env, CI: '1' };
  const { status } = spawnSync(program, args, { cwd, env, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
  return status === 0;
};
const files = process.argv.length > 2 ? process.argv.slice(2) : ['contract.integration'];
const dev = (...command) => run(copy, process.execPath, 'scripts/dev.mjs', ...command);

if (run(root, 'git', 'worktree', 'add', '--detach', copy, 'HEAD')) {
  try {
    const tools = join(root, '.toolchain');
    if (existsSync(tools))
      cpSync(tools, join(copy, '.toolchain'), { recursive: true, verbatimSymlinks: true });
    if (dev('node', 'scripts/oldest-peers.mjs')) dev('vitest', 'run', '--project', 'integration', ...files);
  } finally {
    run(root, 'git', 'worktree', 'remove', '--force', copy);
  }
}
