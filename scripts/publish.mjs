// Publishes each package whose version the registry does not have yet, from the release workflow alone. pnpm packs,
// because it writes versions where the workspace has ranges; npm publishes, because it trades the workflow's identity
// for a token and signs where the archive came from. Run again after a failure, it goes on where it stopped.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packages, root } from './workspace.mjs';

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (error !== undefined || status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
}

function isPublished({ name, version }) {
  const asked = spawnSync('npm', ['view', `${name}@${version}`, 'version', '--json'], { encoding: 'utf8' });
  if (asked.status === 0) return asked.stdout.trim() !== '';
  if (asked.stdout.includes('E404')) return false;
  throw new Error(`the registry does not say whether it has ${name}@${version}: ${asked.stderr}`);
}

const repository = process.env.GITHUB_REPOSITORY;
if (repository === undefined) throw new Error('packages are published by the release workflow');
const work = mkdtempSync(join(tmpdir(), 'polyphase-release-'));
try {
  for (const { name, home, manifest } of packages()) {
    if (isPublished(manifest)) continue;
    // provenance is refused where the manifest names another repository than the one that the workflow runs in
    const url = `repository.url=git+https://github.com/${repository}.git`;
    run('npm', ['pkg', 'set', 'repository.type=git', url, `repository.directory=packages/${name}`], home);
    const archive = join(work, `${name}.tgz`);
    run('pnpm', ['pack', '--out', archive], home);
    run('npm', ['publish', archive, '--access', 'public', '--provenance']);
  }
  run('changeset', ['git-tag']); // its output tells the workflow's action which releases to announce
} finally {
  rmSync(work, { recursive: true, force: true });
}
