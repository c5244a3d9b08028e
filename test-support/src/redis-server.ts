import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Certificate } from './certificate.ts';
import { containerRuntime } from './container-runtime.ts';
import { type Engine, EngineMissingError, type EngineProcess, onlyFetched } from './engine.ts';
import { freePort } from './free-port.ts';
import { GuardedProcess } from './guarded-process.ts';
import { fetchedRedis, installedRedis, type RedisBinary } from './redis-binary.ts';
import { temporaryHome } from './temporary-home.ts';

const START_ATTEMPTS = 5;
const RETRY_MS = 100;

/** Where {@link startRedis} looks. */
export interface RedisOptions {
  /**
   * Only what the machine has: nothing is downloaded, neither an image nor a package.
   * @default false
   */
  readonly onlyInstalled?: boolean;
  /** Takes connections over TLS with this certificate, and no others. Then only a local server is used. */
  readonly tls?: Certificate;
}

/**
 * A Redis server without persistence: `TEST_REDIS_URL` if set, else a container if an engine answers, else
 * `redis-server` from PATH, else the distribution's package, fetched without root. It never outlives this process.
 * @throws {@link EngineMissingError} when none of them is to be had.
 */
export async function startRedis(options: RedisOptions = {}): Promise<Engine> {
  const given = options.tls ? undefined : process.env['TEST_REDIS_URL'];
  if (given) return { url: given, from: 'environment', stop: async () => undefined };
  const { onlyInstalled = false } = options;
  if (!options.tls && !onlyInstalled && !onlyFetched() && (await containerRuntime()))
    return startInContainer();
  const found = onlyFetched() ? undefined : installedRedis();
  if (!found && onlyInstalled) throw new EngineMissingError('Redis', ['redis-server is not on PATH']);
  const binary = found ?? (await fetchedOrMissing());
  const server = new LocalRedis(binary, options.tls);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url: server.url, from: binary.command, process: server, stop: () => server.stop() };
}

async function fetchedOrMissing(): Promise<RedisBinary> {
  try {
    return await fetchedRedis();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineMissingError('Redis', [
      'TEST_REDIS_URL is not set',
      'no container engine answers',
      'redis-server is not on PATH',
      `it could not be fetched (${why})`,
    ]);
  }
}

async function startInContainer(): Promise<Engine> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer('redis:8-alpine')
    .withExposedPorts(6379)
    .withCommand(['redis-server', '--save', '', '--appendonly', 'no'])
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .start();
  return {
    url: `redis://${container.getHost()}:${container.getMappedPort(6379)}`,
    from: 'testcontainers',
    stop: async () => {
      await container.stop();
    },
  };
}

class LocalRedis implements EngineProcess {
  readonly #binary: RedisBinary;
  readonly #home = temporaryHome('redis', {});
  #server: GuardedProcess | undefined;
  readonly #tls: Certificate | undefined;
  #port = 0;

  constructor(binary: RedisBinary, tls?: Certificate) {
    this.#binary = binary;
    this.#tls = tls;
  }

  get url(): string {
    return `${this.#tls ? 'rediss' : 'redis'}://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const port = this.#port === 0 ? await freePort() : this.#port;
      try {
        this.#server = await this.#run(port);
        this.#port = port;
        return;
      } catch (error) {
        const taken = error instanceof Error && /in use/i.test(error.message);
        if (!taken || attempt === START_ATTEMPTS) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  async kill(): Promise<void> {
    await this.#server?.stop('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  log(): string {
    return this.#server?.log() ?? '';
  }

  async stop(): Promise<void> {
    await this.kill(); // nothing is kept, so there is nothing to flush
    rmSync(this.#home, { recursive: true, force: true });
  }

  #doors(port: number): readonly string[] {
    if (!this.#tls) return ['--port', String(port)];
    const [key, cert] = [join(this.#home, 'server.key'), join(this.#home, 'server.crt')];
    writeFileSync(key, this.#tls.key, { mode: 0o600 });
    writeFileSync(cert, this.#tls.cert);
    const files = ['--tls-key-file', key, '--tls-cert-file', cert, '--tls-ca-cert-file', cert];
    return ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
  }

  #run(port: number): Promise<GuardedProcess> {
    const place = [...this.#doors(port), '--bind', '127.0.0.1', '--dir', this.#home];
    const order = {
      command: this.#binary.command,
      args: [...place, '--save', '', '--appendonly', 'no', '--daemonize', 'no'],
      cwd: this.#home,
      env: this.#binary.env,
      user: {},
      logFile: join(this.#home, 'redis.log'),
      stopSignal: 'SIGKILL' as const,
      removeWhenAbandoned: [this.#home],
    };
    return GuardedProcess.start(order, /Ready to accept connections/);
  }
}
