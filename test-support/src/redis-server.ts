import type { Certificate } from './certificate.ts';
import { containerRuntime } from './container-runtime.ts';
import { type Engine, EngineMissingError, onlyFetched } from './engine.ts';
import { LocalRedis } from './local-redis.ts';
import { fetchedRedis, installedRedis, type RedisBinary } from './redis-binary.ts';

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
  const binary = await localRedis(onlyInstalled);
  const server = new LocalRedis({ binary, tls: options.tls });
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url: server.url, from: binary.command, process: server, stop: () => server.stop() };
}

/**
 * The program of a local Redis: from PATH, else the distribution's package.
 * @throws {@link EngineMissingError} when there is none
 */
export async function localRedis(onlyInstalled = false): Promise<RedisBinary> {
  const found = onlyFetched() ? undefined : installedRedis();
  if (!found && onlyInstalled) throw new EngineMissingError('Redis', ['redis-server is not on PATH']);
  return found ?? fetchedOrMissing();
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
