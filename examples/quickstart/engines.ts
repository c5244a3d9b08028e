import { CosmosClient, type Database } from '@azure/cosmos';
import type { CacheStore, Entity } from '@polyphase/core';
import { memoryCacheStore } from '@polyphase/core/memory';
import { type CosmosMap, compositeIndexesFor, cosmosStore } from '@polyphase/cosmos';
import { CosmosEmulator } from '@polyphase/cosmos-emulator';
import { postgresStore } from '@polyphase/postgres';
import { redisStore } from '@polyphase/redis';
import { createDatabase, EngineMissingError, startPostgres, startRedis } from '@polyphase/test-support';
import { Redis } from 'ioredis';
import pg from 'pg';

/** Starts what the demo runs on: Cosmos DB inside this process, a real PostgreSQL, and Redis if the machine has one. */
export async function startEngines(say: (line: string) => void) {
  await using started = new AsyncDisposableStack();
  const emulator = started.use(new CosmosEmulator());
  const client = new CosmosClient(emulator.clientOptions());
  started.defer(() => client.dispose());
  const { database } = await client.databases.createIfNotExists({ id: 'demo' });
  say('Cosmos DB   embedded, in this process');

  const postgres = await startPostgres({ onlyInstalled: true });
  started.defer(() => postgres.stop());
  const data = await createDatabase(postgres.url);
  started.defer(() => data.drop());
  const pool = new pg.Pool({ connectionString: data.url, max: 8 });
  started.defer(() => pool.end());
  say(`PostgreSQL  ${postgres.from}`);

  const redis = await startRedis({ onlyInstalled: true }).catch((error: unknown) => {
    if (error instanceof EngineMissingError) return undefined;
    throw error;
  });
  const connection = redis && new Redis(redis.url);
  started.defer(() => redis?.stop());
  started.defer(() => connection?.disconnect());
  const cache: CacheStore = connection ? redisStore({ client: connection }) : memoryCacheStore();
  say(redis ? `Redis       ${redis.from}` : 'Redis       none on this machine: the cache is in memory');
  // Other programs wrote these documents. Whoever reads them knows of stamps and tombstones by now.
  const map: CosmosMap = {
    movies: { otherReaders: 'acknowledged' },
    features: { otherReaders: 'acknowledged' },
  };
  const kept = started.move();
  return {
    database,
    stores: {
      cosmos: cosmosStore({ database, map }),
      postgres: postgresStore({ pool, schema: 'demo' }),
      cache,
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Makes a container as a team would have made it before there was an SDK; the indexes are what its queries need. */
export async function createContainer(database: Database, entity: Entity): Promise<void> {
  await database.containers.create({
    id: entity.name,
    partitionKey: { paths: entity.key.partition.map((path) => `/${path}`) },
    indexingPolicy: { compositeIndexes: compositeIndexesFor(entity) },
  });
}
