import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AptPackages } from './apt-packages.ts';
import { type Engine, EngineMissingError } from './engine.ts';
import { freePort } from './free-port.ts';
import { GuardedProcess } from './guarded-process.ts';
import { give, unprivileged } from './run-as.ts';
import { temporaryHome } from './temporary-home.ts';

const TOOLCHAIN = fileURLToPath(new URL('../../.toolchain', import.meta.url));

/**
 * PgBouncer in transaction mode before a server: the distribution's package of Debian or Ubuntu, fetched without root. Debian 12 has
 * 1.18, which knows no prepared statements; from 1.21 on they are kept.
 *
 * @throws {@link EngineMissingError} when it is not to be had
 */
export async function startPgBouncer(serverUrl: string): Promise<Engine> {
  const home = join(TOOLCHAIN, 'pgbouncer');
  if (!existsSync(home)) await fetchInto(home);
  const command = join(home, 'usr', 'sbin', 'pgbouncer');
  const user = unprivileged();
  const own = temporaryHome('pgbouncer', user);
  const port = await freePort();
  const config = join(own, 'pgbouncer.ini');
  writeFileSync(config, configOf(new URL(serverUrl), port, join(own, 'users.txt')));
  const { username, password } = new URL(serverUrl);
  writeFileSync(join(own, 'users.txt'), `"${username}" "${password}"\n`, { mode: 0o600 });
  for (const path of [config, join(own, 'users.txt')]) give(path, user);
  const server = await GuardedProcess.start(
    {
      command,
      args: [config],
      cwd: own,
      env: { LD_LIBRARY_PATH: AptPackages.libraryPath(home) },
      user,
      logFile: join(own, 'pgbouncer.log'),
      stopSignal: 'SIGKILL',
      removeWhenAbandoned: [own],
    },
    /process up/,
  );
  const url = new URL(serverUrl);
  url.port = String(port);
  return {
    url: url.href,
    from: command,
    stop: async () => {
      await server.stop('SIGKILL');
      rmSync(own, { recursive: true, force: true });
    },
  };
}

function configOf(server: URL, port: number, users: string): string {
  return [
    '[databases]',
    `* = host=${server.hostname} port=${server.port} user=${server.username} password=${server.password}`,
    '[pgbouncer]',
    `listen_addr = 127.0.0.1`,
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = plain',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    'default_pool_size = 3',
    'max_client_conn = 200',
    '',
  ].join('\n');
}

async function fetchInto(home: string): Promise<void> {
  mkdirSync(TOOLCHAIN, { recursive: true });
  const fresh = mkdtempSync(join(TOOLCHAIN, 'pgbouncer-'));
  try {
    const apt = new AptPackages(fresh);
    await apt.update();
    await apt.unpack(['pgbouncer']);
    await apt.unpackMissingLibraries('pgbouncer', join(fresh, 'usr', 'sbin', 'pgbouncer'));
    rmSync(join(fresh, 'apt'), { recursive: true, force: true });
    renameSync(fresh, home);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    const why = error instanceof Error ? error.message : String(error);
    if (!existsSync(home)) throw new EngineMissingError('PgBouncer', [`it could not be fetched (${why})`]);
  }
}
