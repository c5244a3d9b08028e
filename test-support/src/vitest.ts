// What test files import. Apart from index.ts, so that a program outside vitest can start engines too.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { createDatabase, type Database, databaseName, databaseUrl } from './database.ts';

declare module 'vitest' {
  /** What the global setup hands to test files: a URL, or undefined where the engine is missing at a desk. */
  export interface ProvidedContext {
    postgresUrl: string | undefined;
    redisUrl: string | undefined;
  }
}

/** The engines that a test file can ask for. */
export type EngineName = 'postgres' | 'redis';

const NOWHERE = {
  postgres: 'postgres://unavailable.invalid/',
  redis: 'redis://unavailable.invalid',
} as const;

/**
 * `describe`, for tests that need these engines: skipped where one is missing at a desk. In CI a missing engine ends
 * the run before any test.
 * @example
 * describeWith('postgres')('PostgresRepository', () => {
 *   const database = testDatabase();
 *   const pool = new Pool({ connectionString: database.url });
 *   afterAll(() => pool.end());
 * });
 */
export function describeWith(...engines: readonly EngineName[]): typeof describe.skip {
  const missing = engines.some((engine) => provided(engine) === undefined);
  return missing ? describe.skip : describe;
}

/**
 * A database for this test file or `describe` alone: its URL at once, the database itself once the hook that this call
 * registers has run, so before every hook that is registered after it. Dropped at the end, with whatever is connected.
 */
export function testDatabase(): Pick<Database, 'url'> {
  const name = databaseName();
  const admin = provided('postgres');
  let database: Database | undefined;
  beforeAll(async () => {
    if (admin === undefined) throw new Error("no PostgreSQL: wrap these tests in describeWith('postgres')");
    database = await createDatabase(admin, name);
  });
  afterAll(async () => {
    await database?.drop();
  });
  return { url: databaseUrl(admin ?? NOWHERE.postgres, name) };
}

/** The shared Redis and a key prefix for this test file or `describe` alone; its keys are removed at the end. */
export function testRedis(): { url: string; prefix: string } {
  const url = provided('redis');
  const prefix = `t:${randomBytes(8).toString('hex')}:`;
  beforeAll(() => {
    if (url === undefined) throw new Error("no Redis: wrap these tests in describeWith('redis')");
  });
  afterAll(async () => {
    if (url !== undefined) await removeKeys(url, prefix);
  });
  return { url: url ?? NOWHERE.redis, prefix };
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const client = new Redis(url);
  try {
    for await (const keys of client.scanStream({ match: `${prefix}*`, count: 500 }) as AsyncIterable<
      string[]
    >) {
      if (keys.length > 0) await client.unlink(...keys);
    }
  } finally {
    client.disconnect();
  }
}

function provided(engine: EngineName): string | undefined {
  return inject(engine === 'postgres' ? 'postgresUrl' : 'redisUrl');
}
