// Packs every package as npm would get it, then looks at the archives as their users will: publint, attw, and a
// CommonJS program that requires every entry with nothing but the declared dependencies beside it.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { entries, filesBelow, packages, report, root } from './workspace.mjs';

const findings = [];
const work = mkdtempSync(join(tmpdir(), 'polyphase-pack-'));

/** Runs a command; what it says is shown only when it fails. */
function run(what, command, args, cwd = root) {
  const ran = spawnSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' });
  if (ran.status === 0) return ran.stdout;
  const said = ran.error?.message ?? `${ran.stdout}${ran.stderr}`;
  findings.push(`${what}: failed\n${said.trim()}`);
  return undefined;
}

function pack(pkg) {
  const archive = join(work, `${pkg.name}.tgz`);
  if (run(`${pkg.name}: pack`, 'pnpm', ['pack', '--out', archive], pkg.home) === undefined) return undefined;
  run(`${pkg.name}: publint`, 'publint', ['run', archive, '--strict']);
  run(`${pkg.name}: attw`, 'attw', ['--profile', 'esm-only', archive]);
  const unpacked = join(work, 'node_modules', pkg.manifest.name);
  mkdirSync(unpacked, { recursive: true });
  run(`${pkg.name}: unpack`, 'tar', ['-xzf', archive, '-C', unpacked, '--strip-components=1']);
  return unpacked;
}

function lookInside(pkg, unpacked) {
  for (const wanted of ['LICENSE', 'README.md', 'dist']) {
    if (!existsSync(join(unpacked, wanted))) findings.push(`${pkg.name}: the archive lacks ${wanted}`);
  }
  for (const file of filesBelow(unpacked)) {
    if (/\.test(-d)?\.ts$/.test(file))
      findings.push(`${pkg.name}: the archive carries ${file.slice(unpacked.length + 1)}`);
  }
}

/** Puts the declared dependencies where the unpacked package finds them, and no others. */
function linkDependencies(pkg, unpacked) {
  const { dependencies = {}, peerDependencies = {} } = JSON.parse(
    readFileSync(join(unpacked, 'package.json'), 'utf8'),
  );
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    const link = join(unpacked, 'node_modules', name);
    if (existsSync(join(work, 'node_modules', name))) continue; // a sibling, unpacked beside it
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(pkg.home, 'node_modules', name), link, 'junction');
  }
}

/** One copy of each class, whichever way an application loads it: require and import give the same module. */
function loadAsUsers(all) {
  const names = all.flatMap(({ manifest }) =>
    entries(manifest).map(([entry]) => `${manifest.name}${entry.slice(1)}`),
  );
  const program = `'use strict';
const names = ${JSON.stringify(names)};
(async () => {
  for (const name of names) {
    const required = require(name);
    if (Object.keys(required).length === 0) throw new Error(name + ' exports nothing');
    if (required !== (await import(name))) throw new Error(name + ' is loaded twice');
  }
})();
`;
  writeFileSync(join(work, 'fixture.cjs'), program);
  run('CommonJS fixture', process.execPath, [join(work, 'fixture.cjs')], work);
  return names.length;
}

try {
  const all = packages().map((pkg) => ({ ...pkg, unpacked: pack(pkg) }));
  const packed = all.filter(({ unpacked }) => unpacked !== undefined);
  for (const pkg of packed) {
    lookInside(pkg, pkg.unpacked);
    linkDependencies(pkg, pkg.unpacked);
  }
  const loaded = loadAsUsers(packed);
  report(findings, `${packed.length} archives, ${loaded} entries`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
