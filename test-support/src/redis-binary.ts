import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AptPackages } from './apt-packages.ts';

const TOOLCHAIN = fileURLToPath(new URL('../../.toolchain', import.meta.url));

/** A server's program and the environment that it needs. */
export interface RedisBinary {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** `redis-server`, or its twin Valkey, from PATH. */
export function installedRedis(): RedisBinary | undefined {
  const dirs = (process.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  const found = ['redis-server', 'valkey-server']
    .flatMap((name) => dirs.map((dir) => join(dir, name)))
    .find((path) => executable(path));
  return found === undefined ? undefined : { command: found, env: {} };
}

/**
 * `redis-server` of this Debian or Ubuntu release, unpacked into `.toolchain/redis` and kept there. Needs no root, and
 * changes nothing outside that folder.
 * @throws when this is another system, or its package servers cannot be reached.
 */
export async function fetchedRedis(): Promise<RedisBinary> {
  const home = join(TOOLCHAIN, 'redis');
  if (!existsSync(home)) await fetchInto(home);
  return unpacked(home);
}

async function fetchInto(home: string): Promise<void> {
  mkdirSync(TOOLCHAIN, { recursive: true });
  const fresh = mkdtempSync(join(TOOLCHAIN, 'redis-'));
  try {
    const apt = new AptPackages(fresh);
    await apt.update();
    await apt.unpack(['redis-server', 'redis-tools']);
    await apt.unpackMissingLibraries('redis-tools', unpacked(fresh).command);
    rmSync(join(fresh, 'apt'), { recursive: true, force: true });
    renameSync(fresh, home);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(home)) throw error; // else another run was first
  }
}

function unpacked(home: string): RedisBinary {
  const command = join(home, 'usr', 'bin', 'redis-server');
  if (!executable(command)) throw new Error(`no redis-server below ${home}; remove that folder`);
  return { command, env: { LD_LIBRARY_PATH: AptPackages.libraryPath(home) } };
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
