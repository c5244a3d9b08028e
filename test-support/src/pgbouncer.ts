import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AptPackages } from './apt-packages.ts';
import { type Engine, EngineMissingError } from './engine.ts';
import { freePort } from './free-port.ts';
import { GuardedProcess } from './guarded-process.ts';
import { give, unprivileged } from './run-as.ts';
import { temporaryHome } from './temporary-home.ts';

const run = promisify(execFile);
const TOOLCHAIN = fileURLToPath(new URL('../../.toolchain', import.meta.url));
const LATER = 'trixie';
// All that it links to: of another release, the C library and the loader that fits it as well.
const LATER_PACKAGES = [
  'pgbouncer',
  'libc6',
  'libcares2',
  'libevent-2.1-7t64',
  'libssl3t64',
  'zlib1g',
  'libzstd1',
  'libsystemd0',
  'libcap2',
  'libpam0g',
  'libaudit1',
  'libcap-ng0',
];

/** What {@link startPgBouncer} starts. */
export interface PgBouncerOptions {
  /**
   * Whether it keeps the names of prepared statements, as from 1.21 on: then it is Debian 13's, which runs on other releases too.
   * Otherwise it is that of this release (Debian 12 has 1.18), told not to where it could.
   * @default false
   */
  readonly keepsNames?: boolean;
}

/**
 * PgBouncer in transaction mode before a server: a package of Debian or Ubuntu, fetched without root.
 *
 * @throws {@link EngineMissingError} when it is not to be had
 */
export async function startPgBouncer(serverUrl: string, options: PgBouncerOptions = {}): Promise<Engine> {
  const { keepsNames = false } = options;
  const program = await programOf(keepsNames);
  const user = unprivileged();
  const own = temporaryHome('pgbouncer', user);
  const port = await freePort();
  const config = join(own, 'pgbouncer.ini');
  const lines = configOf(new URL(serverUrl), port, join(own, 'users.txt'));
  if (await knowsNames(program)) lines.push(`max_prepared_statements = ${keepsNames ? 100 : 0}`);
  writeFileSync(config, `${lines.join('\n')}\n`);
  const { username, password } = new URL(serverUrl);
  writeFileSync(join(own, 'users.txt'), `"${username}" "${password}"\n`, { mode: 0o600 });
  for (const path of [config, join(own, 'users.txt')]) give(path, user);
  const server = await GuardedProcess.start(
    {
      command: program.command,
      args: [...program.before, config],
      cwd: own,
      env: program.env,
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
    from: program.path,
    stop: async () => {
      await server.stop('SIGKILL');
      rmSync(own, { recursive: true, force: true });
    },
  };
}

function configOf(server: URL, port: number, users: string): string[] {
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
  ];
}

interface Program {
  readonly path: string;
  /** What is run, with which first arguments: the program, or a loader that is told of it. */
  readonly command: string;
  readonly before: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function programOf(keepsNames: boolean): Promise<Program> {
  const home = join(TOOLCHAIN, keepsNames ? `pgbouncer-${LATER}` : 'pgbouncer');
  if (!existsSync(home)) await fetchInto(home, keepsNames);
  const path = join(home, 'usr', 'sbin', 'pgbouncer');
  const libraries = AptPackages.libraryPath(home);
  return keepsNames
    ? { path, command: loaderIn(libraries), before: ['--library-path', libraries, path], env: {} }
    : { path, command: path, before: [], env: { LD_LIBRARY_PATH: libraries } };
}

async function knowsNames({ command, before, env }: Program): Promise<boolean> {
  const { stdout } = await run(command, [...before, '--version'], { env: { ...process.env, ...env } });
  const [, major = 0, minor = 0] = /PgBouncer (\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

// A program of another release needs the C library of that release, and only its own loader can load that.
function loaderIn(libraries: string): string {
  const names = libraries.split(':').flatMap((dir) => readdirSync(dir).map((name) => join(dir, name)));
  const found = names.find((path) => /\/ld-linux-[^/]*\.so\.\d+$/.test(path));
  if (found === undefined) throw new Error(`no loader in ${libraries}; remove that folder`);
  return found;
}

async function fetchInto(home: string, later: boolean): Promise<void> {
  mkdirSync(TOOLCHAIN, { recursive: true });
  const fresh = mkdtempSync(join(TOOLCHAIN, 'pgbouncer-'));
  try {
    const apt = new AptPackages(fresh, later ? LATER : undefined);
    await apt.update();
    await apt.unpack(later ? LATER_PACKAGES.map((name) => `${name}/${LATER}`) : ['pgbouncer']);
    if (!later) await apt.unpackMissingLibraries('pgbouncer', join(fresh, 'usr', 'sbin', 'pgbouncer'));
    rmSync(join(fresh, 'apt'), { recursive: true, force: true });
    renameSync(fresh, home);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    const why = error instanceof Error ? error.message : String(error);
    if (!existsSync(home)) throw new EngineMissingError('PgBouncer', [`it could not be fetched (${why})`]);
  }
}
